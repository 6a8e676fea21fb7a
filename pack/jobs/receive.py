"""Receive: the work of taking the members of a delivery into a package, in one transaction."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import field, replace

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
from qa2pack.manifest.format.header import ArrivedIn, ReceivedDelivery, StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.plan.plan import save_plan
from qa2pack.manifest.plan.receiving import check_place, is_of_any
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.signature.signature import Signed, Verifier, signature_problems
from qa2pack.pack.jobs.apply import apply
from qa2pack.pack.jobs.arriving import Arriving, arriving
from qa2pack.pack.jobs.control_folder import check_plannable, locked_control
from qa2pack.pack.jobs.delivery_source import SidecarSource
from qa2pack.pack.jobs.engines import Workers, started_engine, stopping
from qa2pack.pack.jobs.find_delivery import find_sidecar
from qa2pack.pack.jobs.plan_delivery import ALL, ReceiveOptions, check_chunks, plan_delivery
from qa2pack.pack.jobs.signed_sidecar import open_signed_sidecar
from qa2pack.pack.target import Target, quoted
from qa2pack.tarsplit.sidecar import NotADeliveryError, Sidecar
from qa2pack.tarsplit.sidecar_tree import check_tree

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
        newer: by name, of `same` and `replaced` the newer delivery that they came in.
        problems: checksum files beside the tars that are not of these; of what was received nothing is wrong.
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
    newer: Mapping[bytes, ArrivedIn] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def receive(
    target: Target, delivery: bytes, workers: Workers, options: ApplyOptions, wanted: ReceiveOptions = ALL
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
    _check_project(sidecar, package)
    arrived = Arrived(None, (), (), len(sidecar.chunks), signed, sidecar.noun)
    if not (sidecar.chunks or sidecar.members()):
        return arrived
    with _told_of_sidecar():
        check_tree(sidecar)
    members = _chosen(sidecar, wanted.member)
    check_place(package, opened)
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
            raise Refused(
                *_differing(sidecar, package, found.other, opened),
                remedies=tuple(_replacing(sidecar, wanted, found.other)),
            )
        made = sorted((*found.new, *found.partial, *found.other))
        arrived = replace(
            arrived,
            same=tuple(found.same),
            partial=tuple(found.partial),
            replaced=tuple(found.other),
            newer=dict(_newer(sidecar, package, (*found.same, *found.other), opened)),
        )
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
    members = sorted(map(member_at, sidecar.members()))
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
    check_chunks(source)
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
        problems = (
            Problem(Code.MEMBER_DIFFERS, path, "the file that was signed", "another, or none") for path in paths
        )
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
    problems = tuple(source.problems_beside())
    applied = apply(package, options, workers, opened, is_locked=True, open_delivery=lambda _: source)
    return replace(arrived, applied=applied, members=source.members, problems=problems)


def _differing(sidecar: Sidecar, package: Package, members: list[bytes], opened: OpenedFiles) -> Iterator[Problem]:
    """Yield the problem of each member that the package has with other content, and if that is the newer one."""
    newer = dict(_newer(sidecar, package, members, opened))
    for member in members:
        found = (str(newer[member]), f"an older delivery, {sidecar.arrived_in}") if member in newer else ("", "")
        yield Problem(Code.MEMBER_DIFFERS, package.member(member), *found)


def _newer(
    sidecar: Sidecar, package: Package, members: Iterable[bytes], opened: OpenedFiles
) -> Iterator[tuple[bytes, ArrivedIn]]:
    """Yield those members of the package that came in a newer delivery, with that."""
    for member in members:
        header = opened.peek_header(package.manifest(member), StreamKind.MANIFEST)
        if header.arrived_in and sidecar.arrived_in.is_older_than(header.arrived_in):
            yield member, header.arrived_in


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
