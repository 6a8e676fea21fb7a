"""The command line `pack`: which commands there are, and the way in.

Each command stands in a module of its own, `cmd_<verb>`, which only takes the command line apart; what does the work
is imported when the command runs, so that help and completion come at once.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from pack import __version__
from pack.cmd_adopt import adopt
from pack.cmd_apply import apply
from pack.cmd_diff import diff
from pack.cmd_export import export
from pack.cmd_layout import layout
from pack.cmd_log import log
from pack.cmd_plan import plan
from pack.cmd_report import report
from pack.cmd_rollback import rollback
from pack.cmd_show import show
from pack.cmd_status import status
from pack.cmd_verify import verify
from pack.command import Command
from pack.exits import Exit, exit_code_lines
from pack.tarsplit_command import register as register_tarsplit

COMMANDS: tuple[Callable[..., None], ...] = (
    plan,
    apply,
    verify,
    show,
    status,
    log,
    diff,
    report,
    export,
    rollback,
    adopt,
    layout,
)

_HELP_NAMES = {"help_option_names": ["-h", "--help"]}


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"qa2pack {__version__}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Package an ALMA data reduction for delivery: plan it, look, apply it, verify it at any later time.

    The way: `pack plan ORIGIN PACKAGE`, read the plan, `pack apply PACKAGE`, `pack verify PACKAGE`.
    """


def application() -> typer.Typer:
    """Return all commands."""
    # Without rich for help and errors: importing it takes longer than everything else about `pack --help`.
    program = typer.Typer(
        callback=_top,
        epilog=exit_code_lines(),
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings=_HELP_NAMES,
    )
    for command in COMMANDS:
        program.command(cls=Command)(command)
    register_tarsplit(program)
    return program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; arguments default to those of the process."""
    try:
        application()(args=arguments, prog_name="pack")
    except OSError as error:  # help or version could not be written
        print(f"pack: {error.strerror}", file=sys.stderr)
        return Exit.FAILED
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else Exit.FAILED
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
