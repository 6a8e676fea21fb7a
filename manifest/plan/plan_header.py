"""Plan header: the request, user and host, README text, and the state that the plan relies on."""

import codecs
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from qa2pack.manifest.alma.package import README
from qa2pack.manifest.alma.readme import header_template, project_of, readme_text
from qa2pack.manifest.format.delivery_row import DeliveryRow
from qa2pack.manifest.format.header import Header, MadeWith, StreamKind
from qa2pack.manifest.fs.control_file import SMALL_BYTES, read_control, read_named
from qa2pack.manifest.layout.item import Item
from qa2pack.manifest.layout.recorded_checks import rows_of
from qa2pack.manifest.path import shown
from qa2pack.manifest.plan.destination import Destination
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.plan.user_name import user_name
from qa2pack.manifest.plan.written import Writes, with_texts
from qa2pack.manifest.problem import Code, Problem, Refused, path_fault

if TYPE_CHECKING:
    from qa2pack.manifest.layout.rules import Layout

_ENDS_OF_PIPES = (b"/proc/", b"/dev/fd/", b"/dev/std")


def readme_header(request: PlanRequest, layout: "Layout | None" = None) -> bytes:
    """Return the header text of README: the given file, or that of the layout, or the template.

    Raises:
        Refused: the file cannot be read, or is not UTF-8 text.
    """
    if request.readme is None:
        given = request.readme_text
        of_layout = layout.readme_header if layout else None
        return next((text for text in (given, of_layout) if text is not None), header_template())
    return read_header_file(request.readme)


def readme_warnings(header: Header) -> Iterator[Problem]:
    """Yield a warning if the README names another project than the package."""
    named = project_of(header.readme)
    if named and shown(header.project).encode() not in named:
        yield Problem(Code.W_README_PROJECT, README, expected=shown(header.project), found=shown(named))


def read_header_file(path: bytes) -> bytes:
    """Return the text of a file that the user names and that holds a README header; raises as `readme_header`."""
    return _header_text(path, read_named)


def read_packaged_readme(path: bytes) -> bytes:
    """Return the text of a README in a package, where no symlink is followed; raises as `readme_header`."""
    return _header_text(path, read_control)


def _header_text(path: bytes, read: Callable[..., bytes]) -> bytes:
    try:
        text = read(path, limit_bytes=SMALL_BYTES)
    except OSError as error:
        raise Refused(Problem(Code.README_MISSING, path, found=path_fault(error))) from error
    if kind := _other_than_text(text):
        raise Refused(Problem(Code.README_NOT_TEXT, path, "text in UTF-8", kind))
    return text


def _other_than_text(data: bytes) -> str:
    """Return what the bytes are if they are not UTF-8 text; empty if they are."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    if b"\0" in data:
        return "binary data"
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return f"byte 0x{data[error.start]:02x} in line {line}, in another encoding"
    return ""


def make_header(
    request: PlanRequest,
    destination: Destination,
    header_text: bytes,
    items: tuple[Item, ...],
    *,
    layout: "Layout",
    writes: Writes,
    delivery_sets: tuple[DeliveryRow, ...],
    now_ns: int,
) -> Header:
    """Return the header; the README and the texts in it are complete, with the tree of the items.

    Args:
        writes: the files that the layout writes; of those with a template the texts are made here.
        delivery_sets: those of the layout, with the values of this member.
        now_ns: the time of the scan, ns since the epoch.
    """
    project = destination.package.project
    paths = [item.path + b"/" if item.is_tree else item.path for item in items] + [
        file.path for file in writes.written
    ]
    readme = readme_text(
        header_text,
        project=project,
        member=destination.member,
        sb_name=os.path.basename(request.origin),
        roles=layout.roles,
        paths=paths,
    )
    header = Header(
        kind=StreamKind.PLAN,
        project=project,
        member=destination.member,
        mode=request.mode,
        append=destination.append,
        origin=request.origin,
        scanned_ns=now_ns,
        layout=request.layout,
        may_leave=request.follow_outside,
        standing=destination.state.standing,
        base=destination.base,
        readme=readme if layout.has_readme else b"",
        host=os.uname().nodename,
        user=user_name(),
        program=request.program,
        made_with=MadeWith(
            readme=lasting_path(request.readme),
            readme_header=b"" if request.readme is request.readme_text is None else header_text,
            include=tuple((include.glob, include.role) for include in request.include),
            exclude=request.exclude,
            no_split=request.no_split,
            weights=request.weights,
            as_is=request.as_is,
            values=request.values,
            compression=request.compression,
        ),
        roles=layout.roles,
        written=writes.written,
        beside=writes.beside,
        checks=rows_of(layout),
        delivery_sets=delivery_sets,
    )
    return with_texts(header, header_text, paths)


def header_of_member(member: Header, destination: Destination, *, program: str, now_ns: int) -> Header:
    """Return the header of a plan that changes a member without its origin: what its manifest says, planned now.

    Args:
        now_ns: the time of the plan, ns since the epoch.
    """
    return replace(
        member,
        kind=StreamKind.PLAN,
        append=destination.append,
        scanned_ns=now_ns,
        standing=destination.state.standing,
        base=destination.base,
        host=os.uname().nodename,
        user=user_name(),
        program=program,
    )


def lasting_path(readme: bytes | None) -> bytes:
    """Return the path of the README header file; empty where it is the end of a pipe, or there is none.

    Only these names in `/dev` are of pipes: `/dev/shm` is a file system for everybody.
    """
    return b"" if readme is None or readme.startswith(_ENDS_OF_PIPES) else readme
