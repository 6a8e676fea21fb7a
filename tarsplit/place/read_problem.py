"""Problem of a file of a place that cannot be read: where something else is in its place, that is what is said.

The system says of a link only that there are too many, and nothing of a pipe. Neither is a lack of permission.
"""

from contextlib import suppress

from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem
from qa2pack.tarsplit.place.place import A_FILE, A_FOLDER, Place, PlaceError, StoreError


def read_problem(error: PlaceError, place: Place, name: bytes) -> Problem:
    """Return the problem of a file of this name that could not be opened or read; the place is looked at again."""
    found = ""
    if not isinstance(error, StoreError):  # which has neither links nor pipes
        with suppress(OSError):  # what cannot be looked at either is as the error says
            found = _in_its_place(place, name)
    return Problem(Code.WRONG_TYPE, name, A_FILE, found) if found else Problem(error.code, name, found=error.text)


def _in_its_place(place: Place, name: bytes) -> str:
    """Return what is there and is no file, or what is in the place of a folder above it; empty if all is as named."""
    end = name.find(b"/")
    while end >= 0:
        above = place.seen(name[:end])
        if above and above.kind != A_FOLDER:
            return f"{above.kind} in place of the folder {shown(name[:end])}"
        end = name.find(b"/", end + 1)
    seen = place.seen(name)
    return seen.kind if seen and seen.kind != A_FILE else ""
