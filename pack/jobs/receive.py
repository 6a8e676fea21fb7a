"""Receive: the work of taking the members of a delivery into a package, in one transaction."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import field, replace

from qa2pack.executor.apply import Applied, ApplyOptions
from qa2pack.executor.preflight import check_space
from qa2pack.executor.tickets.unchanged_members import check_staying
from qa2pack.executor.transaction.recovery import Phase, begin_of, phase_of
from qa2pack.executor.transaction.renaming import running_records
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.member_ids import folder_of, member_at
from qa2pack.manifest.alma.package import Package, PackageState, read_state
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_form import TREES
from qa2pack.manifest.format.header import ArrivedIn, ReceivedDelivery, StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_folder, is_there, real_path
from qa2pack.manifest.path import is_address, is_within, join, shown
from qa2pack.manifest.plan.destination import Destination, base_of
from qa2pack.manifest.plan.plan import Plan, save_plan
from qa2pack.manifest.plan.receiving import Arrival, check_place, plan_receiving
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy, size_problem
from qa2pack.manifest.signature.signature import NOBODY, Signed, Trust, Verifier, signature_problems
from qa2pack.pack import PROGRAM
from qa2pack.pack.jobs.apply import apply
from qa2pack.pack.jobs.control_folder import check_plannable, locked_control
from qa2pack.pack.jobs.delivery_source import SidecarSource
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.signed_sidecar import open_signed_sidecar
from qa2pack.pack.target import Target, quoted
from qa2pack.tarsplit.contents import choose_members, delivered_records
from qa2pack.tarsplit.place.find import place_at
from qa2pack.tarsplit.place.place import A_FILE
from qa2pack.tarsplit.sidecar import NotADeliveryError, Sidecar
from qa2pack.tarsplit.sidecar_tree import check_tree

_SIDECAR = b".manifest"
_UNFINISHED = (b".part", b".filepart", b".partial", b".crdownload")  # of programs that transfer files
_WHEN_COMPLETE = Remedy(
    "A tar that is missing or too short may still be on its way. When all are there, give the same command again. If "
    "they are, have the listed ones delivered again."
)


_NAME_IT = Remedy("Name the folder with the tars of the delivery, or the .manifest that came with them.")
_ANOTHER_ONE = Remedy("Have the .manifest delivered again. One that a newer program wrote needs that program.")


@dataclass(frozen=True, slots=True)
class Arrived:
    """Result of receiving a delivery.

    Attributes:
        applied: the transaction; None if the package had all members before.
        members: those that were added.
        same: those that the package had, and has, with the same content.
        chunk_count: number of tars of the delivery.
        signed: its signature.
        noun: what its chunks are called.
        newer: by name, of these the newer delivery that they came in.
    """

    applied: Applied | None
    members: tuple[bytes, ...]
    same: tuple[bytes, ...]
    chunk_count: int
    signed: Signed
    noun: str = "tar"
    newer: Mapping[bytes, ArrivedIn] = field(default_factory=dict)


def receive(
    target: Target,
    delivery: bytes,
    workers: Workers,
    options: ApplyOptions,
    *,
    layout: str = "",
    trust: Trust = NOBODY,
) -> Arrived:
    """Take the members of a delivery into the package; called again after a stop, it goes on.

    Args:
        delivery: path of the folder with the tars and the sidecar, or of the sidecar; or the address of such a one.
        layout: name or absolute path of the layout of the members; empty where it is not known.
        trust: whose signature is wanted. It is checked before anything else, and what is read is what was checked.

    Raises:
        KeygenMissingError: there is no ssh-keygen, and known signers are wanted; nothing was changed.
        Refused: it cannot be received, or the sidecar cannot be used; nothing was changed.
        OriginChangedError: tars are not as in the sidecar; nothing is visible.
        UnfinishedError: another transaction must be finished or rolled back first.
        LockedError: another process has locked the package.
        OSError: the disk fails or is full; the same call resumes later.
    """
    with closing(Verifier(trust)) as verifier:
        with _told_of_sidecar():
            path = find_sidecar(delivery, target.package.project, _options(layout, trust))
            sidecar, signed = open_signed_sidecar(path, verifier, is_cluster=bool(workers.cluster))
        if wrong := [replace(problem, path=path) for problem in signature_problems(signed, trust)]:
            raise Refused(*wrong)
        return _received(target, sidecar, signed, workers, options, layout=layout)


def _received(
    target: Target, sidecar: Sidecar, signed: Signed, workers: Workers, options: ApplyOptions, *, layout: str
) -> Arrived:
    package, opened = target.package, target.opened
    with _told_of_sidecar():
        check_tree(sidecar)
    _check_project(sidecar, package)
    check_place(package, opened)
    with locked_control(package, workers.wait):
        check_owned(package, workers.trusted)
        begun = _begun(package, sidecar, opened)
        if begun:
            source = SidecarSource(sidecar, begun.members)
            return _applied(package, source, (), signed, workers, options, opened)
        check_plannable(package)
        members, same = _sorted_out(sidecar, package, read_state(package), opened)
        newer = dict(_newer(sidecar, package, same, opened))
        if not members:
            return Arrived(None, (), same, len(sidecar.chunks), signed, sidecar.noun, newer)
        with _told_of_sidecar():
            source = SidecarSource(sidecar, members)
        made = plan_delivery(source, package, opened, layout=layout)
        check_space(package, made.header, made.notes, {}, opened)
        check_staying(package, made.header, opened)
        save_plan(made)
        arrived = _applied(package, source, same, signed, workers, options, opened)
        return replace(arrived, newer=newer)


@contextmanager
def _told_of_sidecar() -> Iterator[None]:
    """Refuse a sidecar that cannot be used with what its receiver can do."""
    try:
        yield
    except NotADeliveryError as error:
        raise Refused(*error.problems, remedies=(_NAME_IT,)) from error
    except StreamError as error:
        raise Refused(*error.problems, remedies=(_ANOTHER_ONE,)) from error


def _options(layout: str, trust: Trust) -> str:
    """Return the options that say what is received, and whose signature is wanted, as they are typed."""
    return (
        (f" --layout {quoted(os.fsencode(layout))}" if layout else "")
        + (f" --allowed-signers {quoted(trust.signers)}" if trust.signers else "")
        + (" --require-signature" if trust.is_required else "")
    )


def find_sidecar(delivery: bytes, project: bytes = b"", options: str = "") -> bytes:
    """Return the path of the sidecar of a delivery, given by itself or by its folder.

    Args:
        project: whose sidecars are named where there are several; empty for all.
        options: that a command which is advised repeats.

    Raises:
        Refused: there is none, or there are several.
    """
    if is_address(os.fsdecode(delivery)):
        address = delivery.rstrip(b"/")
        return address if address.endswith(_SIDECAR) else _only_sidecar(address, project, options)
    path = real_path(delivery)
    if not is_folder(path):
        if path.endswith(b".tar"):
            folder = Remedy("Name the folder that it is in:", ("pack receive PATH PACKAGE",), os.path.dirname(path))
            raise Refused(Problem(Code.DELIVERY_MISSING, path, "the folder of the tars", "a tar"), remedies=(folder,))
        if not is_there(path):
            raise Refused(Problem(Code.DELIVERY_MISSING, path))
        return path
    return _only_sidecar(path, project, options)


def _only_sidecar(path: bytes, project: bytes, options: str) -> bytes:
    """Return the path of the only sidecar that there is in a place.

    Raises:
        Refused: there is none, or there are several.
    """
    place = place_at(path)
    place.check()
    names = [name for name in place.names() if name.endswith(_SIDECAR)]
    if not names:
        raise Refused(Problem(Code.DELIVERY_MISSING, path))
    if len(names) > 1:
        names = [name for name in names if name.startswith((project + b"_", project + _SIDECAR))] or names
        one = (Remedy("", (f"pack receive PATH PACKAGE{options}",), join(path, name)) for name in names)
        first, *others = one
        remedies = (replace(first, text="Name one after the other:"), *others)
        raise Refused(*(Problem(Code.DELIVERY_SEVERAL, join(path, name)) for name in names), remedies=remedies)
    return join(path, names[0])


def _check_project(sidecar: Sidecar, package: Package) -> None:
    project = sidecar.header.project
    if project != package.project:
        here = Remedy("Give the package the name of the project:", ("pack receive DELIVERY PATH",))
        path = join(package.parent, project)
        problem = Problem(Code.DELIVERY_OTHER, sidecar.path, shown(package.project), shown(project))
        raise Refused(problem, remedies=(replace(here, path=path),))


def _begun(package: Package, sidecar: Sidecar, opened: OpenedFiles) -> ReceivedDelivery | None:
    """Return what a stopped transaction receives, if it is this delivery."""
    records = running_records(package)
    if phase_of(records) in (Phase.NONE, Phase.ROLLING_BACK, Phase.ENDED):
        return None
    begin = begin_of(records)
    for path in (package.plan, package.last_plan):  # the last step but one renames it
        try:
            plan = opened.plan(path)
        except (FileNotFoundError, StreamError):
            continue
        begun = plan.header.received_from
        if begun and plan.stream.digest == begin.plan and begun.digest == sidecar.stream.digest:
            return begun
    return None


def _applied(
    package: Package,
    source: SidecarSource,
    same: tuple[bytes, ...],
    signed: Signed,
    workers: Workers,
    options: ApplyOptions,
    opened: OpenedFiles,
) -> Arrived:
    applied = apply(package, options, workers, opened, is_locked=True, open_delivery=lambda _: source)
    return Arrived(applied, source.members, same, len(source.sidecar.chunks), signed, source.sidecar.noun)


def plan_delivery(source: SidecarSource, package: Package, opened: OpenedFiles, *, layout: str = "") -> Plan:
    """Return the plan that takes the members of a delivery into the package, which has none of them.

    Raises:
        Refused: tars are missing or have other sizes, or the package cannot get the members.
    """
    if problems := list(_chunk_problems(source)):
        raise Refused(*problems, remedies=(_WHEN_COMPLETE,))
    state = read_state(package)
    destination = Destination(package, state, b"", base_of(state, opened), opened)
    stream = source.sidecar.stream
    arrival = Arrival(source.sidecar.path, stream.digest, source.members, source.sidecar.arrived_in, layout)
    return plan_receiving(arrival, destination, source.records(), opened, program=PROGRAM, now_ns=time.time_ns())


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
        elif seen.byte_count != row.byte_count:
            yield size_problem(path, row.byte_count, seen.byte_count)


def _sorted_out(
    sidecar: Sidecar, package: Package, state: PackageState, opened: OpenedFiles
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return the members of the delivery that the package lacks, and those that it has.

    Raises:
        Refused: it has one of them with other content, or without a manifest.
    """
    delivered = sorted(member_at(path) for path, _ in sidecar.header.members)
    present = [member for member in delivered if member in state.members]
    unknown = [member for member in present if member not in state.manifests]
    if unknown:
        adopt = Remedy("Make its manifest, then give the same command again:", ("pack adopt PACKAGE",))
        problems = (Problem(Code.MANIFEST_MISSING, package.member(member)) for member in unknown)
        raise Refused(*problems, remedies=(adopt,))
    if other := [member for member in present if not _is_same(sidecar, package, state, opened, member)]:
        newer = {member: str(each) for member, each in _newer(sidecar, package, other, opened)}
        found = {member: f"an older delivery, {sidecar.arrived_in}" for member in newer}
        problems = (
            Problem(Code.MEMBER_DIFFERS, package.member(member), newer.get(member, ""), found.get(member, ""))
            for member in other
        )
        raise Refused(*problems, remedies=tuple(_replacing(sidecar, state, other)))
    return tuple(member for member in delivered if member not in present), tuple(present)


