"""What is compared with what: trees, jobs, and the ratio to be content with."""

import shutil
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.process import environment


class Kind(StrEnum):
    """What a tree holds; see `benchmarks.trees`."""

    SMALL = "small"
    BIG = "big"
    ONE = "one"
    MIXED = "mixed"
    BUNDLED = "bundled"
    COLD = "cold"
    LATE = "late"


_BYTES_PER_BLOCK = 850 << 20


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree to measure with.

    Attributes:
        size: the number of small or late files, the bytes of big, bundled or cold ones, or the number of EBs.
    """

    kind: Kind
    size: int

    @property
    def label(self) -> str:
        """What it is, in few words."""
        match self.kind:
            case Kind.SMALL:
                return f"{self.size // 1000}k small"
            case Kind.LATE:
                return f"{self.size // 1000}k late"
            case Kind.MIXED:
                return f"{self.size} EB{'s' if self.size > 1 else ''}"
            case Kind.BIG:
                return f"{self.size / 2**30:g} GiB big"
            case Kind.ONE:
                return f"{self.size / 2**30:g} GiB one"
            case Kind.BUNDLED:
                return f"{self.size / 2**20:g} MiB bundled"
            case Kind.COLD:
                return f"{self.size / 2**30:g} GiB cold"

    @property
    def space_bytes(self) -> int:
        """How much room its tree and two copies of it take, roughly."""
        match self.kind:
            case Kind.SMALL | Kind.LATE:
                return 3 * self.size * 9000
            case Kind.MIXED:
                return 3 * self.size * _BYTES_PER_BLOCK
            case Kind.BIG | Kind.ONE | Kind.BUNDLED | Kind.COLD:
                return 2 * self.size + (1 << 30)


@dataclass(frozen=True, slots=True)
class Target:
    """The highest ratio to be content with, on trees of at least that size.

    Below it the start of Python, some tenth of a second, weighs more than the work.
    """

    ratio: float
    least_size: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One comparison.

    Attributes:
        peer_name: who does the same work, in few words.
        ours, peer: shell commands, run inside the tree's folder.
        target: none where nobody has set one.
        needs: programs of the peer.
        once: what is prepared before the first round.
        before_ours, before_peer: what is prepared before each run. None of the three is measured.
        is_long: left out of the short run.
    """

    name: str
    peer_name: str
    ours: str
    peer: str
    target: Target | None = None
    needs: tuple[str, ...] = ()
    once: str = "true"
    before_ours: str = "true"
    before_peer: str = "true"
    is_long: bool = False

    def missing(self) -> list[str]:
        """Return the programs of the peer that are not installed."""
        path = environment()["PATH"]
        return [program for program in self.needs if shutil.which(program, path=path) is None]
