"""Places where no output may go: the package, its control folder, its ticket files, and the origins of its members.

Asked by every option that names a file to be written, before anything is.
"""

import os
from collections.abc import Iterator
from contextlib import suppress

from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.format.files import open_plan
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.path import is_within, join, shown
from qa2pack.manifest.problem import PlanRefused
from qa2pack.pack.jobs.members import members_of

_TICKET_ENDINGS = (b".ticket.tar", b".ticket.zip")


def protected_place(path: bytes, package: Package | None, origin: bytes | None = None) -> str:
    """Return in words what a file at this path would lie in or be taken for; empty where it may be written.

    Args:
        origin: one more origin than the package knows.
    """
    path = os.path.abspath(path)
    # Where a link leads, and the link itself, which may be replaced.
    reached = os.path.realpath(path), join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    for words, place in _protected(package, origin):
        if any(is_within(one, os.path.realpath(place)) for one in reached):
            return f"{words} {shown(place)}"
    return ""


def _protected(package: Package | None, origin: bytes | None) -> Iterator[tuple[str, bytes]]:
    if origin is not None:
        yield "the origin", origin
    if package is None:
        return
    yield "the package", package.path
    yield "the package's control folder", package.control
    yield from (("the package's ticket file", package.path + ending) for ending in _TICKET_ENDINGS)
    yield from (("the origin", known) for known in _origins(package))


def _origins(package: Package) -> Iterator[bytes]:
    """Yield the origins of the waiting plan and of all members; what cannot be read is told by whoever needs it."""
    with suppress(OSError, StreamError):
        yield open_plan(package.plan).header.origin
    with suppress(OSError, PlanRefused):
        for member in members_of(read_state(package)):
            if member.header and not member.header.is_adopted:
                yield member.header.origin


def folder_of(path: bytes) -> bytes:
    """Return the resolved folder that a path is in, whether or not anything is at the path."""
    return os.path.realpath(os.path.dirname(os.path.abspath(path)))
