"""`tarsplit` as a program of its own, which has `--version` besides the options of `pack tarsplit`."""

from typing import Any

import typer
from typer.core import TyperOption
from typer.main import get_command

from qa2pack.pack.commands.base import Command, print_version
from qa2pack.pack.commands.options import spread
from qa2pack.pack.commands.tarsplit import tarsplit


class _Standalone(Command):
    """The command with the options of a separate program: `--version`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.append(
            TyperOption(
                param_decls=["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=lambda _context, _option, is_wanted: print_version(is_wanted),
                help="Show the version and exit.",
            )
        )


def standalone_tarsplit() -> Any:
    """Return the program as typer runs it."""
    application = typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    application.command("tarsplit", cls=_Standalone)(spread(tarsplit))
    return get_command(application)
