"""Sizes, counts, durations and times as text for people."""

import time

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024


def human_bytes(count: int) -> str:
    """Return a size with a binary unit and at most four digits: `0 B`, `12.3 MiB`."""
    size = float(count)
    for unit in _UNITS:
        if size < _STEP or unit == _UNITS[-1]:
            return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= _STEP
    raise AssertionError("unreachable")


def counted(number: int, noun: str) -> str:
    """Return `1 file`, `2 files`, `12,000 files`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


_EXACT = 1024  # below this the exact number is the short one


def exact_bytes(size: int) -> str:
    """Return a size both ways, `4.2 GiB (4,509,715,660 bytes)`."""
    return f"{human_bytes(size)} ({size:,} bytes)" if size >= _EXACT else counted(size, "byte")


def human_seconds(seconds: float) -> str:
    """Return a time to wait, `45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


_NO_DATE = (OverflowError, OSError, ValueError)  # a time that no calendar reaches


def local_time(at_ns: int, *, has_fraction: bool = False) -> str:
    """Return a time, ns since the epoch, on the clock of this machine: `2012-06-20 14:03:55 +0200`.

    A file can have a time that no calendar reaches; of it the seconds since 1970 are returned.
    """
    seconds, rest_ns = divmod(at_ns, 10**9)
    fraction = f".{rest_ns:09}" if has_fraction else ""
    try:
        return time.strftime(f"%Y-%m-%d %H:%M:%S{fraction} %z", time.localtime(seconds))
    except _NO_DATE:
        return f"{seconds:,}{fraction} s after 1970"


def utc_time(at_ns: int) -> str:
    """Return a time, ns since the epoch, as ISO 8601 in UTC: `2012-06-20T12:03:55Z`; else as `local_time`."""
    seconds = at_ns // 10**9
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except _NO_DATE:
        return f"{seconds:,} s after 1970"
