"""Audit: take stock of a shelf, verify what was verified longest ago, and record the results.

A run may end at any moment: what it has verified is in the catalogue, and the next run goes on with the others.
"""

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.output_file import write_output
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.manifest.problem import Problem, Refused
from qa2pack.manifest.signature.signature import NOBODY, Trust
from qa2pack.pack.audit import metrics, page
from qa2pack.pack.audit.catalogue import opened_catalogue
from qa2pack.pack.audit.outputs import make_folders, output_place
from qa2pack.pack.audit.shelved import Finding, Shelved, Standing, Summary
from qa2pack.pack.audit.stock import Change, take_stock
from qa2pack.pack.audit.verify_in_turn import Clock, Verifying, verify_in_turn
from qa2pack.pack.jobs.engines import Workers, stopping
from qa2pack.pack.jobs.packages_below import is_control
from qa2pack.pack.named_path import path_problem

_CLOCK = Clock()
_ANY = b""
_CONTROL = b".pack"


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What is audited, for how long, and what is written.

    Attributes:
        roots: absolute paths without links: folders that hold packages, or packages.
        catalogue: path of it.
        has_own_catalogue: it is the one of the user, whose folder is made if it is not there.
        seconds: after this no package is begun; 0 is unlimited.
        every_seconds: what was tried within this time is left.
        is_forgetting: packages that are gone are taken out of the catalogue.
        report, metrics: paths of the page and of the text for Prometheus; None for none.
    """

    roots: tuple[bytes, ...]
    catalogue: bytes
    has_own_catalogue: bool = False
    seconds: float = 0
    every_seconds: float = 0
    is_forgetting: bool = False
    report: bytes | None = None
    metrics: bytes | None = None


@dataclass(frozen=True, slots=True)
class Wrong:
    """A package that somebody should look at, with the first of its problems."""

    package: Shelved
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Audited:
    """What a run found.

    Attributes:
        has_own_catalogue: the catalogue is the one that is taken if none is named.
        changes: what came, went, was moved or changed since the run before.
        verified: path and result of what this run verified.
        busy: paths of packages that were left because another run works on them; without those that another audit
            has verified since.
        left_count: packages that are due still, for the next run; without those that are busy.
        forgotten_count: packages that were gone, and are out of the catalogue now.
        unsearched: folders that could not be searched.
        is_stopped: by a signal.
    """

    roots: tuple[bytes, ...]
    catalogue: bytes
    has_own_catalogue: bool
    summary: Summary
    wrong: tuple[Wrong, ...]
    changes: tuple[Change, ...]
    verified: tuple[tuple[bytes, Standing], ...]
    busy: tuple[bytes, ...]
    left_count: int
    forgotten_count: int
    unsearched: tuple[Problem, ...]
    is_stopped: bool
    report: bytes | None
    metrics: bytes | None


def audit(options: AuditOptions, workers: Workers, trust: Trust = NOBODY, clock: Clock = _CLOCK) -> Audited:
    """Audit a shelf.

    Raises:
        Refused: a root is no folder, an output cannot go where it is wanted, or the catalogue cannot be used.
    """
    _check_roots(options.roots)
    if options.has_own_catalogue:
        make_folders(options.catalogue, Disk())
    catalogue_path = output_place(options.catalogue, _ANY)
    report = None if options.report is None else output_place(options.report, page.MARK)
    metrics_path = None if options.metrics is None else output_place(options.metrics, metrics.MARK)
    with opened_catalogue(catalogue_path) as catalogue, stopping() as stop:
        catalogue.limit_to(options.roots)
        began_seconds, now_ns = clock.seconds(), clock.now_ns()
        stock = take_stock(catalogue, options.roots, now_ns, stop)
        forgotten_count = catalogue.forget_gone() if options.is_forgetting else 0
        before_ns = now_ns - int(options.every_seconds * 1e9)
        until_seconds = began_seconds + options.seconds if options.seconds else None
        turn = verify_in_turn(
            catalogue, Verifying(workers, trust, stop, clock), before_ns=before_ns, until_seconds=until_seconds
        )
        due_count = catalogue.due_count(before_ns)
        busy = [each.path for each in turn.busy if catalogue.is_due(each.number, before_ns)]
        summary = catalogue.summary()
        if report is not None:
            blocks = page.page_blocks(
                options.roots, summary, catalogue, stock.unsearched, path=report, now_ns=clock.now_ns()
            )
            write_output(Disk(), report, blocks, is_replacing=True)
        if metrics_path is not None:
            blocks = metrics.metrics_blocks(summary, catalogue, stock.unsearched, now_ns=clock.now_ns())
            write_output(Disk(), metrics_path, blocks, is_replacing=True)
        return Audited(
            options.roots,
            catalogue_path,
            options.has_own_catalogue,
            summary,
            wrong=tuple(Wrong(each, tuple(catalogue.findings(each.number))) for each in catalogue.wrong()),
            changes=stock.changes,
            verified=tuple(turn.verified),
            busy=tuple(busy),
            left_count=due_count - len(busy),
            forgotten_count=forgotten_count,
            unsearched=stock.unsearched,
            is_stopped=turn.is_stopped or not stock.is_whole,
            report=report,
            metrics=metrics_path,
        )


def _check_roots(roots: tuple[bytes, ...]) -> None:
    """Refuse a root that is not there: every package below it would seem to be gone."""
    missing = [root for root in roots if not is_folder(root) and not is_control(root + _CONTROL)]
    if missing:
        raise Refused(*(path_problem(root, "a folder that holds packages, or a package") for root in missing))
