"""Remembered options: a member that is made again from its origin is made with the options of the first time.

What was typed for this plan wins. Then comes what the member was made with, where that is not the default; then the
environment and settings files, and then the defaults. Lists from settings files extend what is recalled. The mode is
recalled always: a package with content must not become one of placeholders because `--mode` was forgotten.
"""

import stat
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import Header, MadeWith, StreamKind
from qa2pack.manifest.fs.presence import status_of
from qa2pack.manifest.layout.include import Include
from qa2pack.manifest.plan.destination import Destination
from qa2pack.manifest.plan.request import PlanRequest

_DEFAULTS = PlanRequest(b"", b"")


@dataclass(frozen=True, slots=True)
class Recalled:
    """A request, completed.

    Attributes:
        options: names of the recalled options, as on the command line.
    """

    request: PlanRequest
    options: tuple[str, ...] = ()


def recall(request: PlanRequest, destination: Destination) -> Recalled:
    """Return the request with the options of the member that it makes again: one that goes, of the same origin.

    Of an adopted member the origin is not known, so it is taken for that; only its layout is recalled.

    A member that is replaced by its name is that member, also if its reduction is in another folder now.
    """
    header = None if request.typed is None else _made_again(request, destination)
    return Recalled(request) if header is None else recall_from(request, header)


def recall_from(request: PlanRequest, header: Header) -> Recalled:
    """Return the request with the options of this member, as far as they are known and were not typed."""
    if header.is_of_unknown_layout:
        return Recalled(request)
    typed = request.typed or frozenset()
    used = {
        field: value
        for field, value in _values(header, request)
        if _option(field) not in typed and value != getattr(request, field)
    }
    return Recalled(replace(request, **used), tuple(dict.fromkeys(map(_option, used))))


def _option(field: str) -> str:
    """Return the option that sets a field of the request."""
    others = {"readme_text": "readme", "weights": "casa-weights", "values": "set"}
    return others.get(field, field.replace("_", "-"))


def _made_again(request: PlanRequest, destination: Destination) -> Header | None:
    for path in destination.going_manifests:
        header = destination.opened.peek_header(path, StreamKind.MANIFEST)
        is_same = header.is_adopted or header.origin == request.origin or request.append is Append.REPLACE
        if is_same and not header.is_of_unknown_layout:
            return header
    return None


def _values(header: Header, request: PlanRequest) -> Iterator[tuple[str, Any]]:
    """Yield what the member was made with, where that is not the default, by the fields of a request."""
    if header.layout != _DEFAULTS.layout:
        yield "layout", header.layout
    if header.is_adopted:
        return  # with which other options it was made is not known
    yield "mode", header.mode
    if header.may_leave:
        yield "follow_outside", True
    made_with = header.made_with
    if made_with is None:
        return
    include = tuple(Include(glob, role) for glob, role in made_with.include)
    yield "include", (*include, *(one for one in request.include if one not in include))
    yield "exclude", (*made_with.exclude, *(one for one in request.exclude if one not in made_with.exclude))
    typed = dict(request.values)
    yield "values", (*(one for one in made_with.values if one[0] not in typed), *request.values)
    if made_with.no_split:
        yield "no_split", True
    if made_with.weights is not _DEFAULTS.weights:
        yield "weights", made_with.weights
    if made_with.as_is:
        yield "as_is", True
    if made_with.compression != _DEFAULTS.compression:
        yield "compression", made_with.compression
    yield from _readme(made_with)


def _readme(made_with: MadeWith) -> Iterator[tuple[str, Any]]:
    """Yield the header of the README: the file of the first time, or its text where that file is gone."""
    status = status_of(made_with.readme) if made_with.readme else None
    if status is not None and stat.S_ISREG(status.st_mode):
        yield "readme", made_with.readme
    elif made_with.readme_header:
        yield "readme", None
        yield "readme_text", made_with.readme_header
