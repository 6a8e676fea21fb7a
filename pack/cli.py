"""Entry point of the command `pack`: the list of its commands, and `main`.

Each command is in a module of its own, `commands/<verb>.py`, which only parses options. The code that does the work
is imported when the command runs, and only the called command is set up, so that help and completion are fast. typer
alone takes half of the time to start: what needs no options goes without. `main` itself imports all that it needs,
so that a Ctrl-C during that is no traceback.
"""

import os
import sys
from collections.abc import Sequence

from qa2pack.pack.terminal.short_memory import run_in_short_memory

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
    "config",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: None takes those of the process, which then is at an end when this returns: an interrupt ends it
            without a word.
    """
    return run_in_short_memory(_run, arguments, name="pack")


def _run(arguments: Sequence[str] | None) -> int:
    if arguments is None:
        from qa2pack.pack.terminal.interrupt import end_at_interrupt

        end_at_interrupt()
    from qa2pack.pack.terminal.output_streams import escape_unencodable, open_closed_streams

    open_closed_streams()
    escape_unencodable()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy starts threads when it is imported, if they can start
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["legacy-call"]:
        from qa2pack.pack import legacy_call

        return legacy_call.main(words[1:])
    if words == ["--version"]:
        return _print_version()
    from qa2pack.pack.command_tree import command_tree
    from qa2pack.pack.commands.base import run_program

    called = tuple(name for name in words[:1] if name in COMMANDS)
    has_options = words not in (["--help"], ["-h"])
    return run_program(command_tree(called or COMMANDS, has_options=has_options), words, "pack")


def _print_version() -> int:
    from qa2pack.pack import PROGRAM
    from qa2pack.pack.exit_codes import Exit
    from qa2pack.pack.terminal.output_streams import redirect_to_null, report_os_error

    try:
        print(PROGRAM, flush=True)
    except OSError as error:
        report_os_error("pack", error)
        redirect_to_null(sys.stdout.fileno())
        return Exit.FAILED
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
