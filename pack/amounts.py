"""Numbers as people read them. Sizes are in powers of 1024, as `ls -h` and `du -h` show them."""

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024
_MOST = 1000  # from here on the next unit takes fewer digits
_SHORT = 10  # below this one more digit is worth its place


def human_bytes(size: int) -> str:
    """Return a size in at most three digits and a unit, `4.2 GiB`."""
    if size < _STEP:
        return f"{size} B"
    power = 1
    while power < len(_UNITS) and round(size / _STEP**power) >= _MOST:
        power += 1
    value = size / _STEP**power
    return f"{value:.{1 if value < _SHORT else 0}f} {_UNITS[power - 1]}"


def exact_bytes(size: int) -> str:
    """Return a size both ways, `4.2 GiB (4,509,715,660 bytes)`."""
    return f"{human_bytes(size)} ({size:,} bytes)" if size >= _STEP else counted(size, "byte")


def counted(number: int, noun: str) -> str:
    """Return `1 file`, `2 files`, `12,000 files`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def human_seconds(seconds: float) -> str:
    """Return a time to wait, `45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
