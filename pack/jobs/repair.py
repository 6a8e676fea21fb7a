"""Repair: the work of taking what verify finds damaged from the origin, or from other copies of the package."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from qa2pack.executor.apply import Applied, ApplyOptions
from qa2pack.executor.rollback_checks import rollback_obstacles
from qa2pack.executor.transaction.journal import read_journal
from qa2pack.executor.transaction.own_plan import own_plan
from qa2pack.executor.transaction.paths import journal_path
from qa2pack.executor.transaction.recovery import Phase, begin_of, may_plan_again, phase_of
from qa2pack.manifest.actions import Action
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.package import PUT_BACK, read_state
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import Entry
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.path import join
from qa2pack.manifest.plan.plan import Plan
from qa2pack.manifest.plan.rebuild import plan_rebuild
from qa2pack.manifest.problem import EXTRAS, Code, Problem, Refused, Remedy
from qa2pack.manifest.signature.signature import NOBODY, Signed, Trust, Verifier, signature_problems
from qa2pack.manifest.verify.member import verify_tree
from qa2pack.manifest.verify.remedies import DamagedMember, is_unknown, member_remedies, packaged_entries
from qa2pack.manifest.verify.signatures import signature_of
from qa2pack.manifest.verify.sum_list import SumList, SumListError
from qa2pack.pack import PROGRAM
from qa2pack.pack.jobs.apply import apply
from qa2pack.pack.jobs.change import change, check_name
from qa2pack.pack.jobs.delivered_copies import opened_deliveries
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.jobs.fetched import Fetched, fetched_copies
from qa2pack.pack.jobs.found_copies import Found, Places, find_copies
from qa2pack.pack.jobs.members import chosen_members, members_of, usable_manifest
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.target import Target, quoted

_SIGNED_SOURCE = Remedy(
    "Name the place of a signed delivery, with its .manifest and .manifest.sig. Files of another place are taken "
    "for a member that a known signer has signed."
)


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did to one member.

    Attributes:
        member: its name.
        sources: by path in the member, where each file was taken from; empty for what the program makes itself.
        lost: what could not be had, or is not known to the manifest; paths absolute.
        remedies: what to do about what could not be had.
        split: paths in the member of what could not be had, and was made by a table split: no origin has it.
        applied: None if nothing was changed.
        unread: what could not be read of the deliveries; paths absolute.
        made_otherwise: bundles that were written again with the same files and other bytes; the manifest has these.
    """

    member: bytes
    sources: Mapping[bytes, bytes]
    lost: tuple[Problem, ...]
    remedies: tuple[Remedy, ...] = ()
    applied: Applied | None = None
    split: tuple[bytes, ...] = ()
    unread: tuple[Problem, ...] = ()
    made_otherwise: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Repairs:
    """What a repair did to a package.

    Attributes:
        members: each repaired in a transaction of its own, in this order.
        finished: the change of a member's own files that had been stopped, and was finished first; None if none was.
        rollback_problems: why the last transaction cannot be rolled back, the reason first, as far as
            `executor.rollback_checks.rollback_obstacles` knows.
        signatures: those of the deliveries.
    """

    members: tuple[Repaired, ...]
    finished: Applied | None = None
    rollback_problems: tuple[Problem, ...] = ()
    signatures: tuple[Signed, ...] = ()

    @property
    def applied(self) -> tuple[Applied, ...]:
        """The transactions, in their order; only what the last one replaced is kept."""
        return tuple(filter(None, (self.finished, *(member.applied for member in self.members))))


def repair(
    target: Target,
    wanted: bytes,
    places: Sequence[bytes],
    workers: Workers,
    options: ApplyOptions,
    *,
    removes_extra: bool = False,
    trust: Trust = NOBODY,
) -> Repairs:
    """Repair the member of this name, or all members, each in a transaction of its own.

    A repair that was stopped is finished first.

    Args:
        places: folders with other copies: a package, a member, unpacked tars; searched before the origin. Deliveries,
            folders and stores with a sidecar, and then other stores, which have such copies, are searched last.
        removes_extra: files that the manifest does not know are left out of the repaired member.
        trust: whose signature of the deliveries is wanted. It is checked before anything is changed. Files of other
            places have none: they are taken only for a member that is signed so itself, as they are compared with
            what was signed.

    Raises:
        Refused: there is no package, nothing is at a place, a source is not signed as is wanted, or a member has
            files that the manifest does not know.
        KeygenMissingError: there is no ssh-keygen, and known signers are wanted; nothing was changed.
        UnfinishedError, LockedError: as `jobs.change.change`.
    """
    with opened_deliveries(places, trust) as delivered:
        known = Places(delivered)
        done = _repair(target, wanted, known, workers, options, removes_extra=removes_extra, trust=trust)
    return replace(done, signatures=tuple(each.signed for each in known.deliveries))


