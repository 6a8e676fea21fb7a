"""Failure messages and exit codes: from an exception to path, action, state of the package, and what to type next.

An error caused by a user or a disk never shows a traceback; any other error is a bug, and its traceback is written to
a file. Exceptions are mapped only here, so every command has the same exit codes.
"""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from qa2pack.executor.engine.errors import NoWorkersError, WorkersDiedError, WorkersLostError
from qa2pack.executor.errors import CannotUndoError, NotFiledError, OriginAwayError, OriginChangedError
from qa2pack.executor.memory import is_memory_short, limit_words
from qa2pack.executor.stop_signals import InterruptedByUser
from qa2pack.executor.transaction.journal import JournalError
from qa2pack.executor.transaction.lock import LockedError
from qa2pack.executor.transaction.recovery import Phase, phase_of
from qa2pack.executor.transaction.renaming import running_records
from qa2pack.manifest.casa.column_split import TableBrokenError
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import files_with_bad_records
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.format.wire import WireError
from qa2pack.manifest.fs.control_file import ControlFileError
from qa2pack.manifest.path import UnsafePathError, shown
from qa2pack.manifest.problem import Code, PackError, Problem, Refused, Remedy
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.errors.crash_report import save_report
from qa2pack.pack.errors.disk_shortage import shortage_of
from qa2pack.pack.errors.problem_texts import WORDS
from qa2pack.pack.errors.problem_view import MOST_PATHS, problem_lines, remedies_lines
from qa2pack.pack.errors.replan import last_plan, plan_options
from qa2pack.pack.errors.similar_paths import meant_path
from qa2pack.pack.errors.system_error import system_error_text, system_problem
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.target import Target, quoted
from qa2pack.pack.terminal.style import Style, folded, unbroken
from qa2pack.tarsplit.output_files import OutputBusyError
from qa2pack.tarsplit.place.place import StoreBusyError, StoreError
from qa2pack.tarsplit.sidecar import NotSignedError


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed command.

    Attributes:
        title: the first line.
        rest: more lines, ready to print.
        problems: the problems, at least one.
        is_program: it is a bug of the program, so developers need the traceback.
    """

    code: Exit
    title: str
    rest: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_program: bool = False

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join((self.title, *self.rest))


def failure_of(error: BaseException, attempt: Attempt, style: Style) -> Failure:
    """Return the failure for an exception."""
    match error:
        case NotFiledError():
            return _not_filed(error, attempt)
        case OriginChangedError():
            return _of_problems("stopped", error, attempt, style)
        case OriginAwayError():
            return replace(_of_problems("stopped", error, attempt, style), code=Exit.RESUMABLE)
        case Refused() | JournalError():
            return _of_problems("refused", error, attempt, style)
        case StreamError():
            return _of_problems("refused", _of_stream(error, attempt), attempt, style)
        case ControlFileError(strerror=found, filename=path):
            problem = Problem(Code.CONTROL_UNUSABLE, os.fsencode(path), "a regular file", str(found))
            return _of_problems("refused", Refused(problem), attempt, style)
        case _:
            return _of_moment(error, attempt)


def _not_filed(error: NotFiledError, attempt: Attempt) -> Failure:
    """Return the failure for the last step of a transaction, with the command that repeats it."""
    words, advice = system_error_text(error)
    is_renamed = attempt.target.package != error.package
    again = replace(
        attempt,
        verb="rollback" if attempt.verb == "rollback" else "apply",
        target=Target(error.package, error.package.path) if is_renamed else attempt.target,
    )
    lines = (*folded(advice, indent=0), _ENDED, *again.again_lines("To go on"))
    return _failure(Exit.RESUMABLE, attempt, words, *lines, problems=(system_problem(error),))


_ENDED = "The new package is complete and on disk; only its journal is left to be filed."
_NO_MANIFEST_HERE = (Remedy("Restore the file from a backup, or use the version of this program that wrote it."),)


def _of_stream(error: StreamError, attempt: Attempt) -> PackError:
    """Return the refusal for a plan or manifest that cannot be used; only a package's own can be made again."""
    package = attempt.target.package
    is_own = os.path.dirname(error.path) == package.manifests or error.path == package.plan
    is_whole = error.code is Code.NOT_A_DELIVERY_MANIFEST
    return Refused(*error.problems, remedies=() if is_own or is_whole else _NO_MANIFEST_HERE)


