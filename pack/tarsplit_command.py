"""Entry point of the command `tarsplit`, the same as `pack tarsplit`.

The legacy call `tarsplit.py -n 2012-06-20 2011.01234.S` is this command.
"""

import sys
from collections.abc import Sequence

from qa2pack.pack.terminal.short_memory import run_in_short_memory


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code; arguments as of `qa2pack.pack.cli.main`."""
    return run_in_short_memory(_run, arguments, name="tarsplit")


def _run(arguments: Sequence[str] | None) -> int:
    if arguments is None:
        from qa2pack.pack.terminal.interrupt import end_at_interrupt

        end_at_interrupt()
    from qa2pack.pack.commands.base import run_program
    from qa2pack.pack.commands.standalone import standalone_tarsplit
    from qa2pack.pack.terminal.output_streams import escape_unencodable, open_closed_streams

    open_closed_streams()
    escape_unencodable()
    return run_program(standalone_tarsplit(), arguments, "tarsplit")


if __name__ == "__main__":
    sys.exit(main())
