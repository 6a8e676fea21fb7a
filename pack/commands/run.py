"""Running a command's work: how every command ends, whether well or not.

Results go to stdout, everything else to stderr. With `--json`, stdout holds one object also when the command fails.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import typer

from qa2pack.executor.stop_signals import ended_by_keyboard
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.terminal.output_streams import lossy_output, redirect_to_null, report_loss
from qa2pack.pack.terminal.style import style_for
from qa2pack.pack.views.json_fields import path_fields, print_fields, problem_fields

if TYPE_CHECKING:
    from qa2pack.pack.errors.failure import Failure


def run(attempt: Attempt, work: Callable[[], Exit], *, is_json: bool, is_output_all: bool = False) -> NoReturn:
    """Do the work and leave with its exit code; a failure is told first.

    Args:
        is_output_all: what is printed is all that the command is for; otherwise output that is lost is no failure.
    """
    with lossy_output(is_output_all=is_output_all) as out:
        code = _run_work(attempt, work, is_json=is_json)
        if out is not None:
            out.flush()
            how = ("The work itself is done; the exit code tells how.",) if code in (Exit.DONE, Exit.PROBLEMS) else ()
            report_loss(f"pack {attempt.verb}", out.fault, *how)
    raise typer.Exit(code)


def _run_work(attempt: Attempt, work: Callable[[], Exit], *, is_json: bool) -> Exit:
    for line in attempt.target.link_lines(attempt.noun):
        print(f"pack {attempt.verb}: {line}", file=sys.stderr)
    try:
        with ended_by_keyboard():
            code = work()
        sys.stdout.flush()  # here, where a full disk behind stdout can still be told
    except BrokenPipeError:
        raise  # whoever read the output has gone: nobody is there to be told
    except (Exception, KeyboardInterrupt) as error:
        from qa2pack.pack.errors.failure import failure_of  # knows every error there is, so most of the program

        style = style_for(sys.stderr)
        failure = failure_of(error, attempt, style)
        _discard_output()
        print(*style.sentence(failure.title), *failure.rest, sep="\n", file=sys.stderr)
        if is_json:
            _print_failure(failure, attempt)
        code = failure.code
    return code


def _discard_output() -> None:
    """Let output go that cannot be written, or Python would fail on it once more while ending, in its own words."""
    try:
        sys.stdout.flush()
    except OSError:
        redirect_to_null(sys.stdout.fileno())


def _print_failure(failure: "Failure", attempt: Attempt) -> None:
    print_fields(
        {
            "command": attempt.verb,
            "exit_code": failure.code,
            **path_fields("package", attempt.target.package.path),
            "error": failure.title,
            "problems": problem_fields(failure.problems),
        }
    )
