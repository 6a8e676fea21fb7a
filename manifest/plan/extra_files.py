"""Extra files: what somebody put into a package. No manifest knows it, and it goes with the tree that is replaced.

The files that the manifest knows can be compared with it in the same pass: a folder is listed once.
"""

import os
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from qa2pack.manifest.actions import Action
from qa2pack.manifest.alma.package import PUT_BACK, Package, PackageState
from qa2pack.manifest.file_state import is_same_time, state_of
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.fs.safe_open import listed, opened_beneath
from qa2pack.manifest.layout.package_layouts import adopting, members_by_layout
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.problem import Code, Problem, Remedy, unreadable
from qa2pack.manifest.table_lock import is_table_lock

_OUTSIDE = "PATH lies where no repair works. Move it out of the package, or remove it if nobody needs it:"
_PERHAPS = "PATH lies where no repair works. If it is a member whose manifest is gone, adopt it with its layout:"
_MEMBER = "PATH is, or holds, a member whose manifest is gone. If it is known to be right, adopt it with its layout"
_ELSE = "Else move it out of the package, or remove it if nobody needs it:"
_ADOPT_ALL = "It has the tree of a package. If its members are known to be right, adopt them with their layout"
_IN_MEMBER = "To leave out of a member what does not belong there; it is kept until the next apply:"
_MOST_NAMED = 20


def extra_in_package(package: Package, state: PackageState) -> Iterator[Problem]:
    """Yield a problem for each entry of the package outside its members that is no part of a package."""
    for name in state.unexpected:
        path = join(package.path, name) if name else package.path
        yield _extra(path, is_folder=stat.S_ISDIR(os.lstat(path).st_mode))


def extra_in_member(package: Package, manifest: Described) -> Iterator[Problem]:
    """Yield a problem for each file and folder of a member that its manifest does not know; no file is looked at.

    So is one for each folder that cannot be read.
    """
    return _in_member(package, manifest, lambda member, record, entries: ())


def differences_in_member(package: Package, manifest: Described) -> Iterator[Problem]:
    """Yield what `extra_in_member` yields, and a problem for each file whose size or mtime is not as packaged.

    Of the file that was packaged nothing is left there, so it is no loss that a file is missing. The values of a
    changed file are its states.
    """
    return _in_member(package, manifest, _changed)


def _in_member(
    package: Package,
    manifest: Described,
    look: "Callable[[bytes, FolderRecord, dict[bytes, os.DirEntry[str]]], Iterable[Problem]]",
) -> Iterator[Problem]:
    member = package.member(manifest.header.member)
    for record in map(decode_record, manifest.stream.blobs()):
        try:
            with opened_beneath(member, record.path) as fd:
                entries = listed(fd)
                yield from extra_in_folder(member, record, _kinds(entries))
                yield from look(member, record, dict(entries))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            yield unreadable(join(member, record.path), error)


def extra_in_folder(member: bytes, record: FolderRecord, found: Iterable[tuple[bytes, bool]]) -> Iterator[Problem]:
    """Yield a problem for each entry of a folder of the member that its record does not know.

    Args:
        found: the name of each entry, and whether it is a folder.
    """
    known = {*record.names, *record.folders}
    for name, is_folder in found:
        if name not in known and not is_table_lock(name):
            yield _extra(join(member, join(record.path, name)), is_folder=is_folder)


def paths_of(extra: Iterable[Problem], package: Package) -> tuple[bytes, ...]:
    """Return the paths in the package of all extra files and folders, also of what is in such folders, sorted."""
    return tuple(sorted(os.path.relpath(path, package.path) for problem in extra for path in _with_inner(problem)))


def _with_inner(extra: Problem) -> Iterator[bytes]:
    yield extra.path
    if extra.code is Code.EXTRA_FOLDER:
        for above, folders, names in os.walk(extra.path):
            yield from (join(above, name) for name in (*folders, *names))


def _kinds(entries: "Iterable[tuple[bytes, os.DirEntry[str]]]") -> Iterator[tuple[bytes, bool]]:
    return ((name, entry.is_dir(follow_symlinks=False)) for name, entry in entries)


def _changed(member: bytes, record: FolderRecord, entries: "dict[bytes, os.DirEntry[str]]") -> Iterator[Problem]:
    for index, (name, size, mtime_ns) in enumerate(zip(record.names, record.sizes, record.mtimes, strict=True)):
        if name not in entries:
            continue
        status = entries[name].stat(follow_symlinks=False)
        if status.st_mtime_ns == mtime_ns and status.st_size == size and stat.S_ISREG(status.st_mode):
            continue  # without a call for each: these are nearly all
        if not is_table_lock(name) and not _is_as_packaged(record, index, status):
            path = join(member, join(record.path, name))
            yield Problem(Code.CHANGED, path, record.state(index), state_of(status))


