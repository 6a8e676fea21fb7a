"""Rebuild: a plan that makes a member of its own files, with another README or with single files from elsewhere.

Nothing of the origin is scanned: the manifest of the member says what it holds. What is in place is linked into the
new member; a file that is repaired comes from a source that has its digest. The new manifest keeps what the old one
says of all other files, so that a later plan finds the origin's digests in it.
"""

import errno
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from types import MappingProxyType

from qa2pack.manifest.actions import Action
from qa2pack.manifest.alma.absence import absence
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import README, Package, check_others_not_lost, read_state
from qa2pack.manifest.alma.readme import readme_text
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.diff import paired_folders
from qa2pack.manifest.file_state import FileState, state_of
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import BundleTask, Header, MadeWith, Notes, StreamKind, Total
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord, merge_records, with_digests
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.fs.digest import digest_of_bytes
from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.safe_open import listed, opened_beneath
from qa2pack.manifest.layout.roles import roles_of
from qa2pack.manifest.path import folders_above, is_within, join
from qa2pack.manifest.plan.destination import Destination, base_of
from qa2pack.manifest.plan.extra_files import extra_in_folder, extra_in_package, extra_remedies, paths_of
from qa2pack.manifest.plan.grown_totals import grown
from qa2pack.manifest.plan.plan import Plan
from qa2pack.manifest.plan.plan_header import header_of_member
from qa2pack.manifest.plan.written import paths_of_record, with_texts
from qa2pack.manifest.problem import EXTRAS, Code, Problem, Refused, size_problem, unreadable
from qa2pack.manifest.role import role_of
from qa2pack.manifest.scan.gathered import Gathered
from qa2pack.manifest.table_lock import is_table_lock

_NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
# Files that come from elsewhere; the others are made by the plan.
_PACKAGED = frozenset(Action) - {Action.DUMMY, Action.WRITE}
# Those that are no file of the origin: a repair has their content from elsewhere, and they stay what they are.
_NO_FILE_OF_ORIGIN = frozenset((Action.CARRY, Action.BUNDLE, Action.EXTRACT))


@dataclass(frozen=True, slots=True)
class Source:
    """Where the content of a file is taken from.

    Attributes:
        path: absolute.
        action: LINK or COPY.
    """

    path: bytes
    action: Action
    state: FileState


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair does with the files of a member that are not as packaged.

    Attributes:
        sources: by path in the member, where the content of a file comes from.
        lost: paths in the member of files that cannot be had, and stay as they are.
        removes_extra: leave out files of the member that its manifest does not know.
        made: paths in the member of damaged files that the program makes itself.
        bundles: those of `made` that are bundles, which are written from the files of the origin as they were.
    """

    sources: Mapping[bytes, Source] = field(default_factory=dict)
    lost: Collection[bytes] = ()
    removes_extra: bool = False
    made: Collection[bytes] = ()
    bundles: Sequence[BundleTask] = ()


_NOTHING_LOST = Repair()


@dataclass(frozen=True, slots=True)
class NewReadme:
    """Another header of the README; the tree below it follows from the member.

    Attributes:
        path: absolute path of its file; empty if it has no lasting one.
    """

    text: bytes
    path: bytes = b""


def plan_rebuild(
    package: Package,
    manifest: Described,
    opened: OpenedFiles,
    *,
    program: str,
    now_ns: int,
    repair: Repair = _NOTHING_LOST,
    readme: NewReadme | None = None,
) -> Plan:
    """Plan to make a member of its own files.

    Args:
        manifest: of the member.
        readme: the header of the README; None keeps it.
        now_ns: the time of the plan, ns since the epoch.

    Raises:
        Refused: another file of the member is missing or has another size, or the package has files that no manifest
            knows: they would go with what is replaced.
    """
    old = manifest.header
    state = read_state(package)
    check_others_not_lost(state, old.member)
    base = base_of(state, opened)
    destination = Destination(package, state, old.member, base, opened, Append.REPLACE)
    header = replace(
        header_of_member(old, destination, program=program, now_ns=now_ns),
        may_leave=True,  # sources are absolute paths, into the package or to what repairs it
        is_rebuilt=True,
    )
    if readme is not None:
        made_with = replace(old.made_with or MadeWith(b"", b""), readme=readme.path, readme_header=readme.text)
        header = replace(header, made_with=made_with)
        if old.readme or old.is_of_unknown_layout:
            header = replace(header, readme=_whole_readme(manifest, readme.text))
        header = with_texts(header, readme.text, paths_in(manifest))
    gathered = Gathered()
    member = package.member(old.member)
    problems: list[Problem] = list(extra_in_package(package, state))
    for record in own_records(manifest, header, member, problems, repaired=repair.sources, made=repair.made):
        gathered.spool.add(record.path, encode_record(record))
    extra = {problem for problem in problems if problem.code in EXTRAS}
    removed = {problem for problem in extra if repair.removes_extra and is_within(problem.path, member)}
    lost = {*repair.lost, *folders_above(repair.lost)}  # the problem of a file may be that of its folder
    others = [
        problem
        for problem in problems
        if problem.code not in EXTRAS and os.path.relpath(problem.path, member) not in lost
    ]
    named = {problem for problem in extra if problem.path in {other.path for other in others}}
    if others := [*others, *sorted(extra - removed - named, key=lambda problem: problem.path)]:
        gathered.spool.close()
        is_all_outside = all(each.code in EXTRAS and not is_within(each.path, member) for each in others)
        raise Refused(*others, remedies=extra_remedies(others, package, state, opened) if is_all_outside else ())
    copied = [source.state.size for source in repair.sources.values() if source.action is Action.COPY]
    largest = [bundle.largest_bytes for bundle in repair.bundles]
    totals = totals_with_texts(manifest.notes.totals, old, header)
    notes = Notes(
        totals=grown(totals, _growth(manifest, repair.bundles)),
        new_files=len(copied) + len(largest) + 1,
        new_bytes=sum(copied) + sum(largest) + sum(map(len, header.texts.values())),
        extra=paths_of(removed, package),
        bundles=tuple(repair.bundles),
    )
    return Plan(header, notes, destination, gathered)


def _growth(manifest: Described, bundles: Iterable[BundleTask]) -> Iterator[tuple[bytes, int]]:
    """Yield the role of each bundle, and by how many bytes the largest that it may be is more than it was."""
    for bundle in bundles:
        folder, _, name = bundle.path.rpartition(b"/")
        record = decode_record(manifest.stream.find(folder) or b"")
        yield role_of(bundle.path), bundle.largest_bytes - record.sizes[list(record.names).index(name)]


def rebuilt_header(plan: Header, old: Header) -> Header:
    """Return the header of the new manifest: the state that the old one relies on, and what the plan changed."""
    return replace(
        plan,
        kind=StreamKind.MANIFEST,
        append=old.append,
        scanned_ns=old.scanned_ns,
        may_leave=old.may_leave,
        standing=old.standing,
        base=old.base,
        is_rebuilt=False,
    )


def rebuilt_notes(plan: Notes, old: Notes) -> Notes:
    """Return the notes of the new manifest. A rollback must not give links of the origin their old targets."""
    return replace(old, totals=plan.totals, relinks=())


def rebuilt_records(old: Iterable[bytes], planned: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield path and encoded record of each folder of the new manifest."""
    for before, after in paired_folders(map(decode_record, old), map(decode_record, planned)):
        if before is not None and after is not None:  # both have the same folders
            yield before.path, encode_record(_final(before, after))


