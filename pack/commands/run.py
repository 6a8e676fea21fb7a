"""Run a command to its end: work, result as lines or JSON, exit code, failure messages, lost output.

Results go to stdout, everything else to stderr. With `--json`, stdout holds one object even if the command fails.
"""

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NoReturn

import typer

from qa2pack.executor.stop_signals import ended_by_keyboard, stops_observed
from qa2pack.manifest.event import Level, is_logged, log_event
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.terminal.output_streams import OutputLostError, lossy_output, redirect_to_null, report_loss
from qa2pack.pack.terminal.style import style_for
from qa2pack.pack.views.view import Listing, View

if TYPE_CHECKING:
    from qa2pack.pack.commands.options import ClusterRunOptions, RunOptions
    from qa2pack.pack.errors.failure import Failure
    from qa2pack.pack.jobs.engines import Workers


def run_with_workers(
    attempt: Attempt,
    work: Callable[["Workers"], View | Listing],
    options: "RunOptions | ClusterRunOptions",
    *,
    trusted: frozenset[int] = frozenset(),
    wait_seconds: int = 0,
    is_output_all: bool = False,
) -> NoReturn:
    """Do the work with worker processes and progress display, otherwise as `run`; progress ends before the result."""

    def with_workers() -> View | Listing:
        from qa2pack.pack.commands.workers import shown_workers  # imports the engines

        with shown_workers(options, trusted, wait_seconds) as workers:
            return work(workers)

    run(attempt, with_workers, is_json=options.json, is_output_all=is_output_all)


def run(
    attempt: Attempt,
    work: Callable[[], View | Listing],
    *,
    is_json: bool,
    is_output_all: bool = False,
) -> NoReturn:
    """Do the work, print its result and exit with its exit code; a failure is printed instead.

    Args:
        is_output_all: printing is the only purpose of the command; otherwise lost output is no failure.
    """
    with lossy_output(is_output_all=is_output_all) as out:
        code = _run_work(attempt, work, is_json=is_json)
        if out is not None:
            out.flush()
            how = (
                ("The work itself is done; the exit code is its result.",)
                if code in (Exit.DONE, Exit.PROBLEMS)
                else ()
            )
            report_loss(f"pack {attempt.verb}", out.fault, *how)
    raise typer.Exit(code)


def print_view(view: View, verb: str, *, is_json: bool) -> Exit:
    """Print the result as lines or as one JSON object, and return its exit code."""
    if is_json:
        from qa2pack.pack.views.json_fields import print_fields  # imports the formats, which not every command needs

        print_fields({"command": verb, "exit_code": view.code, **view.fields()})
        return view.code
    for line in view.lines(style_for(sys.stdout)):
        print(line)
    _print_notes(view.notes)
    return view.code


def _run_work(attempt: Attempt, work: Callable[[], View | Listing], *, is_json: bool) -> Exit:
    for line in attempt.target.link_lines(attempt.noun):
        print(f"pack {attempt.verb}: {line}", file=sys.stderr)
    try:
        with ended_by_keyboard(), stops_observed():
            code = _print_result(work(), attempt, is_json=is_json)
        sys.stdout.flush()  # here, where a full disk behind stdout can still be reported
    except BrokenPipeError:
        raise  # closed pipe: nobody reads a message
    except OutputLostError as error:
        print(f"pack {attempt.verb}: the output could not be written ({error})", file=sys.stderr)
        code = Exit.FAILED
    except (Exception, KeyboardInterrupt) as error:
        code = _print_failure(_failure(error, attempt), attempt, is_json=is_json)
    return code


def _print_result(result: View | Listing, attempt: Attempt, *, is_json: bool) -> Exit:
    try:
        match result:
            case View():
                return print_view(result, attempt.verb, is_json=is_json)
            case Listing():
                return _print_listing(result)
    finally:
        result.close()


def _print_listing(listing: Listing) -> Exit:
    sys.stdout.flush()
    out = sys.stdout.buffer
    for piece in listing.pieces:
        out.write(piece)
    out.flush()
    _print_notes(listing.notes)
    return Exit.DONE


def _print_notes(notes: Iterable[str]) -> None:
    for note in notes:
        print(note, file=sys.stderr)


def _failure(error: BaseException, attempt: Attempt) -> "Failure":
    _log_traceback(error)
    from qa2pack.pack.errors.failure import failure_of  # imports every exception, so most of the program

    return failure_of(error, attempt, style_for(sys.stderr))


def _log_traceback(error: BaseException) -> None:
    if is_logged(Level.DEBUG):
        import traceback

        log_event(__name__, "traceback", "".join(traceback.format_exception(error)).rstrip("\n"), Level.DEBUG)


def _print_failure(failure: "Failure", attempt: Attempt, *, is_json: bool) -> Exit:
    _discard_output()
    print(*style_for(sys.stderr).sentence(failure.title), *failure.rest, sep="\n", file=sys.stderr)
    if is_json:
        from qa2pack.pack.views.json_fields import path_fields, print_fields, problem_fields

        print_fields(
            {
                "command": attempt.verb,
                "exit_code": failure.code,
                **path_fields("package", attempt.target.package.path),
                "error": failure.title,
                "problems": problem_fields(failure.problems),
            }
        )
    return failure.code


def _discard_output() -> None:
    """Discard output that cannot be written; otherwise Python fails again at exit, with its own message."""
    try:
        sys.stdout.flush()
    except OSError:
        redirect_to_null(sys.stdout.fileno())
