"""Delivery sets that are written with each apply (`when = "apply"`), beside the package, as the ticket files are.

They are a step of their own and no part of the transaction: what fails here leaves the package applied, and the same
command writes what is missing. A delivery of an earlier state is replaced; what is no delivery of this name is not.

Other changes of a package write them again, if they are there: else they would be of a state that is no more. What
is left of that state is reported: the files of a member that is gone, and after a renaming all of them.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from qa2pack.executor.apply import Applied
from qa2pack.manifest.alma.package import Package, PackageState, read_state
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import Header, StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_file, is_there
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, PackError, Problem
from qa2pack.pack.errors.problem_view import problem_text
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.read import reading
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.json_fields import path_fields, problem_fields
from qa2pack.pack.views.view import View

if TYPE_CHECKING:
    from qa2pack.tarsplit.contents import Delivered
    from qa2pack.tarsplit.naming import DeliveryName


@dataclass(frozen=True, slots=True)
class DeliveredAtApply:
    """Result of delivering what was applied.

    Attributes:
        paths: of the files and folders that were written, or were there.
        problems: why some are not; the package is applied.
        stale: of what was written before, and is of a state that is no more.
        advice: what to do about problems.
        again: the command that writes what is stale, once that is gone; or empty.
    """

    paths: Sequence[bytes] = ()
    problems: Sequence[Problem] = ()
    stale: Sequence[bytes] = ()
    advice: str = "To deliver it, mend that and give pack apply again."
    again: str = ""


def deliver_applied(applied: Applied | None, target: Target, workers: Workers) -> DeliveredAtApply:
    """Write the sets of each apply; a failure is a part of the result, as all else is done.

    Args:
        applied: None after any other change.
    """
    if applied and applied.is_rolled_back:
        return DeliveredAtApply()
    try:
        return _delivered(target, workers)
    except PackError as error:
        return DeliveredAtApply(problems=error.problems)
    except OSError as error:
        path = os.fsencode(error.filename) if error.filename else target.package.parent
        return DeliveredAtApply(problems=(Problem(Code.SYSTEM_ERROR, path, found=error.strerror or ""),))


def delivering_again(target: Target, change: Callable[[Workers], View]) -> Callable[[Workers], View]:
    """Return a change of a package after which the sets of each apply that are there are written again."""

    def changed(workers: Workers) -> View:
        before = _written(target)
        view = change(workers)
        if not before:
            return view
        made = deliver_applied(None, replace(target, opened=OpenedFiles()), workers)
        present = {*made.paths, next(iter(before))} if made.paths else set()  # the sidecar is that of the new state
        stale = [] if made.problems else _files({path: before[path] for path in before if path not in present})
        advice = "To deliver it, mend that; the next apply writes it."
        return with_delivery(view, replace(made, stale=stale, advice=advice))

    return changed


def telling_old_delivery(target: Target, rename: Callable[[Workers], View], new: Target) -> Callable[[Workers], View]:
    """Return a renaming that tells of the sets of each apply under the old name."""

    def renamed(workers: Workers) -> View:
        before = _written(target)
        view = rename(workers)
        made = DeliveredAtApply(stale=_files(before), again=f"pack apply {new.quoted}")
        return with_delivery(view, made) if before else view

    return renamed


def with_delivery(view: View, made: DeliveredAtApply) -> View:
    """Return the view of an apply and of the delivery that follows; without that it is one to resume."""
    return replace(
        view,
        lines=partial(_lines, view, made),
        fields=lambda: {
            **view.fields(),
            "delivered": [path_fields("path", path) for path in made.paths],
            "delivery_problems": problem_fields(made.problems),
            "stale_deliveries": [path_fields("path", path) for path in made.stale],
        },
        code=Exit.RESUMABLE if made.problems else view.code,
    )


def _written(target: Target) -> dict[bytes, list[bytes]]:
    """Return the path of the sidecar of the sets of each apply, and then of their files; none if nothing is there.

    Each with the paths of what is beside it: checksum files, and the signature of the sidecar. A run that was stopped
    leaves others, and perhaps no sidecar.
    """
    try:
        if not (found := _wanted(target)):
            return {}
        name, folder = found[0], target.package.parent
        written = _listed(join(folder, name.manifest), folder)
        for path, each in _left(name, folder):
            beside = written.setdefault(path, [])
            beside += [each] if each not in (path, *beside) else []
    except (PackError, OSError):  # a package that cannot be delivered as it is, or a sidecar that cannot be read
        return {}
    return written


def _listed(path: bytes, folder: bytes) -> dict[bytes, list[bytes]]:
    """Return what a sidecar lists, and first itself; none if it is not there."""
    from qa2pack.manifest.signature.names import signature_name
    from qa2pack.tarsplit.naming import checksum_name
    from qa2pack.tarsplit.sidecar import open_sidecar

    try:
        sidecar = open_sidecar(path)
    except FileNotFoundError:
        return {}
    listed = {path: [*(checksum_name(path, each) for each in sidecar.header.checksums), signature_name(path)]}
    for row in sidecar.chunks:
        file = join(folder, row.name)
        listed[file] = [checksum_name(file, each) for each, _ in row.checksums]
    return listed


def _left(name: "DeliveryName", folder: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the paths of all that a stopped run left, each behind that of the sidecar or the file that it is of.

    The sidecar itself comes first, also where it is not there.
    """
    from qa2pack.tarsplit.naming import PART, chunk_of

    there = sorted(filter(name.owns, os.listdir(folder)))
    if {name.state, name.begun, name.manifest + PART}.isdisjoint(there):
        return
    yield join(folder, name.manifest), join(folder, name.manifest)
    for each in there:
        bare = each.removesuffix(PART)
        yield join(folder, name.manifest if name.is_of_sidecar(bare) else chunk_of(bare)), join(folder, each)


