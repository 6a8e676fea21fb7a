"""`tarsplit`: `pack tarsplit` as a command by itself.

The command of old, `tarsplit.py -n 2012-06-20 2011.01234.S`, is this one.
"""

import sys
from collections.abc import Sequence

import typer

from pack.cmd_tarsplit import tarsplit
from pack.command import Command
from pack.exits import Exit
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
    try:
        application(args=arguments, prog_name="tarsplit")
    except OSError as error:  # help could not be written
        print(f"tarsplit: {error.strerror}", file=sys.stderr)
        return Exit.FAILED
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else Exit.FAILED
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
