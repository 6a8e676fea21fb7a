"""Diff: the work of comparing an origin with the member packaged from it.

The new plan is a value only; nothing is written.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace

from qa2pack.executor.casa.table_reader import TableReader
from qa2pack.manifest.alma.package import README, PackageState, check_not_lost, read_state
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.diff import Change, diff_members
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.format.inside import marked_path, with_insides
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.plan.make import make_plan
from qa2pack.manifest.plan.obstacles import swapped_paths
from qa2pack.manifest.plan.plan import Plan
from qa2pack.manifest.plan.remembered_options import recall_from
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.jobs.members import Member, chosen_members, members_of, usable_manifest
from qa2pack.pack.jobs.read import existing_package, held
from qa2pack.pack.target import Target


@dataclass(frozen=True, slots=True)
class Difference:
    """A member and the new plan that it is compared with.

    The package is locked for reading, and the records of the plan are kept, until it is closed.

    Attributes:
        manifest: of the member.
        member_count: how many members the package has.
    """

    manifest: Described
    made: Plan
    member_count: int
    held: ExitStack

    def changes(self) -> Iterator[Change]:
        """Yield changed and unchanged files in order, without README and lists of files: each plan makes them."""
        bundles, made = self.manifest.notes.bundles, self.made.notes.bundles
        old = with_insides(map(decode_record, self.manifest.stream.blobs()), bundles)
        new = with_insides((decode_record(blob) for _, blob in self.made.gathered.spool.sorted_blobs()), made)
        paths = frozenset(task.path for task in (*bundles, *made))
        header = self.made.header
        made_again = header.late | ({README} if header.readme else set())
        for change in diff_members(old, new):
            if change.path not in made_again:
                yield replace(change, path=marked_path(change.path, paths))

    def close(self) -> None:
        """Release the lock and the records."""
        self.held.close()


def diff(target: Target, request: PlanRequest, wanted: bytes, workers: Workers) -> Difference:
    """Make a new plan, and return it with the member packaged from the same origin; the caller closes it.

    Args:
        request: of a plan in mode copy, which works across file systems, that adds a member, so that nothing is
            refused because it would be replaced. A member made of placeholders is compared in its own mode.
        wanted: name of the member to compare with; empty for the one with the same origin.
    """
    if swapped := swapped_paths(request.origin, read_state(target.package)):
        raise Refused(swapped)
    state = existing_package(target)
    with ExitStack() as stack:
        stack.enter_context(held(target.package))
        members = members_of(state, target.opened)
        manifest = usable_manifest(_chosen(target, state, members, wanted, request))
        mode = request.mode if manifest.header.mode.has_content else manifest.header.mode
        request = replace(recall_from(request, manifest.header).request, mode=mode, is_compared=True, typed=None)
        made = _planned(request, target.opened, workers)
        stack.callback(made.gathered.spool.close)
        return Difference(manifest, made, len(members), stack.pop_all())


def _chosen(
    target: Target, state: PackageState, members: list[Member], wanted: bytes, request: PlanRequest
) -> Member:
    if wanted:
        return chosen_members(state, members, wanted)[0]
    same = [
        member
        for member in members
        if member.header and member.header.origin == request.origin and not member.header.is_adopted
    ]
    candidates = same or [member for member in members if member.fault]  # its origin is unknown
    if candidates:
        return candidates[-1]
    for member in state.lost:
        with suppress(StreamError):  # of a damaged manifest the origin is unknown
            manifest = target.package.manifest(member)
            if target.opened.peek_header(manifest, StreamKind.MANIFEST).origin == request.origin:
                check_not_lost(state, member)
    raise Refused(Problem(Code.ORIGIN_UNKNOWN, request.origin))


def _planned(request: PlanRequest, opened: OpenedFiles, workers: Workers) -> Plan:
    with started_engine(workers, (request.origin, request.package)) as engine:
        return make_plan(
            request,
            opened=opened,
            reader=TableReader(),
            engine=engine,
            progress=workers.progress,
            now_ns=time.time_ns(),
        )
