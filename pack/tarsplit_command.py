"""`tarsplit`: `pack tarsplit` as a command by itself.

The command of old, `tarsplit.py -n 2012-06-20 2011.01234.S`, is this one.
"""

import sys
from collections.abc import Sequence

import typer

from pack.cmd_tarsplit import tarsplit
from pack.command import Command, ended
from pack.lostoutput import open_closed_streams


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command by itself and return the exit code; arguments default to those of the process."""
    open_closed_streams()
    application = typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    application.command("tarsplit", cls=Command)(tarsplit)
    return ended(application, arguments, "tarsplit")


if __name__ == "__main__":
    sys.exit(main())
