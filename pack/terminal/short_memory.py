"""Short memory: the last line of a command that has too little of it to import what says more.

What is needed to print it is there before the command begins.
"""

import errno
import sys
from collections.abc import Callable, Sequence

_RESUMABLE = 4  # `Exit.RESUMABLE`, without an import more
_OF_PYTHON = "error return without exception set"  # as SystemError, where memory was short for the exception itself
_WORDS = (
    "memory-short: memory is short. Raise the limit (ulimit -a shows it) or ask the batch system for more. "
    "Then give the same command again."
)


def run_in_short_memory(
    run: Callable[[Sequence[str] | None], int], arguments: Sequence[str] | None, *, name: str
) -> int:
    """Run a command line and return the exit code; say it on stderr if memory was too short to say it otherwise.

    Args:
        name: of the program.
    """
    try:
        return run(arguments)
    except MemoryError:
        pass
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
    except SystemError as error:
        if str(error) != _OF_PYTHON:
            raise
    # Not before: what the exception has held of the command is free now.
    print(f"{name}: {_WORDS}", file=sys.stderr)
    return _RESUMABLE
