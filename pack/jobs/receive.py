"""Receive: the work of taking the members of a delivery into a package, in one transaction."""

import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from qa2pack.executor.apply import Applied, ApplyOptions
from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.executor.preflight import check_space
from qa2pack.executor.tickets.unchanged_members import check_staying
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.executor.transaction.recovery import Phase, begin_of, phase_of
from qa2pack.executor.transaction.renaming import running_records
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.member_ids import member_at, member_named, tidy_name
from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_form import TREES
from qa2pack.manifest.format.header import ReceivedDelivery
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_folder, is_there, real_path
from qa2pack.manifest.path import is_address, join, shown
from qa2pack.manifest.plan.destination import Destination, base_of
from qa2pack.manifest.plan.plan import Plan, save_plan
from qa2pack.manifest.plan.receiving import Arrival, check_place, is_of_any, plan_receiving
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy, size_problem
from qa2pack.manifest.signature.signature import NOBODY, Signed, Trust, Verifier, signature_problems
from qa2pack.pack import PROGRAM
from qa2pack.pack.jobs.apply import apply
from qa2pack.pack.jobs.arriving import Arriving, arriving
from qa2pack.pack.jobs.control_folder import check_plannable, locked_control
from qa2pack.pack.jobs.delivery_source import SidecarSource
from qa2pack.pack.jobs.engines import Workers, started_engine, stopping
from qa2pack.pack.jobs.signed_sidecar import open_signed_sidecar
from qa2pack.pack.target import Target, quoted
from qa2pack.tarsplit.place.find import place_at
from qa2pack.tarsplit.place.place import A_FILE
from qa2pack.tarsplit.selection import Selection
from qa2pack.tarsplit.sidecar import NotADeliveryError, Sidecar
from qa2pack.tarsplit.sidecar_tree import check_tree

if TYPE_CHECKING:
    from qa2pack.manifest.plan.carried import Selecting

_SIDECAR = b".manifest"
_UNFINISHED = (b".part", b".filepart", b".partial", b".crdownload")  # of programs that transfer files
_WHEN_COMPLETE = Remedy(
    "A tar that is missing or too short may still be on its way. When all are there, give the same command again. If "
    "they are, have the listed ones delivered again."
)
_DAMAGED = Remedy("Have the listed tars delivered again. Then give the same command again.")
_NAME_IT = Remedy("Name the folder with the tars of the delivery, or the .manifest that came with them.")
_ANOTHER_ONE = Remedy("Have the .manifest delivered again. One that a newer program wrote needs that program.")


@dataclass(frozen=True, slots=True)
class Arrived:
    """Result of receiving a delivery.

    Attributes:
        applied: the transaction; None if the package had all members before.
        members: those that were made of the delivery.
        same: those that the package had, and has, with the same content.
        chunk_count: number of tars of the delivery.
        signed: its signature.
        noun: what its chunks are called.
        is_compared: the files of `same` were compared with the signed tars, and not only by their manifests.
        partial: of `members`, those that the package had in part, and has more of now.
        replaced: of `members`, those that the package had with other content.
    """

    applied: Applied | None
    members: tuple[bytes, ...]
    same: tuple[bytes, ...]
    chunk_count: int
    signed: Signed
    noun: str = "tar"
    is_compared: bool = False
    partial: tuple[bytes, ...] = ()
    replaced: tuple[bytes, ...] = ()


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


_ALL = ReceiveOptions()


def receive(
    target: Target, delivery: bytes, workers: Workers, options: ApplyOptions, wanted: ReceiveOptions = _ALL
) -> Arrived:
    """Take members of a delivery into the package; called again after a stop, it goes on.

    Args:
        delivery: path of the folder with the tars and the sidecar, or of the sidecar; or the address of such a one.

    Raises:
        KeygenMissingError: there is no ssh-keygen, and known signers are wanted; nothing was changed.
        Refused: it cannot be received, or the sidecar cannot be used; nothing was changed.
        OriginChangedError: tars are not as in the sidecar; nothing is visible.
        UnfinishedError: another transaction must be finished or rolled back first.
        LockedError: another process has locked the package.
        OSError: the disk fails or is full; the same call resumes later.
    """
    trust = wanted.trust
    with closing(Verifier(trust)) as verifier:
        with _told_of_sidecar():
            path = find_sidecar(delivery, target.package.project, wanted.typed)
            sidecar, signed = open_signed_sidecar(path, verifier, is_cluster=bool(workers.cluster))
        if wrong := [replace(problem, path=path) for problem in signature_problems(signed, trust)]:
            raise Refused(*wrong)
        return _received(target, sidecar, signed, workers, options, wanted)


