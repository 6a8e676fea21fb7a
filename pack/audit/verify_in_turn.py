"""Verifying the packages of a shelf in turn, the longest unverified first, until the time is over.

No package is stopped half-way, because the next run would begin it again and a large one would never be finished. So
one that will not fit into what is left of the time is not begun; but the first of a run is, which waits longest.
"""

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import field, replace

from qa2pack.executor.stop_signals import InterruptedByUser, Stop
from qa2pack.executor.transaction.lock import LockedError
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.problem import Code, path_fault
from qa2pack.manifest.signature.signature import Trust, Verifier
from qa2pack.pack.audit.catalogue import Catalogue
from qa2pack.pack.audit.shelved import MOST_FINDINGS, Finding, Outcome, Shelved, Standing
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.errors.failure import failure_of
from qa2pack.pack.errors.problem_view import problem_text
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.jobs.verify import verify_signed
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style

# What no package is at fault for: the others would fail as well, and all would be noted as wrong.
_OF_THE_RUN = frozenset(
    {
        Code.CLUSTER_LOST,
        Code.DISK_FULL,
        Code.MEMORY_SHORT,
        Code.NO_WORKERS,
        Code.NOT_ENCRYPTED,
        Code.PYTHON_PACKAGE,
        Code.SIGNERS_UNUSABLE,
        Code.SSH_KEYGEN_MISSING,
        Code.WORKERS_DIED,
    }
)


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as an audit sees it: seconds that pass, and ns since the epoch."""

    seconds: Callable[[], float] = time.monotonic
    now_ns: Callable[[], int] = time.time_ns


@dataclass(frozen=True, slots=True)
class Verifying:
    """How packages are verified: by which workers, and whose signatures are wanted."""

    workers: Workers
    trust: Trust
    stop: Stop
    clock: Clock


@dataclass(slots=True)
class Turn:
    """What one run has done.

    Attributes:
        verified: path and result of each package.
        busy: packages on which another run worked.
        is_stopped: by a signal.
        passed_count: packages whose turn it was, verified or not.
    """

    verified: list[tuple[bytes, Standing]] = field(default_factory=list)
    busy: list[Shelved] = field(default_factory=list)
    is_stopped: bool = False
    passed_count: int = 0
    byte_count: int = 0
    seconds: float = 0

    def expected_seconds(self, package: Shelved) -> float:
        """Return how long verifying it will take: what it took last, else as this run goes; 0 if not known."""
        if package.seconds is not None:
            return package.seconds
        return package.byte_count * self.seconds / self.byte_count if self.byte_count else 0


def verify_in_turn(catalogue: Catalogue, how: Verifying, *, before_ns: int, until_seconds: float | None) -> Turn:
    """Verify what was not tried since a time, and write each result into the catalogue at once.

    Args:
        before_ns: packages that were tried since are left.
        until_seconds: on the clock; None for no end.

    Raises:
        Exception: what keeps every package from being verified, such as a cluster that is not there; what was
            verified before is in the catalogue.
    """
    turn = Turn()
    due_count = catalogue.due_count(before_ns)
    while (package := catalogue.next_due(before_ns)) is not None:
        if how.stop.is_requested:
            turn.is_stopped = True
            return turn
        catalogue.pass_over(package.number)
        turn.passed_count += 1
        if until_seconds is not None and turn.verified:
            left_seconds = until_seconds - how.clock.seconds()
            if turn.expected_seconds(package) >= left_seconds:
                continue
        try:
            place = f"{turn.passed_count:,} of {max(due_count, turn.passed_count):,}"
            titled = replace(how, workers=how.workers.titled(f"{_name(package)} ({place}): "))
            _verify_if_free(catalogue, package, titled, turn, before_ns)
        except (InterruptedByUser, KeyboardInterrupt):
            turn.is_stopped = True
            return turn
    return turn


def _name(package: Shelved) -> str:
    return os.fsdecode(os.path.basename(package.path))


def _verify_if_free(catalogue: Catalogue, package: Shelved, how: Verifying, turn: Turn, before_ns: int) -> None:
    with catalogue.claimed(package.number) as is_claimed:
        if not is_claimed:
            turn.busy.append(package)
            return
        if not catalogue.is_due(package.number, before_ns):  # another run has just been here
            return
        outcome = _outcome(Target(Package(package.path), package.path), how)
        if outcome is None:
            turn.busy.append(package)
            return
        catalogue.record(package.number, outcome, how.clock.now_ns())
    turn.verified.append((package.path, outcome.result))
    turn.byte_count += package.byte_count
    turn.seconds += outcome.seconds


def _outcome(target: Target, how: Verifying) -> Outcome | None:
    """Verify a package; None if another run has locked it, so that it is left for later."""
    began = how.clock.seconds()
    try:
        existing_package(target)
        with closing(Verifier(how.trust)) as verifier:
            found = verify_signed(
                target.package, how.workers, target.opened, verifier, is_quick=False, stop=how.stop
            ).problems
    except (InterruptedByUser, KeyboardInterrupt):
        raise
    except LockedError:
        return None
    except Exception as error:  # what one package fails with keeps nobody from the others
        if isinstance(error, OSError):
            path_fault(error)  # raises what the machine is short of
        failure = failure_of(error, Attempt("verify", target), Style())
        if _OF_THE_RUN.intersection(each.code for each in failure.problems):
            raise
        findings = tuple(Finding(each.code, problem_text(each)) for each in failure.problems[:MOST_FINDINGS])
        seconds = how.clock.seconds() - began
        return Outcome(Standing.FAILED, seconds, len(failure.problems), findings=findings)
    problems = [each for each in found if not each.code.is_warning]
    return Outcome(
        Standing.PROBLEMS if problems else Standing.GOOD,
        how.clock.seconds() - began,
        len(problems),
        len(found) - len(problems),
        tuple(Finding(each.code, problem_text(each)) for each in problems[:MOST_FINDINGS]),
    )
