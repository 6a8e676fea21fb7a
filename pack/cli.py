"""Entry point of the command `pack`: the list of its commands, and `main`.

Each command is in a module of its own, `commands/<verb>.py`, which only parses options. The code that does the work
is imported when the command runs, and only the called command is set up, so that help and completion are fast.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from qa2pack.pack.commands.base import Command, print_version, run_program
from qa2pack.pack.commands.options import spread
from qa2pack.pack.exit_codes import exit_code_lines
from qa2pack.pack.terminal.output_streams import escape_unencodable, open_closed_streams

COMMANDS = (
    "plan",
    "apply",
    "package",
    "verify",
    "show",
    "status",
    "log",
    "diff",
    "report",
    "export",
    "rollback",
    "remove",
    "repair",
    "readme",
    "rename",
    "adopt",
    "sign",
    "receive",
    "layout",
    "batch",
    "audit",
    "deliver",
    "tarsplit",
)

_HELP_NAMES = {"help_option_names": ["-h", "--help"]}


def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Package an ALMA data reduction for delivery: plan it, read the plan, apply it, verify it at any later time.

    The steps: `pack plan ORIGIN PACKAGE`, read the plan, `pack apply PACKAGE`, `pack verify PACKAGE`.

    The documents are in the folder docs/ of the program: tutorial.md to begin with, how-to/ for a task,
    commands.md, problems.md for a code in a message.
    """


def application(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """Return the commands of these names."""
    # Without rich for help and errors: importing it takes longer than the rest of `pack --help`.
    program = typer.Typer(
        callback=_top,
        epilog=exit_code_lines(),
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings=_HELP_NAMES,
    )
    for name in names:
        module = import_module(f"qa2pack.pack.commands.{name}")
        command_class = getattr(module, "command_class", Command)
        program.command(name, cls=command_class)(spread(getattr(module, name)))
    return program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; arguments default to those of the process."""
    open_closed_streams()
    escape_unencodable()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy starts threads when it is imported, if they can start
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["legacy-call"]:
        from qa2pack.pack import legacy_call

        return legacy_call.main(words[1:])
    called = [name for name in words[:1] if name in COMMANDS]
    return run_program(application(called or COMMANDS), words, "pack")


if __name__ == "__main__":
    sys.exit(main())