def _is_as_packaged(record: FolderRecord, index: int, status: os.stat_result) -> bool:
    if not stat.S_ISREG(status.st_mode):
        return False
    if record.actions[index] == Action.DUMMY or not record.sizes[index]:
        return status.st_size == 0  # of an empty file the time tells nothing; those that are written get none
    return status.st_size == record.sizes[index] and is_same_time(record.mtimes[index], status.st_mtime_ns)


def foreign_remedies(package: Package, state: PackageState, opened: OpenedFiles) -> tuple[Remedy, ...]:
    """Return what to do about entries of a package that are no part of a package; none where it has no members."""
    if not state.members:
        return adopting_remedies(package, opened)
    repairs, others = _repairs(extra_in_package(package, state), package, state)
    in_place = {problem.path for problem in state.lost.values()}
    outside = [each for each in others if each.path not in in_place]
    return (*repairs, *((PUT_BACK,) if state.lost else ()), *outside_remedies(outside, package, opened))


def extra_remedies(
    problems: Iterable[Problem], package: Package, state: PackageState, opened: OpenedFiles
) -> tuple[Remedy, ...]:
    """Return what to do about extra files and folders: the repair of the member that has them, or what removes them.

    Args:
        problems: their paths are absolute.
    """
    repairs, outside = _repairs(problems, package, state)
    return (*repairs, *outside_remedies(outside, package, opened))


def _repairs(
    problems: Iterable[Problem], package: Package, state: PackageState
) -> tuple[tuple[Remedy, ...], list[Problem]]:
    """Return the repairs that leave out what is in members with a manifest, and the problems of all else."""
    extras = list(problems)
    by_member = {
        member: [each for each in extras if is_within(each.path, package.member(member))]
        for member in state.manifests
    }
    inside = {each for found in by_member.values() for each in found}
    repairs = tuple(_leaving_out(member, state) for member, found in sorted(by_member.items()) if found)
    return repairs, [each for each in extras if each not in inside]


def adopting_remedies(package: Package, opened: OpenedFiles) -> tuple[Remedy, ...]:
    """Return how to adopt all members of a package without manifests; nothing if no known layout has its tree."""
    layouts = members_by_layout(package, opened)
    return (_adoption(_ADOPT_ALL, tuple(layouts)),) if layouts else ()


def _adoption(text: str, layouts: Sequence[str], path: bytes = b"") -> Remedy:
    one = ":" if len(layouts) == 1 else ", one of these:"  # several layouts may have one tree
    return Remedy(text + one, adopting(layouts), path)


def _leaving_out(member: bytes, state: PackageState) -> Remedy:
    option = "" if len(state.members) == 1 else f" --member {shlex.quote(os.fsdecode(member))}"
    return Remedy(_IN_MEMBER, (f"pack repair PACKAGE{option} --remove-extra",))


def outside_remedies(problems: Iterable[Problem], package: Package, opened: OpenedFiles) -> tuple[Remedy, ...]:
    """Return what to do about the first few entries that are in no member with a manifest: no repair takes them out.

    Args:
        problems: extra files and folders; their paths are absolute, or can be typed as they are.
    """
    first = tuple(islice(problems, _MOST_NAMED))
    has_folders = any(problem.code is Code.EXTRA_FOLDER for problem in first)
    members = members_by_layout(package, opened) if has_folders else {}
    return tuple(remedy for problem in first for remedy in _outside(problem, members))


def _outside(problem: Problem, members: Mapping[str, Sequence[bytes]]) -> Iterator[Remedy]:
    """Yield what to do about one entry.

    Args:
        members: by name of each layout that the package may have, the absolute paths of those that are there.
    """
    if problem.code is not Code.EXTRA_FOLDER:
        yield Remedy(_OUTSIDE, ("rm PATH",), problem.path)
        return
    extra = real_path(problem.path)
    layouts = [name for name, folders in members.items() if any(is_within(folder, extra) for folder in folders)]
    may_be_member = layouts or not members  # by a layout that is not known any more
    if layouts:
        yield _adoption(_MEMBER, layouts, problem.path)
    elif may_be_member:
        yield Remedy(_PERHAPS, ("pack adopt PACKAGE --layout FILE",), problem.path)
    yield Remedy(_ELSE if may_be_member else _OUTSIDE, ("rm -r PATH",), problem.path)


def _extra(path: bytes, *, is_folder: bool) -> Problem:
    return Problem(Code.EXTRA_FOLDER if is_folder else Code.EXTRA, path)
