"""The tree of the commands, as typer parses it and prints its help; only the called command is set up.

For the list of all commands their options are left out, whose setup takes a quarter of that start.
"""

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.main import get_command

from qa2pack.pack.commands.base import Command, print_version
from qa2pack.pack.commands.options import spread
from qa2pack.pack.exit_codes import exit_code_lines

_HELP_NAMES = {"help_option_names": ["-h", "--help"]}


def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Package an ALMA data reduction for delivery: plan it, read the plan, apply it, verify it at any later time.

    The steps: `pack plan ORIGIN PACKAGE`, read the plan, `pack apply PACKAGE`, `pack verify PACKAGE`.

    `man pack`, and `--help` of each command, come with it. The documents are in the folder docs/ of its sources:
    tutorial.md to begin with, how-to/ for a task, commands.md, problems.md for a code in a message.
    """


@cache
def command_tree(names: tuple[str, ...], *, has_options: bool = True) -> Any:
    """Return the commands of these names as typer runs them; made once, however often a process calls them."""
    return get_command(application(names, has_options=has_options))


def application(names: Sequence[str], *, has_options: bool = True) -> typer.Typer:
    """Return the commands of these names; without options they can only be listed."""
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
        command = getattr(module, name)
        program.command(name, cls=command_class)(spread(command) if has_options else _listed(command))
    return program


def _listed(command: Callable[..., object]) -> Callable[[], None]:
    def listed() -> None:
        pass

    listed.__doc__ = command.__doc__
    return listed