def _final(old: FolderRecord, planned: FolderRecord) -> FolderRecord:
    """Return the old record, but for what was repaired or generated; moved files are carried over from now on."""
    actions = bytes(Action.CARRY if action == Action.MOVE else action for action in old.actions)
    record = replace(old, actions=actions)
    changed = [index for index, action in enumerate(planned.actions) if action != Action.KEEP]
    if not changed:
        return record
    positions = {name: index for index, name in enumerate(old.names)}
    places = [positions[planned.names[index]] for index in changed]
    new = replace(
        planned.selected(changed),
        source=b"",
        source_names=[old.source_path(place) for place in places],
        actions=bytes(
            _final_action(actions[place], planned.actions[index])
            for place, index in zip(places, changed, strict=True)
        ),
    )
    kept = [index for index in range(len(old.names)) if index not in set(places)]
    return replace(merge_records([record.selected(kept), new]), folders=old.folders)


def _final_action(old: int, planned: int) -> int:
    """Return the action of a repaired file: the origin's symlink still leads to one that was moved."""
    return planned if planned == Action.WRITE or old not in _NO_FILE_OF_ORIGIN else old


def own_records(
    manifest: Described,
    header: Header,
    member: bytes,
    problems: list[Problem],
    *,
    repaired: Mapping[bytes, Source] = MappingProxyType({}),
    made: Collection[bytes] = (),
) -> Iterator[FolderRecord]:
    """Yield the records of a plan that makes a member of its own files, with README and the texts of the header.

    Args:
        member: absolute path of the member as it is.
        problems: gets one for each file that is missing or has another size.
        repaired: by path in the member, where the content of other files comes from.
        made: the damaged files that the program makes itself; of a bundle the size is not known yet.
    """
    largest = {task.path: task.largest_bytes for task in manifest.notes.bundles if task.path in made}
    written = _written_anew(manifest.header, header) | set(made)
    for blob in manifest.stream.blobs():
        record = decode_record(blob)
        kept = header.texts.keys() - written
        rows = list(_rows(record, member, repaired, problems, kept=kept, largest=largest))
        there = [index for index, row in enumerate(rows) if row is not None]
        sources = [row for row in rows if row is not None]
        planned = replace(
            record.selected(there),
            folders=record.folders,
            source=b"",
            source_names=[source.path for source in sources],
            actions=bytes(source.action for source in sources),
            sizes=[source.state.size for source in sources],
            mtimes=[source.state.mtime_ns for source in sources],
            ctimes=[source.state.ctime_ns for source in sources],
            inodes=[source.state.inode for source in sources],
        )
        yield _with_texts(planned, header)


