"""Protected paths, where no output may be written: package, control folder, ticket files, origins of the members.

Every option that names an output file is checked here before anything is written.
"""

import os
from collections.abc import Iterator
from contextlib import suppress

from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.format.header import Header, StreamKind, read_header
from qa2pack.manifest.format.stream import StreamError, unhashed_stream
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.path import is_within, join, shown
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.pack.jobs.packages_below import is_control

_CONTROL = b".pack"
_TICKET_ENDINGS = (b".ticket.tar", b".ticket.zip")


def protected_place(path: bytes, package: Package | None, origin: bytes | None = None) -> str:
    """Return a text that names the protected path which a file at this path would be in; empty if it may be written.

    Args:
        origin: an origin that the package does not know.
    """
    path = os.path.abspath(path)
    # Both the target of a symlink and the symlink itself, which may be replaced.
    reached = real_path(path), join(real_path(os.path.dirname(path)), os.path.basename(path))
    for words, place in _protected(package, origin):
        if any(is_within(one, real_path(place)) for one in reached):
            return f"{words} {shown(place)}"
    return ""


def package_around(path: bytes) -> str:
    """Return the package, or the control folder, in which a file at this path would be, as text; empty for none."""
    above = folder_of(path)
    while above not in (b"/", b""):
        control = above if above.endswith(_CONTROL) else above + _CONTROL
        if is_control(control):
            return shown(control.removesuffix(_CONTROL))
        above = os.path.dirname(above)
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
    """Yield the origins of the waiting plan and of all members; unreadable files are skipped."""
    with suppress(OSError, StreamError):
        yield _header(package.plan, StreamKind.PLAN).origin
    with suppress(OSError, Refused):
        for path in read_state(package).manifests.values():
            with suppress(StreamError):
                header = _header(path, StreamKind.MANIFEST)
                if not header.is_adopted:
                    yield header.origin


def _header(path: bytes, kind: StreamKind) -> Header:
    # Not hashed, which takes seconds for millions of files: a damaged header protects no more than no header.
    return read_header(unhashed_stream(path), kind)


def folder_missing(path: bytes) -> Refused:
    """Return the refusal of an output in a folder that does not exist."""
    remedy = Remedy("Check the path, or make the folder:", ("mkdir PATH",), path)
    return Refused(Problem(Code.OUTPUT_FOLDER_MISSING, path), remedies=(remedy,))


def folder_of(path: bytes) -> bytes:
    """Return the resolved parent folder of a path, whether or not the path exists."""
    return real_path(os.path.dirname(os.path.abspath(path)))
