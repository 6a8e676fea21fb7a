"""How long an apply may take: rough figures, so that one knows whether to wait or to come back tomorrow.

They go by bytes that are written and files that are made. A plan does not measure the disk, so two figures are told:
at the rates of a disk in the machine, and of storage behind a network, where each file costs a round trip.
"""

from dataclasses import dataclass

_SHORT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast storage takes what is new."""

    bytes_a_second: float
    files_a_second: float

    def seconds(self, *, new_bytes: int, file_count: int) -> float:
        """Return the time that making so many files takes, so many bytes of which are written anew."""
        return new_bytes / self.bytes_a_second + file_count / self.files_a_second


carried = Rates(200e6, 20_000)
SHARED = Rates(100e6, 1_000)


def time_needed(*, new_bytes: int, file_count: int) -> str:
    """Return in words how long making so many files takes, so many bytes of which are written anew."""
    local, shared = (about(rates.seconds(new_bytes=new_bytes, file_count=file_count)) for rates in (carried, SHARED))
    return local if local == shared else f"{local} on a local disk, {shared} on shared storage"


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