def _files(written: Mapping[bytes, Sequence[bytes]]) -> list[bytes]:
    """Return which of these files are there, with those beside them."""
    return [each for path, beside in written.items() for each in (path, *beside) if is_there(each)]


def _wanted(target: Target) -> "tuple[DeliveryName, Sequence[Delivered]] | None":
    """Return the name of the delivery, and its members; None if the package has no set of each apply."""
    package, opened = target.package, target.opened
    state = read_state(package)
    wanted = sorted({name for header in _headers(package, state, opened) for name in _sets_of(header)})
    if not wanted:
        return None
    # Here: all of tarsplit is imported, and few layouts have such a set.
    from qa2pack.tarsplit.contents import choose_members
    from qa2pack.tarsplit.sets import name_of_sets, with_sets

    members = choose_members(package, state, opened, allow_dummies=True)
    members = [each for each in members if _sets_of(each.manifest.header)]
    members = with_sets(members, package.project, wanted, is_alone=True)
    return name_of_sets(members, package.project, wanted, of_package=True), members


def _delivered(target: Target, workers: Workers) -> DeliveredAtApply:
    found = _wanted(target)
    if found is None:
        return DeliveredAtApply()
    from qa2pack.pack.delivery.lock import locked_delivery
    from qa2pack.tarsplit.deliver import Destination, deliver
    from qa2pack.tarsplit.place.folder import Folder
    from qa2pack.tarsplit.plan import CutRequest, plan_cut

    package, (name, members) = target.package, found
    place = Folder(package.parent)
    is_replacing = any(is_file(join(place.path, each)) for each in (name.manifest, name.state))
    with reading(package, workers, output=place.path) as engine:
        cut = plan_cut(CutRequest(name), members, workers.progress)
        destination = Destination(package.path, place, is_replacing)
        with locked_delivery(name, place):
            outcome = deliver(cut, destination, engine=engine, progress=workers.progress)
    return DeliveredAtApply([join(place.path, row.name) for row in outcome.chunks], outcome.problems)


def _headers(package: Package, state: PackageState, opened: OpenedFiles) -> Iterator[Header]:
    """Yield the headers of the members; a manifest that cannot be used has none, and verify reports it."""
    for member in state.manifests:
        with suppress(StreamError):
            yield opened.peek_header(package.manifest(member), StreamKind.MANIFEST)


def _sets_of(header: Header) -> list[str]:
    """Return the names of the sets of each apply; of placeholders nothing is delivered."""
    return [row.name for row in header.delivery_sets if row.at_apply] if header.mode.has_content else []


def _lines(view: View, made: DeliveredAtApply, style: Style) -> Iterator[str]:
    yield from view.lines(style)
    if made.paths:
        yield "Delivered, beside the package:"
        yield from (f"  {shown(path)}" for path in made.paths)
    if made.problems:
        yield f"{style.bad('Not delivered')}, but all else is done:"
        yield from (f"  {problem_text(problem)}" for problem in made.problems)
        yield made.advice
    if made.stale:
        yield f"{style.warning('Delivered before')}, beside the package, and of a state that is no more:"
        yield from (f"  {shown(path)}" for path in made.stale)
        yield "To deliver what is now, move these away, then:" if made.again else "Move these away."
        if made.again:
            yield f"  {style.bold(made.again)}"