def _of_moment(error: BaseException, attempt: Attempt) -> Failure:
    """Return the failure for an exception after which the same command can succeed later."""
    match error:
        case LockedError():
            title = f"the package is locked by {shown(error.holder) or 'another process'}"
            lines = attempt.again_lines("When it has ended")
            return _failure(Exit.LOCKED, attempt, title, *lines, problems=error.problems)
        case OutputBusyError():
            title, advice = f"another process writes {shown(error.path)}", WORDS[Code.OUTPUT_BUSY].remedy
            return _failure(Exit.LOCKED, attempt, title, advice, problems=error.problems)
        case StoreBusyError():
            title, advice = f"the delivery is sent by {shown(error.sender)}", WORDS[Code.STORE_BUSY].remedy
            return _failure(Exit.LOCKED, attempt, title, advice, problems=error.problems)
        case StoreError():
            advice = unbroken(f"Address: {shown(error.problems[0].path)}")
            return _stopped(attempt, f"the store failed: {shown(error.text)}.", advice, problems=error.problems)
        case InterruptedByUser() | KeyboardInterrupt():
            title = "the command was interrupted."
            return _stopped(attempt, title, "", is_user=True, problems=InterruptedByUser.problems)
        case _ if is_memory_short(error):
            found = limit_words() or str(getattr(error, "strerror", error))
            title = f"{': '.join(filter(None, ('memory is short', shown(found))))}."
            advice = WORDS[Code.MEMORY_SHORT].remedies[0].text
            return _stopped(attempt, title, advice, problems=(Problem(Code.MEMORY_SHORT, b"", found=found),))
        case _:
            return _of_disk_or_program(error, attempt)


_NO_THREAD = "can't start new thread"  # as Python says it


def _of_disk_or_program(error: BaseException, attempt: Attempt) -> Failure:
    if str(error) == _NO_THREAD:
        error = OSError(errno.EAGAIN, _NO_THREAD)
    match error:
        case OSError():
            words, advice = system_error_text(error)
            missing = shortage_of(error, attempt) if error.errno == errno.ENOSPC else ""
            advice = " ".join(filter(None, (missing, advice)))
            return _stopped(attempt, words, advice, problems=(system_problem(error),))
        case WireError() | UnsafePathError():
            return _broken_record(error, attempt)
        case TableBrokenError(problems=problems):
            title = f"casacore could not work on a table: {shown(error.reason)}"
            lines = (f"table: {shown(error.path)}", *_state_and_next(attempt))
            return _failure(_code(attempt), attempt, title, *lines, problems=problems)
        case ImportError() if _package_of(error) not in ("", _OWN):
            return _missing_package(error, attempt)
        case NoWorkersError(faults=faults, problems=problems):
            advice = f"Do: {WORDS[Code.NO_WORKERS].remedy}"
            lines = (*map(shown, faults), *folded(advice, indent=0), *_state_and_next(attempt))
            return _failure(_code(attempt), attempt, f"{error}.", *lines, problems=problems)
        case WorkersLostError(problems=problems):
            stopped = _stopped(attempt, f"the cluster was lost: {error}.", "", problems=problems)
            return replace(stopped, code=Exit.RESUMABLE)
        case WorkersDiedError(problems=problems):
            title = "worker processes were killed again and again."
            return _stopped(attempt, title, "Memory may be short: add --jobs 1", problems=problems)
        case NotSignedError(problems=problems):
            title = f"the sidecar could not be signed: {shown(problems[0].details[1])}."
            return _stopped(attempt, title, WORDS[Code.KEY_UNUSABLE].remedies[0].text, problems=problems)
        case PackError():
            return _of_problems("failed", error, attempt, Style())
        case _:
            return _bug(error, attempt)