def _newer(
    sidecar: Sidecar, package: Package, members: Iterable[bytes], opened: OpenedFiles
) -> Iterator[tuple[bytes, ArrivedIn]]:
    """Yield those members of the package that came in a newer delivery, with that."""
    for member in members:
        header = opened.peek_header(package.manifest(member), StreamKind.MANIFEST)
        if header.arrived_in and sidecar.arrived_in.is_older_than(header.arrived_in):
            yield member, header.arrived_in


def _replacing(sidecar: Sidecar, state: PackageState, members: list[bytes]) -> Iterator[Remedy]:
    """Yield how to have the members of the delivery in place of those that are there, or beside them."""
    if len(state.members) > len(members):
        commands = tuple(f"pack remove PACKAGE --member {quoted(member)} --force" for member in members)
        yield Remedy("To have it in place of the other, remove that, then give the same command again:", commands)
    text = "To look at both, receive it in another FOLDER, whose name is the code of the project:"
    yield Remedy(text, ("pack receive PATH FOLDER",), sidecar.path)


def _is_same(sidecar: Sidecar, package: Package, state: PackageState, opened: OpenedFiles, member: bytes) -> bool:
    """Return whether the package has the member with the same names, sizes and digests, as its manifest says."""
    chosen = choose_members(package, state, opened, wanted=member, allow_dummies=True)
    folder = folder_of(member)
    there = (_content(record) for record in delivered_records(chosen) if _is_in(record.path, folder))
    stream = sidecar.stream
    arriving = (decode_record(blob) for blob in (stream.blobs_from(folder) if folder else stream.blobs()))
    return list(there) == [_content(record) for record in arriving if _is_in(record.path, folder)]


def _is_in(path: bytes, folder: bytes) -> bool:
    return not folder or is_within(path, folder)


def _content(record: FolderRecord) -> tuple[object, ...]:
    return record.path, tuple(record.names), tuple(record.folders), tuple(record.sizes), record.digests
