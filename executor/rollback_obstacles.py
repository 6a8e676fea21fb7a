"""Rollback obstacles: what stands against rolling back the last finished apply, as far as no content need be read.

A rollback looks for the same and compares all content, too. So it may still be refused where nothing is found here,
for a file that was changed and kept its size; where something is found here, it is refused. Read-only.
"""

from collections.abc import Iterator

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.publish.origin_links import look_at_origin
from qa2pack.executor.rollback_checks import kept_member
from qa2pack.executor.transaction.history import last_finished
from qa2pack.executor.transaction.journal import Commit, JournalDamagedError, JournalError, read_journal
from qa2pack.executor.transaction.paths import TransactionPaths, transaction_paths
from qa2pack.executor.transaction.published_tree import is_like_target
from qa2pack.executor.transaction.recovery import Phase, begin_of, phase_of
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.format.files import Described, unusable_manifest
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.path import join
from qa2pack.manifest.plan.origin_files import lost_sources
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.progress import Silent
from qa2pack.manifest.verify.member import verify_tree


def rollback_obstacles(package: Package, opened: OpenedFiles) -> tuple[Problem, ...]:
    """Return why the last finished apply cannot be rolled back, the reason first; empty if nothing is known.

    Names, types and sizes of all its files are compared, and the sources at the origin.

    Raises:
        OSError: a path cannot be read.
    """
    path = last_finished(package)
    if path is None:
        return ()
    try:
        records = read_journal(path)
        if phase_of(records) is not Phase.ENDED:
            raise JournalDamagedError(path, "is damaged: its end is missing")
    except JournalError as error:
        return error.problems
    begin = begin_of(records)
    paths = transaction_paths(package, begin)
    commit = next((record for record in records if isinstance(record, Commit)), None)
    if commit is None or is_there(paths.target) is begin.publishing.is_removal:
        return (Problem(Code.NOT_AS_APPLIED, package.path),)
    if begin.publishing.has_previous and not (begin.keeps_previous and is_there(paths.previous_tree)):
        return (Problem(Code.PREVIOUS_GONE, package.path),)
    if begin.publishing.is_removal:
        return ()
    member = join(paths.group, paths.member)
    try:
        manifest = opened.manifest_of(member, package.manifest(member))
    except StreamError as error:
        return Problem(Code.CHANGED_SINCE, package.path), unusable_manifest(error)
    except FileNotFoundError:
        missing = Problem(Code.MANIFEST_MISSING, package.manifest(member))
        return Problem(Code.CHANGED_SINCE, package.path), missing
    return _tree_obstacles(paths, commit, manifest)


def _tree_obstacles(paths: TransactionPaths, commit: Commit, manifest: Described) -> tuple[Problem, ...]:
    package, engine = paths.package, InlineEngine()
    member = package.member(manifest.header.member_path)
    if not is_like_target(paths, commit, manifest, engine=engine):
        return (Problem(Code.NOT_AS_APPLIED, package.path),)
    if lost := lost_sources(manifest, kept_member(paths)):
        return Problem(Code.ORIGIN_LOST, package.path), *lost
    changes = (
        *verify_tree(member, manifest.stream.blobs(), is_quick=True, engine=engine, progress=Silent()),
        *_neighbours(paths),
    )
    if any(problem.code is Code.UNREADABLE for problem in changes):
        return Problem(Code.NOT_COMPARABLE, package.path), *changes
    if changes:
        return Problem(Code.CHANGED_SINCE, package.path), *changes
    if manifest.header.mode is Mode.MOVE:
        problems = look_at_origin(manifest, member, engine=engine, disk=Disk())
        return (Problem(Code.ORIGIN_IN_THE_WAY, package.path), *problems) if problems else ()
    return ()


def _neighbours(paths: TransactionPaths) -> Iterator[Problem]:
    """Yield what is beside the member and would go with it: other members, and what is no part of a package."""
    if paths.root == paths.staged_member:
        return
    state, package = read_state(paths.package), paths.package
    own, above = join(paths.group, paths.member), paths.target + b"/"
    others = [package.member(member) for member in state.members if member != own]
    for path in (*others, *(join(package.path, name) for name in state.unexpected)):
        if path.startswith(above):
            yield Problem(Code.EXTRA, path)
