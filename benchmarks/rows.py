"""Lines of the table: what some rounds of one comparison say."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.job import Job, Tree
from benchmarks.process import Run

Pair = tuple[Run, Run]
HEAD = ("tree", "job", "ours, s", "peer", "peer, s", "ratio", "spread", "CPU, s", "MiB", "target", "")
_WIDTHS = (12, 19, 7, 24, 7, 5, 11, 11, 4, 6, 6)


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; times are medians, ratios are ours / peer round by round.

    Attributes:
        lowest, highest: the ratios that are farthest from the median.
        peak_mib: the largest process of ours.
        target: none where there is none, or none for a tree of that size.
    """

    tree: str
    job: str
    peer: str
    ours_seconds: float
    peer_seconds: float
    ratio: float
    lowest: float
    highest: float
    ours_cpu_seconds: float
    peer_cpu_seconds: float
    peak_mib: float
    target: float | None

    @property
    def verdict(self) -> str:
        """Whether the target is met, in a word."""
        if self.target is None:
            return ""
        return "met" if self.ratio <= self.target else "missed"

    def cells(self) -> tuple[str, ...]:
        """Return what stands in the columns of `HEAD`."""
        return (
            self.tree,
            self.job,
            f"{self.ours_seconds:.2f}",
            self.peer,
            f"{self.peer_seconds:.2f}",
            f"{self.ratio:.2f}",
            f"{self.lowest:.2f}-{self.highest:.2f}",
            f"{self.ours_cpu_seconds:.2f}/{self.peer_cpu_seconds:.2f}",
            f"{self.peak_mib:.0f}",
            "" if self.target is None else f"{self.target:.2f}",
            self.verdict,
        )


def row_of(tree: Tree, job: Job, pairs: Sequence[Pair]) -> Row:
    """Return the line for a job from its rounds, of which there is at least one."""
    ratios = [ours.wall_seconds / peer.wall_seconds for ours, peer in pairs]

    def median(value: Callable[[Pair], float]) -> float:
        return statistics.median(map(value, pairs))

    return Row(
        tree=tree.label,
        job=job.name,
        peer=job.peer_name,
        ours_seconds=median(lambda pair: pair[0].wall_seconds),
        peer_seconds=median(lambda pair: pair[1].wall_seconds),
        ratio=statistics.median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        ours_cpu_seconds=median(lambda pair: pair[0].cpu_seconds),
        peer_cpu_seconds=median(lambda pair: pair[1].cpu_seconds),
        peak_mib=max(ours.peak_mib for ours, _ in pairs),
        target=job.target.ratio if job.target and tree.size >= job.target.least_size else None,
    )


def plain_line(cells: Sequence[str]) -> str:
    """Return a line for the terminal, which is printed before the widths of the lines to come are known."""
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()
