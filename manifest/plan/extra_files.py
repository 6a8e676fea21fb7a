"""Extra files: what somebody put into a package. No manifest knows it, and it goes with the tree that is replaced."""

import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice

from qa2pack.manifest.alma.package import Package, PackageState
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.safe_open import listed, opened_beneath
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.problem import Code, Problem, Remedy
from qa2pack.manifest.table_lock import is_table_lock

_OUTSIDE = "PATH lies where no repair works. Move it out of the package, or remove it if nobody needs it:"
_IN_MEMBER = "To leave out of a member what does not belong there; it is kept until the next apply:"
_MOST_NAMED = 20


def extra_in_package(package: Package, state: PackageState) -> Iterator[Problem]:
    """Yield a problem for each entry of the package outside its members that is no part of a package."""
    for name in state.unexpected:
        path = join(package.path, name)
        yield _extra(path, is_folder=stat.S_ISDIR(os.lstat(path).st_mode))


def extra_in_member(package: Package, manifest: Described) -> Iterator[Problem]:
    """Yield a problem for each file and folder of a member that its manifest does not know; no file is looked at."""
    member = package.member(manifest.header.member_path)
    for blob in manifest.stream.blobs():
        record = decode_record(blob)
        known = {*record.names, *record.folders}
        with suppress(FileNotFoundError, NotADirectoryError), opened_beneath(member, record.path) as fd:
            for name, entry in listed(fd):
                if name not in known and not is_table_lock(name):
                    yield _extra(join(join(member, record.path), name), is_folder=entry.is_dir(follow_symlinks=False))


def foreign_remedies(package: Package, state: PackageState) -> tuple[Remedy, ...]:
    """Return what to do about entries of a package that are no part of a package; none where there is no member."""
    extras = list(extra_in_package(package, state)) if state.members else []
    by_member = {
        member: [each for each in extras if is_within(each.path, package.member(member))]
        for member in state.manifests
    }
    repairs = (_leaving_out(member, state) for member, found in sorted(by_member.items()) if found)
    inside = {each for found in by_member.values() for each in found}
    return (*repairs, *outside_remedies(each for each in extras if each not in inside))


def _leaving_out(member: bytes, state: PackageState) -> Remedy:
    option = "" if len(state.members) == 1 else f" --member {shlex.quote(os.fsdecode(member))}"
    return Remedy(_IN_MEMBER, (f"pack repair PACKAGE{option} --remove-extra",))


def outside_remedies(problems: Iterable[Problem]) -> tuple[Remedy, ...]:
    """Return what to do about the first few entries that are in no member with a manifest: no repair takes them out.

    Args:
        problems: extra files and folders; their paths are absolute, or can be typed as they are.
    """
    return tuple(
        Remedy(_OUTSIDE, ("rm -r PATH" if problem.code is Code.EXTRA_FOLDER else "rm PATH",), problem.path)
        for problem in islice(problems, _MOST_NAMED)
    )


def _extra(path: bytes, *, is_folder: bool) -> Problem:
    return Problem(Code.EXTRA_FOLDER if is_folder else Code.EXTRA, path)