def _repair(
    target: Target,
    wanted: bytes,
    places: Places,
    workers: Workers,
    options: ApplyOptions,
    *,
    removes_extra: bool,
    trust: Trust,
) -> Repairs:
    if trust.is_required and places.plain:
        _check_members_signed(target, wanted, places.plain, trust)
    finished = _finished_first(target, workers, options)
    state = existing_package(target)
    if removes_extra and not wanted and len(state.members) > 1:
        # Only the last transaction keeps what it replaced: the files of the first member would be gone for good.
        commands = tuple(_command(member, places.typed) for member in state.members)
        remedy = Remedy("Name the member; one at a time:", commands)
        raise Refused(Problem(Code.MEMBER_NOT_NAMED, target.package.path), remedies=(remedy,))
    members = chosen_members(state, members_of(state, target.opened), wanted)
    with closing(Verifier(NOBODY)) as verifier, fetched_copies(target.package, workers.trusted) as fetched:
        work = _Work(target, places, fetched, verifier, workers, options, removes_extra=removes_extra)
        repaired = tuple(_repaired(work, usable_manifest(member)) for member in members)
    gone = () if wanted else tuple(_gone(member, problem) for member, problem in sorted(state.lost.items()))
    done = Repairs((*repaired, *gone), finished)
    return (
        replace(done, rollback_problems=rollback_obstacles(target.package, target.opened)) if done.applied else done
    )


def _check_members_signed(target: Target, wanted: bytes, places: Sequence[bytes], trust: Trust) -> None:
    """Refuse places with files, which nobody signs, where the members say less than the sha256 of each file."""
    state = existing_package(target)
    with closing(Verifier(trust)) as verifier:
        for member in chosen_members(state, members_of(state, target.opened), wanted):
            signed = signature_of(target.package, member.path, OpenedFiles(), verifier).signed
            if any(signature_problems(signed, trust)):
                problems = (Problem(Code.SIGNATURE_MISSING, place) for place in places)
                raise Refused(*problems, remedies=(_SIGNED_SOURCE,))


def _gone(member: bytes, problem: Problem) -> Repaired:
    """Return the result for a member that has a manifest and no folder."""
    return Repaired(member, {}, (problem,), (PUT_BACK,))


def _finished_first(target: Target, workers: Workers, options: ApplyOptions) -> Applied | None:
    """Finish a stopped change of a member's own files; any other unfinished transaction is refused later."""
    package = target.package
    check_control(package.control)
    records = read_journal(journal_path(package))
    if may_plan_again(records) or phase_of(records) is Phase.ROLLING_BACK:
        return None
    plan = own_plan(package, begin_of(records), target.opened)
    if plan is None or not plan.header.is_rebuilt:
        return None
    return apply(package, options, workers, target.opened)


@dataclass(frozen=True, slots=True)
class _Damage:
    """What verify found in one member.

    Attributes:
        member: its absolute path.
        problems: by path in the member, of what is not as packaged.
        extra: what the manifest does not know, also in the place of what it knows; paths absolute.
    """

    member: bytes
    problems: Mapping[bytes, Problem]
    extra: tuple[Problem, ...]

    def wanted(self, manifest: Described) -> list[Entry]:
        """Return the files that are not as packaged, or in a folder that is not."""
        return [entry for entry in _entries(manifest) if self._is_at(entry.path)]

    def made(self, wanted: Sequence[Entry]) -> set[bytes]:
        """Return the paths of the files and folders that the program makes itself."""
        files = {entry.path for entry in wanted if entry.action in (Action.WRITE, Action.DUMMY)}
        return files | {path for path, problem in self.problems.items() if problem.expected == "a folder"}

    def of(self, paths: Sequence[bytes]) -> tuple[Problem, ...]:
        """Return a problem for each of these files, its path absolute."""
        return tuple(
            _located(self.problems.get(path, Problem(Code.MISSING, path)), self.member) for path in sorted(paths)
        )

    def _is_at(self, path: bytes) -> bool:
        """Return whether the file, or a folder above it, is not as packaged."""
        while path:
            if path in self.problems:
                return True
            path = path.rpartition(b"/")[0]
        return b"" in self.problems


@dataclass(frozen=True, slots=True)
class _Work:
    """What the repair of each member works with."""

    target: Target
    places: Places
    fetched: Fetched
    verifier: Verifier
    workers: Workers
    options: ApplyOptions
    removes_extra: bool

    def signed_list(self, member: bytes) -> SumList | None:
        """Return what was signed of a member, whoever signed it; None if nothing was, or another manifest."""
        return signature_of(self.target.package, member, OpenedFiles(), self.verifier).sums