def _of_problems(word: str, error: PackError, attempt: Attempt, style: Style) -> Failure:
    target = attempt.target
    problems = tuple(_located(problem, attempt) for problem in error.problems)
    origin, options = _plan_words(attempt, problems[0].code)
    remedies = error.remedies or (WORDS[problems[0].code].remedies if isinstance(error, CannotUndoError) else ())
    lines = [
        *problem_lines(
            problems,
            target,
            style,
            verb=attempt.verb,
            origin=origin,
            options=options,
            elsewhere=attempt.elsewhere,
            has_remedies=not remedies,
            shows_all=attempt.shows_all,
        ),
        *remedies_lines(
            remedies,
            target,
            verb=attempt.verb,
            origin=origin,
            options=options,
            paths=[problem.path for problem in problems[:MOST_PATHS]],
        ),
        *_option_sources(problems, attempt),
        *_meant(problems),
    ]
    count = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
    is_known = Code.TREE_UNKNOWN not in {problem.code for problem in problems}
    state = _state(attempt) if is_known else "No tree of the package was changed."
    title = f"pack {attempt.verb}: {word}, {count}. {state}"
    return Failure(Exit.FAILED, title, tuple(lines), problems)


def _plan_words(attempt: Attempt, code: Code) -> tuple[str, str | None]:
    """Return origin and options of a plan that is advised: as typed, or of the plan that the problem is about."""
    if attempt.origin:
        return attempt.origin, attempt.typed if code in _SAME_PLAN else attempt.options
    header = last_plan(attempt.target, code)
    return ("", None) if header is None else (quoted(header.origin), plan_options(header))


# Problems for which the same plan is advised, with one option more or after something was corrected.
_SAME_PLAN = frozenset((Code.SEVERAL_VALUES, Code.TEXT_FAILED, Code.NOT_TAKEN_OVER))
_PATH_CODES = frozenset(
    {Code.ORIGIN_MISSING, Code.README_MISSING, Code.PACKAGE_MISSING, Code.DESTINATION_MISSING, Code.UNKNOWN_LAYOUT}
)


_OPTIONS = {Code.README_MISSING: "readme", Code.README_NOT_TEXT: "readme", Code.UNKNOWN_LAYOUT: "layout"}


def _option_sources(problems: Sequence[Problem], attempt: Attempt) -> Iterator[str]:
    """Yield which file or variable named a path that cannot be used, if it was not typed."""
    for default in attempt.defaults:
        if default.option in {_OPTIONS.get(problem.code) for problem in problems}:
            yield from folded(f"It is not typed: {default.option} is set by {unbroken(default.source)}", indent=4)


def _meant(problems: Sequence[Problem]) -> Iterator[str]:
    """Yield suggestions for paths that do not exist."""
    for problem in problems:
        if problem.code in _PATH_CODES and (near := meant_path(problem.path)):
            yield f"    Did you mean {shown(near)}?"


_OWN = __name__.partition(".")[0]


def _package_of(error: ImportError) -> str:
    return (error.name or "").partition(".")[0]


def _missing_package(error: ImportError, attempt: Attempt) -> Failure:
    """Return the failure for a package of others; a missing module of this program is a bug."""
    name = _package_of(error)
    package = {"casacore": "python-casacore"}.get(name, name)
    title = f"the Python package {package} is missing."
    if not isinstance(error, ModuleNotFoundError):
        title = f"the Python package {package} cannot be loaded: {shown(str(error))}."
    program = quoted(os.fsencode(sys.executable))
    advice = ("To install it:", f"  {program} -m pip install --force-reinstall {package}")
    if name in sys.stdlib_module_names:
        advice = ("It is part of Python: this one is incomplete. Use another, or have it repaired:", f"  {program}")
    problem = Problem(Code.PYTHON_PACKAGE, b"", package, str(error))
    return _failure(_code(attempt), attempt, title, *_state_and_next(attempt), *advice, problems=(problem,))


