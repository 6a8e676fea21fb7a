"""What went wrong, in words: which path, what was being done, what state the package is in, what to type next.

An error that a user or a disk can cause never shows a traceback; for anything else the traceback goes into a file,
because that is a fault of the program. Errors are told apart here and nowhere else, so every command ends with the
same codes.
"""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from qa2pack.executor.engine.errors import NoWorkersError, WorkersDiedError, WorkersLostError
from qa2pack.executor.rollback import CannotUndoError
from qa2pack.executor.stage.stage import OriginChangedError
from qa2pack.executor.stop_signals import InterruptedByUser
from qa2pack.executor.transaction.journal import JournalDamagedError, JournalError, read_journal
from qa2pack.executor.transaction.lock import LockedError
from qa2pack.executor.transaction.paths import journal_path
from qa2pack.executor.transaction.published_tree import UnknownTreeError
from qa2pack.executor.transaction.recovery import Phase, phase_of
from qa2pack.manifest.alma.split_spec import TableBrokenError
from qa2pack.manifest.format.files import files_with_bad_records, unusable_manifest
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.format.wire import WireError
from qa2pack.manifest.fs.untrusted import ControlFileError
from qa2pack.manifest.path import UnsafePathError, shown
from qa2pack.manifest.problem import Code, PlanRefused, Problem
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.errors.crash_report import save_report
from qa2pack.pack.errors.disk_shortage import shortage_of
from qa2pack.pack.errors.problem_view import filled, problem_lines
from qa2pack.pack.errors.similar_paths import near_path
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.read import UnfinishedError
from qa2pack.pack.refused import Refused
from qa2pack.pack.target import quoted
from qa2pack.pack.terminal.style import Style, folded, unbroken


@dataclass(frozen=True, slots=True)
class Failure:
    """How a command failed.

    Attributes:
        title: one line.
        rest: more lines, ready to print.
        problems: what it is about, where that is known.
        is_program: the program itself is at fault, so a developer wants to see where it happened.
    """

    code: Exit
    title: str
    rest: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_program: bool = False

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join((self.title, *self.rest))


def failure_of(error: BaseException, attempt: Attempt, style: Style) -> Failure:
    """Say what the error means for the user."""
    match error:
        case PlanRefused(problems=problems):
            return _of_problems("refused", problems, attempt, style)
        case OriginChangedError(problems=problems):
            return _of_problems("stopped", problems, attempt, style)
        case CannotUndoError(reason=reason, problems=problems, remedy=remedy):
            lines = [line[2:] for line in problem_lines(problems, attempt.target, style, has_remedies=False)]
            lines += folded(filled(remedy, attempt.target, attempt.origin), label="Do: ")
            return _failure(Exit.FAILED, attempt, f"{shown(reason)}.", _state(attempt), *lines)
        case UnknownTreeError(reason=reason, remedy=remedy):
            lines = list(folded(filled(remedy, attempt.target, attempt.origin), label="Do: "))
            return _failure(Exit.FAILED, attempt, f"refused: {reason}.", _state(attempt), *lines)
        case JournalDamagedError():
            problem = Problem(Code.JOURNAL_DAMAGED, error.path, found=f"one that {error.reason}")
            return _of_problems("refused", (problem,), attempt, style)
        case ControlFileError(strerror=found, filename=path):
            problem = Problem(Code.CONTROL_UNUSABLE, os.fsencode(path), "a regular file", str(found))
            return _of_problems("refused", (problem,), attempt, style)
        case StreamError() if os.path.dirname(error.path) == attempt.target.package.manifests:
            return _of_problems("refused", (unusable_manifest(error),), attempt, style)
        case Refused(reason=reason, remedy=remedy, command=command):
            advice = (*folded(f"Do: {remedy}{':' if command else '.'}"), f"  {command}" if command else "")
            return _failure(Exit.FAILED, attempt, f"refused: {reason}.", _state(attempt), *advice)
        case _:
            return _of_moment(error, attempt)