def _repaired(work: _Work, manifest: Described) -> Repaired:
    target, removes_extra = work.target, work.removes_extra
    check_name(target.package, manifest.header)  # before all content is read
    signed = work.signed_list(manifest.header.member)
    damage = _damage(target, manifest, signed, work.workers)
    if not damage.problems and not (damage.extra and removes_extra):
        return Repaired(manifest.header.member, {}, damage.extra)
    if damage.extra and not removes_extra:
        raise Refused(*damage.extra, remedies=(_leaving_out(manifest, target, work.places.typed),))
    wanted = damage.wanted(manifest)
    sums = signed.of_paths(manifest, {entry.path for entry in wanted}) if signed else {}
    found = find_copies(target.package, manifest, wanted, damage.made(wanted), work.places, work.fetched, sums)
    found = found.with_late(manifest.header.late, wanted)
    repaired = _without_change(target, manifest, damage, found)
    if not repaired.sources and not damage.extra:
        return repaired

    def make() -> Plan:
        how, now_ns = found.how(removes_extra=removes_extra), time.time_ns()
        return plan_rebuild(target.package, manifest, target.opened, program=PROGRAM, now_ns=now_ns, repair=how)

    applied = change(target.package, make, work.options, work.workers, target.opened)
    before = [entry for entry in wanted if entry.path in found.written]
    return replace(repaired, applied=applied, made_otherwise=_made_otherwise(target, manifest.header.member, before))


def _without_change(target: Target, manifest: Described, damage: _Damage, found: Found) -> Repaired:
    """Return what is reported of a member before anything of it is changed."""
    lost = damage.of([entry.path for entry in found.lost])
    return Repaired(
        manifest.header.member,
        found.places(manifest.header.origin),
        lost,
        _remedies(target, manifest, damage.member, lost),
        split=tuple(entry.path for entry in found.lost if entry.action is Action.SPLIT),
        unread=tuple(found.unread),
    )


def _made_otherwise(target: Target, member: bytes, before: Sequence[Entry]) -> tuple[bytes, ...]:
    """Return those of the bundles that have other bytes now, because another encoder has written them."""
    if not before:
        return ()
    manifest = target.opened.manifest_of(member, target.package.manifest(member))
    now = packaged_entries(manifest, (entry.path for entry in before))
    return tuple(entry.path for entry in before if now[entry.path].digest != entry.digest)


def _damage(target: Target, manifest: Described, signed: SumList | None, workers: Workers) -> _Damage:
    """Read a member, and return what is not as in its manifest, or does not have the sha256 that was signed.

    Raises:
        Refused: what was signed is a list of other files.
    """
    member, notes = target.package.member(manifest.header.member), manifest.notes
    with started_engine(workers, (target.package.path,), reads=(target.package.path,)) as engine:
        workers.progress.phase("verify", file_count=notes.file_count, byte_count=notes.byte_count)
        blobs, sums = manifest.stream.blobs(), signed.sums(manifest) if signed else None
        try:
            found = list(
                verify_tree(member, blobs, is_quick=False, engine=engine, progress=workers.progress, sums=sums)
            )
        except SumListError as error:
            raise Refused(Problem(Code.SIGNATURE_WRONG, member, found=str(error))) from error
    return _Damage(
        member,
        {problem.path: problem for problem in found if problem.code not in EXTRAS},
        tuple(_located(problem, member) for problem in found if is_unknown(problem, member)),
    )


def _leaving_out(manifest: Described, target: Target, places: Sequence[bytes]) -> Remedy:
    """Return how to repair a member that has files of others."""
    is_only = len(read_state(target.package).members) == 1
    text = "Move it out of the package. Or have it left out of the member; it is kept until the next apply:"
    return Remedy(text, (_command(b"" if is_only else manifest.header.member, places),))


def _command(member: bytes, places: Sequence[bytes]) -> str:
    """Return the repair of a member that leaves out files of others; an empty name is the only member."""
    option = f" --member {quoted(member)}" if member else ""
    copies = "".join(f" --from {quoted(place)}" for place in places)
    return f"pack repair PACKAGE{option}{copies} --remove-extra"


def _remedies(target: Target, manifest: Described, member: bytes, lost: Sequence[Problem]) -> tuple[Remedy, ...]:
    """Return what to do about what could not be had."""
    inside = [replace(each, path=each.path[len(member) + 1 :]) for each in lost]
    is_only = len(read_state(target.package).members) == 1
    return tuple(member_remedies(DamagedMember(manifest, member, inside, is_only=is_only, is_tried=True)))


def _located(problem: Problem, member: bytes) -> Problem:
    return replace(problem, path=join(member, problem.path))


def _entries(manifest: Described) -> Iterator[Entry]:
    for blob in manifest.stream.blobs():
        yield from decode_record(blob).entries()
