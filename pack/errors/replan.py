"""The command that makes a plan again: its origin, and the options that decided."""

import os
from collections.abc import Iterator

from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.casa.column_split import Weights
from qa2pack.manifest.format.header import Header, MadeWith, StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, PackError
from qa2pack.pack.target import Target, quoted

_DEFAULTS = PlanRequest(b"", b"")
# What happened to the plan of the package itself; an origin that is read from it is the one that is meant.
_OF_THE_PLAN = frozenset(
    (
        Code.PLAN_MISSING,
        Code.PLAN_STALE,
        Code.ORIGIN_CHANGED,
        Code.SPLIT_DIFFERS,
        Code.NOT_AS_APPLIED,
        Code.UNFINISHED,
    )
)


def plan_options(header: Header) -> str:
    """Return the options that make the plan of this header again, each with a blank before it."""
    return "".join(f" {option}" for option in _options(header))


def last_plan(target: Target, code: Code) -> Header | None:
    """Return the header of the plan that waits, or was applied last, for advice on a problem of it.

    None if there is none that can be made again by `pack plan`, or if the problem is not of the plan.
    """
    if code not in _OF_THE_PLAN:
        return None
    package = target.package
    waiting = _header(package.plan, target.opened)
    header = waiting or _header(package.last_plan, target.opened)
    if header is None or header.is_rebuilt or header.append is Append.REMOVE:
        return None
    if waiting is None and header.append in (Append.GROUP, Append.MEMBER):
        return None  # what it appended is there: it would be appended once more
    return header


def _header(path: bytes, opened: OpenedFiles) -> Header | None:
    try:
        return opened.peek_header(path, StreamKind.PLAN)
    except (OSError, PackError, ValueError):  # the failure that is reported is another one
        return None


def _options(header: Header) -> Iterator[str]:
    yield f"--mode {header.mode}"
    match header.append:
        case Append.GROUP | Append.MEMBER:
            yield f"--append {header.append}"
        case Append.REPLACE:
            yield f"--replace-member {quoted(header.member)}"
        case _:
            pass
    if header.layout != _DEFAULTS.layout:
        yield f"--layout {quoted(os.fsencode(header.layout))}"
    if header.may_leave:
        yield "--follow-outside"
    if header.made_with is not None:
        yield from _of_files_and_tables(header.made_with)


def _of_files_and_tables(made_with: MadeWith) -> Iterator[str]:
    if made_with.readme:
        yield f"--readme {quoted(made_with.readme)}"
    for glob, role in made_with.include:
        yield f"--include {quoted(os.fsencode(f'{glob}={role}'))}"
    for glob in made_with.exclude:
        yield f"--exclude {quoted(os.fsencode(glob))}"
    for name, value in made_with.values:
        yield f"--set {quoted(os.fsencode(f'{name}={value}'))}"
    if made_with.no_split:
        yield "--no-split"
    if made_with.weights is Weights.CASA:
        yield "--casa-weights"
    if made_with.as_is:
        yield "--as-is"
    if made_with.compression != _DEFAULTS.compression:
        yield f"--compression {made_with.compression}"
