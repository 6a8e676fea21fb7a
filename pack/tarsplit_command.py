"""Entry point of the command `tarsplit`, the same as `pack tarsplit`.

The legacy call `tarsplit.py -n 2012-06-20 2011.01234.S` is this command.
"""

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperOption
from typer.main import get_command

from qa2pack.pack.commands.base import Command, print_version, run_program
from qa2pack.pack.commands.options import spread
from qa2pack.pack.commands.tarsplit import tarsplit
from qa2pack.pack.terminal.output_streams import escape_unencodable, open_closed_streams


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code; arguments default to those of the process."""
    open_closed_streams()
    escape_unencodable()
    application = typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    application.command("tarsplit", cls=_Standalone)(spread(tarsplit))
    return run_program(get_command(application), arguments, "tarsplit")


if __name__ == "__main__":
    sys.exit(main())
