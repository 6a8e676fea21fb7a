"""Short memory: the last line of a command that has too little of it to import what says more.

What is needed to print it is there before the command begins.
"""

import errno
import sys
from collections.abc import Callable, Sequence

_RESUMABLE = 4  # `Exit.RESUMABLE`, without an import more
# As SystemError, where memory was short for the exception itself.
_OF_PYTHON = ("without exception set", "without setting an exception")
_OF_LOADER = ("failed to map segment", "annot allocate memory")  # as ImportError
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
        if not str(error).endswith(_OF_PYTHON):
            raise
    except ImportError as error:
        if not any(words in str(error) for words in _OF_LOADER):
            raise
    # Not before: what the exception has held of the command is free now.
    print(f"{name}: {_WORDS}", file=sys.stderr)
    return _RESUMABLE
