"""Repair: the work of taking what verify finds damaged from the origin, or from other copies of the package.

A file is recognised by its size and digest, wherever it is: first where it belongs, then anywhere in the places that
are searched. So a hard link that was changed in place is never taken from its own other name.
"""

import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from qa2pack.executor.apply import Applied, ApplyOptions
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import SCIENCE_GOAL
from qa2pack.manifest.alma.package import read_state
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.file_state import FileState, state_of
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.record import NO_DIGEST, Entry
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digest_of_fd
from qa2pack.manifest.fs.presence import is_folder, real_path
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.plan.make import Plan
from qa2pack.manifest.plan.rebuild import Repair, Source, plan_rebuild
from qa2pack.manifest.problem import EXTRAS, Code, Problem, Refused, Remedy
from qa2pack.manifest.table_lock import is_table_lock
from qa2pack.manifest.verify.member import verify_tree
from qa2pack.manifest.verify.remedies import DamagedMember, is_unknown, member_remedies
from qa2pack.pack import PROGRAM
from qa2pack.pack.jobs.change import change
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.jobs.members import chosen_members, members_of, usable_manifest
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.target import Target, quoted


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did to one member.

    Attributes:
        member: `group/member`.
        sources: by path in the member, where each file was taken from; empty for what the program makes itself.
        lost: what could not be had, or is not known to the manifest; paths absolute.
        remedies: what to do about what could not be had.
        split: paths in the member of what could not be had, and was made by a table split: no origin has it.
        applied: None if nothing was changed.
    """

    member: bytes
    sources: Mapping[bytes, bytes]
    lost: tuple[Problem, ...]
    remedies: tuple[Remedy, ...] = ()
    applied: Applied | None = None
    split: tuple[bytes, ...] = ()


def repair(
    target: Target,
    wanted: bytes,
    places: Sequence[bytes],
    workers: Workers,
    options: ApplyOptions,
    *,
    removes_extra: bool = False,
) -> list[Repaired]:
    """Repair the member of this name, or all members, each in a transaction of its own.

    Args:
        places: folders with other copies: a package, a member, unpacked tars; searched before the origin.
        removes_extra: files that the manifest does not know are left out of the repaired member.

    Raises:
        Refused: there is no package, a place is no folder, or a member has files that the manifest does not know.
        UnfinishedError, LockedError: as `jobs.change.change`.
    """
    if missing := [Problem(Code.ORIGIN_MISSING, place) for place in places if not is_folder(place)]:
        raise Refused(*missing)
    state = existing_package(target)
    if removes_extra and not wanted and len(state.members) > 1:
        # Only the last transaction keeps what it replaced: the files of the first member would be gone for good.
        commands = tuple(_command(member, places) for member in state.members)
        remedy = Remedy("Name the member; one at a time:", commands)
        raise Refused(Problem(Code.MEMBER_NOT_NAMED, target.package.path), remedies=(remedy,))
    members = chosen_members(members_of(state, target.opened), wanted)
    return [
        _repaired(target, usable_manifest(member), places, workers, options, removes_extra=removes_extra)
        for member in members
    ]


def _repaired(
    target: Target,
    manifest: Described,
    places: Sequence[bytes],
    workers: Workers,
    options: ApplyOptions,
    *,
    removes_extra: bool,
) -> Repaired:
    member = target.package.member(manifest.header.member_path)
    with started_engine(workers, (target.package.path,)) as engine:
        found = _damage(manifest, member, workers, engine)
    extra = [_located(problem, member) for problem in found if is_unknown(problem, member)]
    damaged = {problem.path: problem for problem in found if problem.code not in EXTRAS}
    if not damaged and not (extra and removes_extra):
        return Repaired(manifest.header.member_path, {}, tuple(extra))
    if extra and not removes_extra:
        raise Refused(*extra, remedies=(_leaving_out(manifest, target, places),))
    wanted = [entry for entry in _entries(manifest) if _is_damaged(entry.path, damaged)]
    made = {entry.path for entry in wanted if entry.action in (Action.WRITE, Action.DUMMY)}
    made |= {path for path, problem in damaged.items() if problem.expected == "a folder"}
    sources = _sources([entry for entry in wanted if entry.path not in made], manifest, target, places)
    lost = {entry.path for entry in wanted} - made - sources.keys()
    problems = tuple(_located(damaged.get(path, Problem(Code.MISSING, path)), member) for path in sorted(lost))
    taken = {**dict.fromkeys(made, b""), **{path: source.path for path, source in sources.items()}}
    remedies = _remedies(manifest, member, target, problems)
    split = tuple(entry.path for entry in wanted if entry.path in lost and entry.action is Action.SPLIT)
    if not taken and not extra:
        return Repaired(manifest.header.member_path, {}, problems, remedies, split=split)
    make = partial(_plan, target, manifest, Repair(sources, lost, removes_extra))
    applied = change(target.package, make, options, workers, target.opened)
    return Repaired(manifest.header.member_path, taken, problems, remedies, applied, split)


def _leaving_out(manifest: Described, target: Target, places: Sequence[bytes]) -> Remedy:
    """Return how to repair a member that has files of others."""
    is_only = len(read_state(target.package).members) == 1
    text = "Move it out of the package. Or have it left out of the member; it is kept until the next apply:"
    return Remedy(text, (_command(b"" if is_only else manifest.header.member_path, places),))


def _command(member: bytes, places: Sequence[bytes]) -> str:
    """Return the repair of a member that leaves out files of others; an empty name is the only member."""
    option = f" --member {quoted(member)}" if member else ""
    copies = "".join(f" --from {quoted(place)}" for place in places)
    return f"pack repair PACKAGE{option}{copies} --remove-extra"


def _remedies(manifest: Described, member: bytes, target: Target, lost: Sequence[Problem]) -> tuple[Remedy, ...]:
    """Return what to do about what could not be had."""
    inside = [replace(each, path=each.path[len(member) + 1 :]) for each in lost]
    is_only = len(read_state(target.package).members) == 1
    return tuple(member_remedies(DamagedMember(manifest, member, inside, is_only=is_only, is_tried=True)))


def _plan(target: Target, manifest: Described, repair: Repair) -> Plan:
    return plan_rebuild(
        target.package, manifest, target.opened, program=PROGRAM, now_ns=time.time_ns(), repair=repair
    )


def _damage(manifest: Described, member: bytes, workers: Workers, engine: Engine) -> list[Problem]:
    notes = manifest.notes
    workers.progress.phase("verify", file_count=notes.file_count, byte_count=notes.byte_count)
    return list(
        verify_tree(member, manifest.stream.blobs(), is_quick=False, engine=engine, progress=workers.progress)
    )


def _located(problem: Problem, member: bytes) -> Problem:
    return replace(problem, path=join(member, problem.path))


def _entries(manifest: Described) -> Iterator[Entry]:
    for blob in manifest.stream.blobs():
        yield from decode_record(blob).entries()


def _is_damaged(path: bytes, damaged: Mapping[bytes, Problem]) -> bool:
    """Return whether the file, or a folder above it, is not as packaged."""
    while path:
        if path in damaged:
            return True
        path = path.rpartition(b"/")[0]
    return b"" in damaged


def _sources(
    wanted: Sequence[Entry], manifest: Described, target: Target, places: Sequence[bytes]
) -> dict[bytes, Source]:
    """Return where the wanted files can be had, by path in the member."""
    found: dict[bytes, Source] = {}
    package = real_path(target.package.path)
    for entry in wanted:
        if is_table_lock(entry.path):
            found |= _lock_source(entry, manifest, target, places)
            continue
        for path in _where_it_belongs(entry, manifest, places):
            if source := _source(path, entry, manifest, target, package):
                found[entry.path] = source
                break
    missing = [entry for entry in wanted if entry.path not in found and entry.digest != NO_DIGEST]
    for path, entries in _of_the_same_size(missing, (*places, manifest.header.origin)):
        for entry in entries:
            if entry.path not in found and (source := _source(path, entry, manifest, target, package)):
                found[entry.path] = source
    return found


def _lock_source(entry: Entry, manifest: Described, target: Target, places: Sequence[bytes]) -> dict[bytes, Source]:
    """Return the source of a `table.lock`, which may have any content; staging makes one where it finds none."""
    own = join(target.package.member(manifest.header.member_path), entry.path)
    for path in (own, *_where_it_belongs(entry, manifest, places)):
        if is_folder(os.path.dirname(path)):
            state = FileState(entry.size, entry.mtime_ns, 0, 0, 0)
            return {entry.path: Source(path, Action.COPY, state)}
    return {}


def _where_it_belongs(entry: Entry, manifest: Described, places: Sequence[bytes]) -> Iterator[bytes]:
    inside = join(manifest.header.member_path, entry.path)
    for place in places:
        yield join(place, entry.path)
        yield join(place, inside)
        yield b"/".join((place, SCIENCE_GOAL, inside))
        yield b"/".join((place, manifest.header.project, SCIENCE_GOAL, inside))
    yield os.path.join(manifest.header.origin, entry.source)


def _of_the_same_size(wanted: Sequence[Entry], places: Iterable[bytes]) -> Iterator[tuple[bytes, list[Entry]]]:
    """Yield each file in these places with the wanted ones that it could be."""
    sizes: dict[int, list[Entry]] = {}
    for entry in wanted:
        sizes.setdefault(entry.size, []).append(entry)
    for place in places if wanted else ():
        for above, folders, names in os.walk(place):
            folders.sort()
            for name in sorted(names):
                path = join(above, name)
                try:
                    status = os.lstat(path)
                except OSError:  # it is gone, or cannot be looked at: it is no source
                    continue
                if stat.S_ISREG(status.st_mode) and status.st_size in sizes:
                    yield path, sizes[status.st_size]


def _source(path: bytes, entry: Entry, manifest: Described, target: Target, package: bytes) -> Source | None:
    """Return the file as a source if it has the content of the packaged one; it is read."""
    if is_within(real_path(path), package):
        return None
    try:
        with opened_file(path) as fd:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
                return None
            if digest_of_fd(fd, entry.size) != entry.digest:
                return None
    except (OSError, FileGrewOrShrankError):
        return None
    is_own = path == os.path.join(manifest.header.origin, entry.source)
    is_linked = manifest.header.mode is Mode.HARD and is_own and _device(target) == status.st_dev
    return Source(path, Action.LINK if is_linked else Action.COPY, state_of(status))


def _device(target: Target) -> int:
    return os.stat(target.package.parent).st_dev