def _of_moment(error: BaseException, attempt: Attempt) -> Failure:
    """Say what it means if the same command can succeed at another moment."""
    match error:
        case UnfinishedError():
            return _unfinished(error, attempt)
        case LockedError():
            who = shown(error.holder) or "another process"
            next_step = f"Wait for it, then run {attempt.again}."
            return _failure(Exit.LOCKED, attempt, f"{who} works on this package.", next_step)
        case InterruptedByUser() | KeyboardInterrupt():
            return _stopped(attempt, "interrupted.", "", is_user=True)
        case _:
            return _of_disk_or_program(error, attempt)


def _of_disk_or_program(error: BaseException, attempt: Attempt) -> Failure:
    match error:
        case OSError():
            words, advice = system_error_text(error)
            missing = shortage_of(error, attempt) if error.errno == errno.ENOSPC else ""
            return _stopped(attempt, words, " ".join(filter(None, (advice, missing))))
        case StreamError() | JournalError():
            return _broken_file(error, attempt)
        case WireError() | UnsafePathError():
            return _broken_record(error, attempt)
        case TableBrokenError():
            title = f"casacore could not work on a table: {shown(error.reason)}"
            return _failure(Exit.FAILED, attempt, title, f"table: {shown(error.path)}", *_state_and_next(attempt))
        case ImportError():
            return _missing_package(error, attempt)
        case NoWorkersError(faults=faults):
            advice = "Do: see that the scheduler runs and that its workers see the same folders and run this program."
            lines = (*map(shown, faults), *folded(advice, indent=0), *_state_and_next(attempt))
            return _failure(Exit.FAILED, attempt, f"{error}.", *lines)
        case WorkersLostError():
            return replace(_stopped(attempt, f"the cluster was lost: {error}.", ""), code=Exit.RESUMABLE)
        case WorkersDiedError():
            title = "worker processes were killed again and again."
            return _stopped(attempt, title, "Memory may be short: add --jobs 1.")
        case _:
            return _bug(error, attempt)


def _of_problems(word: str, problems: Sequence[Problem], attempt: Attempt, style: Style) -> Failure:
    lines = [*problem_lines(problems, attempt.target, style, origin=attempt.origin), *_meant(problems)]
    count = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
    title = f"pack {attempt.verb}: {word}, {count}. {_state(attempt)}"
    return Failure(Exit.FAILED, title, tuple(lines), tuple(problems))


_PATH_CODES = frozenset(
    {Code.ORIGIN_MISSING, Code.README_MISSING, Code.PACKAGE_MISSING, Code.DESTINATION_MISSING, Code.UNKNOWN_LAYOUT}
)


def _meant(problems: Sequence[Problem]) -> Iterator[str]:
    """Yield what may have been meant by paths that lead nowhere."""
    for problem in problems:
        if problem.code in _PATH_CODES and (near := _near(problem.path)):
            yield f"    Did you mean {shown(near)}?"


def _near(path: bytes) -> bytes | None:
    if os.path.lexists(path) or not (b"/" in path or path.endswith(b".toml")):
        return None
    return near_path(os.path.abspath(path))


def _missing_package(error: ImportError, attempt: Attempt) -> Failure:
    name = (error.name or "").partition(".")[0]
    package = {"casacore": "python-casacore"}.get(name, name)
    title = f"the Python package {package} is missing."
    if not isinstance(error, ModuleNotFoundError):
        title = f"the Python package {package} cannot be loaded: {shown(str(error))}."
    program = quoted(os.fsencode(sys.executable))
    advice = ("To install it:", f"  {program} -m pip install --force-reinstall {package}")
    return _failure(Exit.FAILED, attempt, title, *_state_and_next(attempt), *advice)


def _unfinished(error: UnfinishedError, attempt: Attempt) -> Failure:
    package = attempt.target.quoted
    finish = [f"To finish it: pack apply {package}"]
    if error.is_origin_changed:
        finish = [
            "The origin has changed. To finish it, with the same options as before:",
            f"              {attempt.new_plan} --mode MODE",
            f"              pack apply {package}",
        ]
    return _failure(
        Exit.FAILED,  # the same command would not go on
        attempt,
        f"an apply was begun and has not ended (phase: {error.phase}).",
        *finish,
        f"To undo it:   pack rollback {package}",
    )


def _broken_file(error: StreamError | JournalError, attempt: Attempt) -> Failure:
    lines = [f"file: {shown(error.path)}", _state(attempt)]
    if os.path.basename(error.path) == b"plan":
        lines.append(f"Make a new plan: {attempt.new_plan} --mode MODE")
    else:
        lines.append("Restore the file from a backup, or use the version of this program that wrote it.")
    return _failure(Exit.FAILED, attempt, f"a file of the control folder {shown(error.reason)}", *lines)


