"""Numbers as people read them."""

from qa2pack.manifest.sizes import counted, human_bytes

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
