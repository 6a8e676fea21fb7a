"""How long an apply may take: a rough figure, so that one knows whether to wait or to come back tomorrow.

It goes by bytes that are written and files that are made, at rates of an ordinary disk; shared storage may be several
times slower or faster.
"""

_BYTES_A_SECOND = 200e6
_FILES_A_SECOND = 3000.0
_SHORT_SECONDS = 10


def apply_seconds(*, new_bytes: int, file_count: int) -> float:
    """Return the seconds that making so many files takes, so many bytes of which are written anew."""
    return new_bytes / _BYTES_A_SECOND + file_count / _FILES_A_SECOND


def about(seconds: float) -> str:
    """Return a rough time in words, no more exact than it can be: `about 5 min`."""
    if seconds < _SHORT_SECONDS:
        return f"less than {_SHORT_SECONDS} s"
    if seconds < 55:
        return f"about {round(seconds, -1):.0f} s"
    minutes = seconds / 60
    if minutes < 55:
        return f"about {_rounded(minutes)} min"
    return f"about {_rounded(minutes / 60)} h"


def _rounded(number: float) -> int:
    """Return a whole number, above 20 a multiple of 5."""
    return max(1, round(number)) if number < 20 else 5 * round(number / 5)