def _written_anew(old: Header, new: Header) -> set[bytes]:
    """Return the files of which the text may be another one; README is always written, as it was ever.

    Where any text differs, what lists the files differs too.
    """
    changed = {path for path, text in new.texts.items() if old.texts.get(path) != text}
    is_listed_anew = changed or old.project != new.project or old.made_with != new.made_with  # it has the header
    return {README} | changed | (new.late if is_listed_anew else set())


def _rows(
    record: FolderRecord,
    member: bytes,
    repaired: Mapping[bytes, Source],
    problems: list[Problem],
    *,
    kept: Collection[bytes],
    largest: Mapping[bytes, int],
) -> Iterator[Source | None]:
    """Yield for each file of a folder what it is made of, None for one that is not there.

    Each of these has a problem, and each entry of the folder that the record does not know.

    Args:
        kept: the files of the program that stay as they are.
        largest: the sizes that bundles which are written again have at most, by path.
    """
    found = _states(member, record.path, problems)
    kinds = ((name, stat.S_ISDIR(status.st_mode)) for name, status in found.items())
    problems.extend(extra_in_folder(member, record, kinds))
    for index, name in enumerate(record.names):
        path, action = join(record.path, name), Action(record.actions[index])
        if path in repaired:
            yield repaired[path]
        elif path in largest:
            yield Source(record.source_path(index), action, replace(record.state(index), size=largest[path]))
        elif action not in _PACKAGED and not (action is Action.WRITE and path in kept):
            yield Source(record.source_path(index), action, record.state(index))
        else:
            yield _in_place(member, path, found.get(name), record.sizes[index], problems)


def _in_place(
    member: bytes, inside: bytes, status: os.stat_result | None, size: int, problems: list[Problem]
) -> Source | None:
    path = join(member, inside)
    if status is None:
        if (problem := absence(member, inside)) not in problems:  # all files of a folder have the same
            problems.append(problem)
        return None
    if not stat.S_ISREG(status.st_mode):
        problems.append(Problem(Code.WRONG_TYPE, path, "a file", kind_in_words(status.st_mode)))
        return None
    if status.st_size != size and not is_table_lock(path):
        problems.append(size_problem(path, size, status.st_size))
    return Source(path, Action.KEEP, state_of(status))


def _states(member: bytes, folder: bytes, problems: list[Problem]) -> dict[bytes, os.stat_result]:
    """Return the state of each entry of a folder of the member; nothing where there is no such folder."""
    try:
        with opened_beneath(member, folder) as fd:
            return {name: entry.stat(follow_symlinks=False) for name, entry in listed(fd)}
    except OSError as error:
        if error.errno in _NO_FOLDER:
            return {}
        problems.append(unreadable(join(member, folder), error))
        return {}


def _with_texts(record: FolderRecord, header: Header) -> FolderRecord:
    """Return the record with the texts of the header, where they are other ones; those of late files come later."""
    for path, text in header.texts.items():
        folder, _, name = path.rpartition(b"/")
        if folder == record.path and name in record.names and path not in header.late:
            record = _with_text(record, list(record.names).index(name), text, header.scanned_ns)
    return record


def _with_text(record: FolderRecord, index: int, text: bytes, now_ns: int) -> FolderRecord:
    digest = digest_of_bytes(text)
    if record.sizes[index] == len(text) and record.digest(index) in (NO_DIGEST, digest):
        return record
    sizes, mtimes = list(record.sizes), list(record.mtimes)
    sizes[index], mtimes[index] = len(text), now_ns
    changed = replace(record, sizes=sizes, mtimes=mtimes)
    if record.actions[index] == Action.DUMMY:
        return changed
    actions = bytearray(record.actions)
    actions[index] = Action.WRITE  # that of an adopted member was taken over
    return with_digests(replace(changed, actions=bytes(actions)), {index: digest})


def totals_with_texts(totals: tuple[Total, ...], old: Header, new: Header) -> tuple[Total, ...]:
    """Return the totals of a member that gets other texts; late ones count as they are until they are written."""
    changed = ((path, len(text) - len(old.texts.get(path, b""))) for path, text in new.texts.items())
    return grown(totals, ((role_of(path), growth) for path, growth in changed))


def _whole_readme(manifest: Described, header_text: bytes) -> bytes:
    """Return the README with this header and the tree of the member."""
    header = manifest.header
    return readme_text(
        header_text,
        project=header.project,
        member=header.member,
        sb_name=os.path.basename(header.origin),
        roles=roles_of(header),
        paths=paths_in(manifest),
    )


def paths_in(manifest: Described) -> Iterator[bytes]:
    """Yield the files and folders of a member as a tree takes them."""
    return (path for blob in manifest.stream.blobs() for path in paths_of_record(decode_record(blob)))