def _received(
    target: Target, sidecar: Sidecar, signed: Signed, workers: Workers, options: ApplyOptions, wanted: ReceiveOptions
) -> Arrived:
    package, opened = target.package, target.opened
    with _told_of_sidecar():
        check_tree(sidecar)
    _check_project(sidecar, package)
    members = _chosen(sidecar, wanted.member)
    check_place(package, opened)
    arrived = Arrived(None, (), (), len(sidecar.chunks), signed, sidecar.noun)
    with locked_control(package, workers.wait):
        check_owned(package, workers.trusted)
        if begun := _begun(package, sidecar, opened):
            return _applied(package, SidecarSource(sidecar, begun.members), arrived, workers, options, opened)
        check_plannable(package)
        state = read_state(package)
        found = arriving(sidecar, members, package, state, opened)
        if wanted.trust.is_required and found.same:
            _compare_same(sidecar, found, package, workers, wanted)
            arrived = replace(arrived, is_compared=bool(found.same))
        if found.other and not wanted.is_replacing:
            problems = (Problem(Code.MEMBER_DIFFERS, package.member(member)) for member in found.other)
            raise Refused(*problems, remedies=tuple(_replacing(sidecar, wanted, found.other)))
        made = sorted((*found.new, *found.partial, *found.other))
        arrived = replace(arrived, same=tuple(found.same), partial=tuple(found.partial), replaced=tuple(found.other))
        if not made:
            return arrived
        with _told_of_sidecar():
            source = SidecarSource(sidecar, tuple(made))
        plan = plan_delivery(source, package, opened, wanted)
        check_space(package, plan.header, plan.notes, {}, opened)
        check_staying(package, plan.header, opened)
        save_plan(plan)
        if found.other and options.keep_previous is KeepPrevious.AUTO:  # nobody knows of another copy
            options = replace(options, keep_previous=KeepPrevious.YES)
        return _applied(package, source, arrived, workers, options, opened)


def _chosen(sidecar: Sidecar, wanted: bytes) -> list[bytes]:
    """Return the members of the delivery that are received, sorted; raises as `member_named`."""
    members = sorted(member_at(path) for path, _ in sidecar.header.members)
    return [member_named(members, tidy_name(wanted))] if wanted else members


def _compare_same(
    sidecar: Sidecar, found: Arriving, package: Package, workers: Workers, wanted: ReceiveOptions
) -> None:
    """Compare the members that the package has by their manifests with the signed tars; those that differ are others.

    Raises:
        Refused: tars are missing, or are not as in the sidecar; or files of the package are not those of the tars,
            and are not to be replaced.
    """
    from qa2pack.pack.jobs.compared_members import compare_members  # few deliveries are there already

    with _told_of_sidecar():
        source = SidecarSource(sidecar, tuple(found.same))
    _check_chunks(source)
    folders, lock = (package.path, source.place.path), lock_path(package)
    with (
        stopping() as stop,
        started_engine(workers, folders, reads=folders[:1], lock=lock, is_locked=True, stop=stop) as engine,
    ):
        compared = compare_members(source, package, engine, workers.progress)
    if compared.problems:
        raise Refused(*compared.problems, remedies=(_DAMAGED,))
    forged = [member for member in found.same if any(is_of_any(path, [member]) for path in compared.others)]
    if forged and not wanted.is_replacing:
        paths = (join(package.path, path) for path in compared.others)
        problems = (Problem(Code.MEMBER_DIFFERS, path, "the file that was signed", "another") for path in paths)
        raise Refused(*problems, remedies=tuple(_replacing(sidecar, wanted, forged)))
    found.same = [member for member in found.same if member not in forged]
    found.other += forged


@contextmanager
def _told_of_sidecar() -> Iterator[None]:
    """Refuse a sidecar that cannot be used with what its receiver can do."""
    try:
        yield
    except NotADeliveryError as error:
        raise Refused(*error.problems, remedies=(_NAME_IT,)) from error
    except StreamError as error:
        raise Refused(*error.problems, remedies=(_ANOTHER_ONE,)) from error


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
    arrived: Arrived,
    workers: Workers,
    options: ApplyOptions,
    opened: OpenedFiles,
) -> Arrived:
    applied = apply(package, options, workers, opened, is_locked=True, open_delivery=lambda _: source)
    return replace(arrived, applied=applied, members=source.members)


def plan_delivery(
    source: SidecarSource, package: Package, opened: OpenedFiles, wanted: ReceiveOptions = _ALL
) -> Plan:
    """Return the plan that makes members of a delivery.

    Raises:
        Refused: tars are missing or have other sizes, or the package cannot get the members.
    """
    _check_chunks(source)
    state = read_state(package)
    destination = Destination(package, state, b"", base_of(state, opened), opened)
    stream = source.sidecar.stream
    arrival = Arrival(
        source.sidecar.path,
        stream.digest,
        source.members,
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


def _check_chunks(source: SidecarSource) -> None:
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
        elif seen.byte_count != row.byte_count:
            yield size_problem(path, row.byte_count, seen.byte_count)


def _replacing(sidecar: Sidecar, wanted: ReceiveOptions, members: list[bytes]) -> Iterator[Remedy]:
    """Yield how to have the members of the delivery in place of those that are there, or beside them."""
    options = replace(wanted, is_replacing=True).typed
    is_alone = len(sidecar.header.members) == 1
    each = [""] if is_alone else [f" --member {quoted(member)}" for member in members]
    commands = tuple(f"pack receive PATH PACKAGE{member}{options}" for member in each)
    yield Remedy(
        "To have it in place of the other, which can be brought back until the next apply:", commands, sidecar.path
    )
    text = "To look at both, receive it in another FOLDER, whose name is the code of the project:"
    yield Remedy(text, ("pack receive PATH FOLDER",), sidecar.path)
