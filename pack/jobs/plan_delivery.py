"""Plan of a delivery: what is wanted of it, whether its chunks are there, and the plan that receives it."""

import os
import time
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_form import TREES
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.plan.destination import Destination, base_of
from qa2pack.manifest.plan.plan import Plan
from qa2pack.manifest.plan.receiving import Arrival, plan_receiving
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy, size_problem
from qa2pack.manifest.signature.signature import NOBODY, Trust
from qa2pack.pack import PROGRAM
from qa2pack.pack.jobs.delivery_source import SidecarSource
from qa2pack.pack.target import quoted
from qa2pack.tarsplit.place.place import A_FILE
from qa2pack.tarsplit.selection import Selection

if TYPE_CHECKING:
    from qa2pack.manifest.plan.carried import Selecting

_UNFINISHED = (b".part", b".filepart", b".partial", b".crdownload")  # of programs that transfer files
_WHEN_COMPLETE = Remedy(
    "A tar that is missing or too short may still be on its way. When all are there, give the same command again. If "
    "they are, have the listed ones delivered again."
)


@dataclass(frozen=True, slots=True)
class ReceiveOptions:
    """What is wanted of a delivery.

    Attributes:
        layout: name or absolute path of the layout of the members; empty where it is not known.
        trust: whose signature is wanted. It is checked before anything else, and what is read is what was checked.
        member: the name of the only member that is received, or its end where that is unique; empty for all.
        is_replacing: a member that the package has with other content is replaced.
    """

    layout: str = ""
    trust: Trust = NOBODY
    member: bytes = b""
    is_replacing: bool = False

    @property
    def typed(self) -> str:
        """These options as they are typed, but for the member, each with a blank before it."""
        return (
            (f" --layout {quoted(os.fsencode(self.layout))}" if self.layout else "")
            + (" --replace" if self.is_replacing else "")
            + (f" --allowed-signers {quoted(self.trust.signers)}" if self.trust.signers else "")
            + (" --require-signature" if self.trust.is_required else "")
        )


ALL = ReceiveOptions()


def plan_delivery(source: SidecarSource, package: Package, opened: OpenedFiles, wanted: ReceiveOptions = ALL) -> Plan:
    """Return the plan that makes members of a delivery.

    Raises:
        Refused: tars are missing or have other sizes, or the package cannot get the members.
    """
    check_chunks(source)
    state = read_state(package)
    destination = Destination(package, state, b"", base_of(state, opened), opened)
    stream = source.sidecar.stream
    arrival = Arrival(
        source.sidecar.path,
        stream.digest,
        source.members,
        source.sidecar.arrived_in,
        wanted.layout,
        _selecting(source) if state.members else None,
        wanted.is_replacing,
        one_by_one=tuple(_one_by_one(source, wanted)),
    )
    return plan_receiving(arrival, destination, source.records(), opened, program=PROGRAM, now_ns=time.time_ns())


def _selecting(source: SidecarSource) -> "Selecting | None":
    """Return what the delivery has of its only member; None: all of it."""
    rows = source.delivery_sets(source.members[0])
    if not rows:
        return None
    selection = Selection(rows, among=source.all_sets(source.members[0]))

    def selected(folder: bytes, names: Sequence[bytes]) -> tuple[Collection[int], bool]:
        shares = list(selection.shares(folder, names))
        return {index for share in shares for index in share.files}, any(share.has_folder for share in shares)

    return selected


def _one_by_one(source: SidecarSource, wanted: ReceiveOptions) -> Iterator[Remedy]:
    """Yield how to receive the members of the source one after the other."""
    path = source.sidecar.path
    commands = (f"pack receive PATH PACKAGE --member {quoted(member)}{wanted.typed}" for member in source.members)
    yield Remedy("Receive one after the other:", tuple(commands), path)


def check_chunks(source: SidecarSource) -> None:
    """Refuse a delivery of which chunks are missing, or have other sizes; none is read."""
    if problems := list(_chunk_problems(source)):
        raise Refused(*problems, remedies=(_WHEN_COMPLETE,))


def _chunk_problems(source: SidecarSource) -> Iterator[Problem]:
    """Yield what is seen of the tars without reading them."""
    place = source.place
    for row in source.needed:
        path = join(place.path, row.name)
        if row.form in TREES:  # each of its files is looked at when it is read
            if not place.names(row.name):
                yield Problem(Code.MISSING, path)
            continue
        seen = place.seen(row.name)
        if seen is None:
            names = (row.name + ending for ending in _UNFINISHED)
            yield Problem(Code.MISSING, path, found=shown(next(filter(place.seen, names), b"")))
        elif seen.kind != A_FILE:
            yield Problem(Code.WRONG_TYPE, path, A_FILE, seen.kind)
        elif seen.byte_count is not None and seen.byte_count != row.byte_count:
            yield size_problem(path, row.byte_count, seen.byte_count)