def _broken_record(error: WireError | UnsafePathError, attempt: Attempt) -> Failure:
    """Return the failure for a damaged folder record whose file the exception does not name."""
    paths = tuple(files_with_bad_records(attempt.target.package))
    problems = tuple(Problem(Code.MANIFEST_DAMAGED, path, found=str(error)) for path in paths or (b"",))
    title = f"a plan or manifest is damaged: {shown(str(error))}."
    advice = "Restore the file from a backup, or make it again."
    files = (f"file: {shown(path)}" for path in paths)
    return _failure(_code(attempt), attempt, title, *files, _state(attempt), advice, problems=problems)


def _stopped(
    attempt: Attempt, title: str, advice: str, *, problems: Sequence[Problem], is_user: bool = False
) -> Failure:
    """Return the failure for a command that can be repeated or resumed."""
    is_begun = _phase(attempt) is not Phase.NONE
    code = Exit.RESUMABLE if is_begun or is_user or attempt.kept else Exit.FAILED
    lines = folded(advice, indent=0)
    return _failure(code, attempt, title, *lines, *_state_and_next(attempt), problems=problems)


def _state_and_next(attempt: Attempt) -> Iterator[str]:
    yield attempt.kept or _state(attempt)
    phase = _phase(attempt)
    if phase not in (None, Phase.NONE) and attempt.verb not in _RESUMED:
        attempt = replace(attempt, verb="apply")  # the same command would be refused, or find nothing to do
    is_new = phase is Phase.NONE and not attempt.kept
    yield from attempt.again_lines("To try again" if is_new else "To go on")


# Verbs that go on with what was begun; of the others it is `pack apply` that does.
_RESUMED = frozenset(("apply", "receive", "rollback"))


def _state(attempt: Attempt) -> str:
    match _phase(attempt):
        case None:
            return "The journal could not be read, so it is unknown how far this came; all that was done is kept."
        case Phase.NONE:
            return "Nothing was changed."
        case Phase.STAGING:
            return "The package is as it was; what is staged so far is kept."
        case Phase.ROLLING_BACK:
            return "The rollback has begun and must be finished."
        case _:
            return "The new package is complete and on disk; only the last steps of publishing it are left."


def _code(attempt: Attempt) -> Exit:
    """Return the code of a failure that may be final: 1 if nothing was published."""
    return Exit.FAILED if _phase(attempt) in (Phase.NONE, Phase.STAGING) else Exit.RESUMABLE


def _phase(attempt: Attempt) -> Phase | None:
    """Return the phase of the transaction that the command runs or goes on with; NONE if there is none.

    One that has ended is none: an earlier run left its journal, and `NotFiledError` tells of one of this run. None
    if there may be one, but a mount that hung up does not show it.
    """
    if not attempt.runs_transaction:
        return Phase.NONE
    try:
        phase = phase_of(running_records(attempt.target.package))
    except (FileNotFoundError, NotADirectoryError, ControlFileError, JournalError):
        return Phase.NONE
    except OSError as error:
        is_absent = error.errno == errno.ENAMETOOLONG  # there is no file of such a name
        return Phase.NONE if is_absent else None
    return Phase.NONE if phase is Phase.ENDED else phase


def _bug(error: BaseException, attempt: Attempt) -> Failure:
    path = save_report(error)
    failure = _failure(
        _code(attempt),
        attempt,
        f"a fault of this program: {type(error).__name__}: {shown(str(error))}",
        _state(attempt),
        f"Please send this file to those who look after the program: {quoted(os.fsencode(path))}",
        problems=(Problem(Code.PROGRAM_FAULT, os.fsencode(path), found=f"{type(error).__name__}: {error}"),),
    )
    return replace(failure, is_program=True)


def _failure(code: Exit, attempt: Attempt, title: str, *lines: str, problems: Sequence[Problem]) -> Failure:
    """Return a failure of the command as a whole."""
    return Failure(
        code,
        f"pack {attempt.verb}: {problems[0].code}: {title}",
        tuple(f"  {line}" for line in (f"{attempt.noun}: {shown(attempt.target.package.path)}", *lines) if line),
        tuple(_located(problem, attempt) for problem in problems),
    )


def _located(problem: Problem, attempt: Attempt) -> Problem:
    """Return the problem with a path: one without is of the package."""
    return problem if problem.path else replace(problem, path=attempt.target.package.path)
