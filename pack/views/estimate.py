"""Time estimate of an apply: rough, from the bytes to write and the files to make.

A plan does not measure the disk, so two figures are given: for a local disk, and for network storage, where each file
costs a round trip.
"""

from qa2pack.manifest.dataclass import dataclass

_SHORT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Rates:
    """Write rates of a kind of storage."""

    bytes_a_second: float
    files_a_second: float

    def seconds(self, *, new_bytes: int, file_count: int) -> float:
        """Return the time for making this many files, with this many bytes written."""
        return new_bytes / self.bytes_a_second + file_count / self.files_a_second


LOCAL = Rates(200e6, 20_000)
SHARED = Rates(100e6, 1_000)


def time_needed(*, new_bytes: int, file_count: int) -> str:
    """Return the estimate as text for making this many files, with this many bytes written."""
    local, shared = (about(rates.seconds(new_bytes=new_bytes, file_count=file_count)) for rates in (LOCAL, SHARED))
    return local if local == shared else f"{local} on a local disk, {shared} on shared storage"


def about(seconds: float) -> str:
    """Return a rounded time as text: `about 5 min`."""
    if seconds < _SHORT_SECONDS:
        return f"less than {_SHORT_SECONDS} s"
    if seconds < 55:
        return f"about {round(seconds, -1):.0f} s"
    minutes = seconds / 60
    if minutes < 55:
        return f"about {_rounded(minutes)} min"
    return f"about {_rounded(minutes / 60)} h"


def _rounded(number: float) -> int:
    """Return the number rounded to an integer, above 20 to a multiple of 5."""
    return max(1, round(number)) if number < 20 else 5 * round(number / 5)