def _broken_record(error: WireError | UnsafePathError, attempt: Attempt) -> Failure:
    """Return the failure of a folder's record that makes no sense, met where nothing knew its file any more."""
    files = [f"file: {shown(path)}" for path in files_with_bad_records(attempt.target.package)]
    title = f"a plan or manifest is damaged: {shown(str(error))}."
    advice = "Restore the file from a backup, or make it anew."
    return _failure(Exit.FAILED, attempt, title, *files, _state(attempt), advice)


_SYSTEM_WORDS = {
    errno.ENOSPC: ("the disk is full.", "Make room first."),
    errno.EDQUOT: ("your quota on this disk is used up.", "Make room first, or ask for more."),
    errno.EACCES: ("permission was denied.", "Get permission first."),
    errno.EPERM: ("the system does not allow it.", "Get permission first."),
    errno.EROFS: ("the file system is read-only.", "Have it mounted writable first."),
    errno.EIO: ("the disk reports an error.", "Have the disk looked at first; the kernel's log tells more (dmesg)."),
    errno.EMLINK: ("a file has as many hard links as its file system takes.", "Use --mode copy."),
    errno.EXDEV: ("a hard link would lead to another file system.", "Use --mode copy."),
}


def system_error_text(error: OSError) -> tuple[str, str]:
    """Return in words what the system said, and path and advice, which may be empty."""
    if error.errno == errno.ENOENT and isinstance(error.filename, str | bytes):
        near = _near(os.path.abspath(os.fsencode(error.filename)))
        meant = " " + unbroken(f"Did you mean {shown(near)}?") if near else ""
        return "there is no such file or folder.", f"Path: {shown(error.filename)}.{meant}"
    words, advice = _SYSTEM_WORDS.get(error.errno or 0, (f"the system says: {error.strerror or error}.", ""))
    names = [name for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    return words, " ".join(filter(None, (f"Path: {', '.join(map(shown, names))}." if names else "", advice)))


def _stopped(attempt: Attempt, title: str, advice: str, *, is_user: bool = False) -> Failure:
    """Return the failure of something that the same command can do once more, or go on with."""
    is_begun = _phase(attempt) not in (Phase.NONE, Phase.ENDED)
    code = Exit.RESUMABLE if is_begun or is_user else Exit.FAILED
    return _failure(code, attempt, title, *folded(advice, indent=0), *_state_and_next(attempt))


def _state_and_next(attempt: Attempt) -> Iterator[str]:
    yield _state(attempt)
    phase_now = _phase(attempt)
    if phase_now in (Phase.NONE, Phase.ENDED) or attempt.verb in ("apply", "rollback"):
        yield f"To try again, run {attempt.again}." if phase_now is Phase.NONE else f"To go on, run {attempt.again}."


def _state(attempt: Attempt) -> str:
    match _phase(attempt):
        case Phase.NONE | Phase.ENDED:
            return "Nothing was changed."
        case Phase.STAGING:
            return "The package is as it was; what is staged so far is kept."
        case Phase.ROLLING_BACK:
            return "Undoing has begun and is to be finished."
        case _:
            return "The new package is complete and on disk; only the last steps of publishing it are left."


def _phase(attempt: Attempt) -> Phase:
    try:
        return phase_of(read_journal(journal_path(attempt.target.package)))
    except (OSError, JournalError):
        return Phase.NONE


def _bug(error: BaseException, attempt: Attempt) -> Failure:
    path = save_report(error)
    failure = _failure(
        Exit.FAILED,
        attempt,
        f"a fault of this program: {type(error).__name__}: {shown(str(error))}",
        _state(attempt),
        f"Please send this file to those who look after the program: {quoted(os.fsencode(path))}",
    )
    return replace(failure, is_program=True)


def _failure(code: Exit, attempt: Attempt, title: str, *lines: str) -> Failure:
    package = f"{attempt.noun}: {shown(attempt.target.package.path)}"
    return Failure(code, f"pack {attempt.verb}: {title}", tuple(f"  {line}" for line in (package, *lines) if line))
