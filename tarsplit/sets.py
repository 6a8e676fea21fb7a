"""Choice of the delivery sets of a package: those that its members recorded, with the names of their files."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from qa2pack.manifest.format.delivery_row import CHECKSUMS, DATE, MEMBER, PROJECT, DeliveryRow, filled
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.tarsplit.contents import Delivered
from qa2pack.tarsplit.naming import DeliveryName


def with_sets(
    members: Sequence[Delivered],
    project: bytes,
    wanted: Sequence[str] = (),
    *,
    day: str = "",
    checksums: Sequence[str] = (),
    is_alone: bool = False,
) -> list[Delivered]:
    """Return the members with the delivery sets that are wanted of each.

    Args:
        project: the project code.
        wanted: names of sets; none: all.
        day: the date of the delivery, for names that have one; may be empty.
        checksums: that no set may lack.
        is_alone: the sets take all that they select, as if the member had no others.

    Raises:
        Refused: a member has no sets, none has a set that is wanted, or a name needs a date.
    """
    problems = list(_problems(members, wanted, day))
    if problems:
        raise Refused(*problems)
    chosen = [
        replace(
            member,
            rows=tuple(
                replace(
                    row,
                    file=filled(row.file, _values(member, project, day)),
                    checksums=_with(row.checksums, checksums),
                )
                for row in member.manifest.header.delivery_sets
                if not wanted or row.name in wanted
            ),
            among=() if is_alone or not wanted else _all_sets(member),
        )
        for member in members
    ]
    return [member for member in chosen if member.rows]


def name_of_sets(
    members: Sequence[Delivered],
    project: bytes,
    wanted: Sequence[str] = (),
    day: str = "",
    *,
    of_package: bool = False,
) -> DeliveryName:
    """Return the name of a delivery of sets: project, then the member if it is one alone, the date, and the sets.

    Args:
        wanted: the sets that were asked for by name.
        of_package: it is the same name, however many members there are.
    """
    leaf = members[0].path.rpartition(b"/")[2] if len(members) == 1 and not of_package else b""
    parts = (leaf, day.encode(), *sorted({name.encode() for name in wanted}))
    files = tuple(row.file for member in members for row in member.rows)
    return DeliveryName(project, day, b"_".join(filter(None, parts)), files)


def _all_sets(member: Delivered) -> tuple[DeliveryRow, ...]:
    """Return all sets of a member; of one that was received by some of them also those that did not come yet."""
    header = member.manifest.header
    return header.all_sets or header.delivery_sets


def _values(member: Delivered, project: bytes, day: str) -> dict[str, bytes]:
    """Return what the names of the sets of a member waited for."""
    return {PROJECT: project, MEMBER: member.path.replace(b"/", b"_") or project, DATE: day.encode()}


def _with(own: tuple[str, ...] | None, needed: Sequence[str]) -> tuple[str, ...] | None:
    return own if own is None else tuple(name for name in CHECKSUMS if name in (*own, *needed))


def _problems(members: Sequence[Delivered], wanted: Sequence[str], day: str) -> Iterator[Problem]:
    known: dict[str, DeliveryRow] = {}
    for member in members:
        if not member.manifest.header.delivery_sets:
            yield Problem(Code.NO_DELIVERY_SET, member.path)
        known |= {row.name: row for row in member.manifest.header.delivery_sets}
    for name in wanted:
        if known and name not in known:
            yield Problem(Code.DELIVERY_SET_UNKNOWN, name.encode(), f"one of {', '.join(known)}")
    for row in known.values():
        if DATE in row.pieces and not day and (not wanted or row.name in wanted):
            yield Problem(Code.DELIVERY_DATE_MISSING, row.name.encode(), found=shown(row.file))
