"""Verify a package: every member against its manifest, and that there are no unexpected files."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from qa2pack.manifest.alma.member_ids import PACKAGE_ITSELF, folder_of, member_words
from qa2pack.manifest.alma.package import Package, gone_package, manifest_names, member_of_manifest, read_state
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import Described, unusable_manifest
from qa2pack.manifest.format.header import BundleTask
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_plain_folder
from qa2pack.manifest.fs.safe_open import opened_beneath, opened_file
from qa2pack.manifest.path import folders_above, is_within, join
from qa2pack.manifest.problem import HAS_OTHER_CONTENT, Code, Problem, unreadable
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.verify.beside import beside_problems
from qa2pack.manifest.verify.check_rows import check_row_problems
from qa2pack.manifest.verify.inside import look_into
from qa2pack.manifest.verify.member import verify_tree
from qa2pack.manifest.verify.sum_list import SumList, SumListError

NO_SUMS: Mapping[bytes, SumList] = MappingProxyType({})


def verify_package(
    package: Package,
    opened: OpenedFiles,
    *,
    is_quick: bool,
    engine: Engine,
    progress: Progress,
    sums: Mapping[bytes, SumList] = NO_SUMS,
) -> Iterator[Problem]:
    """Yield a problem, its path relative to the package, for each difference from the manifests.

    Args:
        sums: by member, the list that was signed: what is in it is compared, too, in the same reading.

    What the checks of a layout warn of is a warning, see `manifest.verify.check_rows`.

    The path is absolute where the package itself is gone, or something else is in its place.
    """
    state = read_state(package)
    if gone := gone_package(package, state):
        yield gone
        return  # that every folder in it is missing adds nothing
    lost = dict.fromkeys(
        replace(problem, path=problem.path.removeprefix(package.path + b"/")) for problem in state.lost.values()
    )
    yield from lost
    in_place = {problem.path for problem in lost if problem.code is Code.WRONG_TYPE}
    for unexpected in state.unexpected:
        if unexpected in in_place:
            continue
        # Inside a member with a manifest, verifying the member finds it.
        if not any(is_within(package.path + b"/" + unexpected, package.member(member)) for member in state.manifests):
            yield Problem(_extra(package, unexpected), unexpected)
    recorded = _recorded_members(package)
    packaged = folders_above(map(folder_of, recorded))
    yield from (Problem(Code.EXTRA_FOLDER, group) for group in state.empty_groups if group not in packaged)
    for member in state.without_manifest:
        yield Problem(Code.MANIFEST_MISSING, folder_of(member))
    for member in recorded:
        try:
            manifest = opened.manifest_of(member, package.manifest(member))
        except StreamError as error:
            yield unusable_manifest(error, folder_of(member))
            continue
        if member in state.manifests:
            signed = None if is_quick else sums.get(member)
            try:
                yield from _verify_member(
                    package, manifest, signed, is_quick=is_quick, engine=engine, progress=progress
                )
            except SumListError as error:
                yield Problem(Code.SIGNATURE_WRONG, folder_of(member) or PACKAGE_ITSELF, found=str(error))


def verify_restored(
    package: Package, members: Iterable[bytes], opened: OpenedFiles, *, engine: Engine, progress: Progress
) -> Iterator[Problem]:
    """Yield a problem, its path relative to the package, for all that is lost or damaged in members that came back.

    Where they were kept anything may have happened to them, and nobody looked. Content is read only where a file's
    mtime is another one. What was added is as it was, and no damage.
    """
    for member in members:
        folder = folder_of(member)
        try:
            manifest = opened.manifest_of(member, package.manifest(member))
        except StreamError as error:
            yield unusable_manifest(error, folder)
            continue
        except FileNotFoundError:
            continue  # it had none before either
        progress.phase(f"verify {member_words(member)}", file_count=manifest.notes.file_count, byte_count=0)
        blobs, root = manifest.stream.blobs(), package.member(member)
        for problem in verify_tree(root, blobs, is_quick=True, reads_touched=True, engine=engine, progress=progress):
            if problem.code not in (Code.EXTRA, Code.EXTRA_FOLDER):
                yield replace(problem, path=join(folder, problem.path).rstrip(b"/"))


def _verify_member(
    package: Package,
    manifest: Described,
    signed: SumList | None,
    *,
    is_quick: bool,
    engine: Engine,
    progress: Progress,
) -> Iterator[Problem]:
    """Yield the problems of a member; raises SumListError if what was signed is a list of other files."""
    member = manifest.header.member
    notes = manifest.notes
    is_read = manifest.header.mode.has_content and not is_quick
    progress.phase(
        f"verify {member_words(member)}",
        file_count=notes.file_count,
        byte_count=notes.byte_count if is_read else 0,  # else a progress bar would stay at 0 %
    )
    problems = verify_tree(
        package.member(member),
        manifest.stream.blobs(),
        is_quick=is_quick,
        engine=engine,
        progress=progress,
        sums=signed.sums(manifest) if signed else None,
    )
    bundles = {} if is_quick else {task.path: task for task in notes.bundles if not task.is_placeholder}
    for problem in problems:
        yield replace(problem, path=join(folder_of(member), problem.path).rstrip(b"/"))
        if problem.path in bundles and problem.code in HAS_OTHER_CONTENT:
            yield from _inside_problems(package.member(member), folder_of(member), bundles[problem.path])
    for problem in check_row_problems(manifest, package.member(member), is_reading=is_read):
        yield replace(problem, path=os.path.normpath(join(folder_of(member), problem.path)))
    beside_sums = signed.beside_sums(manifest) if signed else {}
    yield from beside_problems(package, manifest.header, beside_sums, is_quick=is_quick)


def _inside_problems(root: bytes, folder: bytes, task: BundleTask) -> Iterator[Problem]:
    """Yield a problem for each file in a bundle that is not as packaged; none if only the compression is other."""
    path = join(folder, task.path)
    try:
        above, _, name = task.path.rpartition(b"/")
        with opened_beneath(root, above) as dir_fd, opened_file(name, dir_fd=dir_fd) as fd:
            differences = look_into(fd, task).differences
    except OSError as error:
        yield unreadable(path, error)
        return
    for each in differences:
        yield Problem(Code.DAMAGED_INSIDE, path + b"!" + each.path, each.expected, each.found)


def _recorded_members(package: Package) -> list[bytes]:
    """Return the members that have a manifest, whether or not they are on disk."""
    return [member_of_manifest(name) for name in manifest_names(package)]


def _extra(package: Package, unexpected: bytes) -> Code:
    path = os.path.join(package.path, unexpected)
    return Code.EXTRA_FOLDER if is_plain_folder(path) else Code.EXTRA
