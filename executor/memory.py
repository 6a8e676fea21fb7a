"""Memory: the limit of what this process may have (`ulimit -v`), and which exceptions mean that it is short."""

import errno
import resource

from qa2pack.manifest.humanize import human_bytes

_COUNTERS = "/proc/vmstat"
_KILLS = "oom_kill "
ENOUGH_BYTES = 4 << 30  # far more than any work here takes, far less than the memory of a machine


def low_limit() -> int | None:
    """Return the limit of the address space in bytes; None if there is none, or one that leaves enough."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return limit if limit != resource.RLIM_INFINITY and limit < ENOUGH_BYTES else None


def is_memory_short(error: BaseException) -> bool:
    """Return whether an exception means that memory is short.

    Below a low limit, that is also why a library that is there cannot be loaded: the loader says it in many ways.
    """
    match error:
        case MemoryError() | OSError(errno=errno.ENOMEM):
            return True
        case ModuleNotFoundError():
            return False
        case _:
            return isinstance(error, ImportError) and low_limit() is not None


def killed_count() -> int:
    """Return how many processes the kernel has killed since its start for want of memory; 0 if it does not tell."""
    try:
        with open(_COUNTERS) as file:
            return next((int(line.removeprefix(_KILLS)) for line in file if line.startswith(_KILLS)), 0)
    except (OSError, ValueError):
        return 0


def limit_words() -> str:
    """Return what a process may have at most, if that is little."""
    limit = low_limit()
    return "" if limit is None else f"at most {human_bytes(limit)} for each process (ulimit -v)"
