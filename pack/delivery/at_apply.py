"""Delivery sets that are written with each apply (`when = "apply"`), beside the package, as the ticket files are.

They are a step of their own and no part of the transaction: what fails here leaves the package applied, and the same
command writes what is missing. A delivery of an earlier state is replaced; what is no delivery of this name is not.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from qa2pack.executor.apply import Applied
from qa2pack.manifest.alma.package import Package, PackageState, read_state
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import Header, StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_file
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


@dataclass(frozen=True, slots=True)
class DeliveredAtApply:
    """Result of delivering what was applied.

    Attributes:
        paths: of the files and folders that were written, or were there.
        problems: why some are not; the package is applied.
    """

    paths: Sequence[bytes] = ()
    problems: Sequence[Problem] = ()


def deliver_applied(applied: Applied, target: Target, workers: Workers) -> DeliveredAtApply:
    """Write the sets of each apply; a failure is a part of the result, as all else is done."""
    if applied.is_rolled_back:
        return DeliveredAtApply()
    try:
        return _delivered(target, workers)
    except PackError as error:
        return DeliveredAtApply(problems=error.problems)
    except OSError as error:
        path = os.fsencode(error.filename) if error.filename else target.package.parent
        return DeliveredAtApply(problems=(Problem(Code.SYSTEM_ERROR, path, found=error.strerror or ""),))


def with_delivery(view: View, made: DeliveredAtApply) -> View:
    """Return the view of an apply and of the delivery that follows; without that it is one to resume."""
    return replace(
        view,
        lines=partial(_lines, view, made),
        fields=lambda: {
            **view.fields(),
            "delivered": [path_fields("path", path) for path in made.paths],
            "delivery_problems": problem_fields(made.problems),
        },
        code=Exit.RESUMABLE if made.problems else view.code,
    )


def _delivered(target: Target, workers: Workers) -> DeliveredAtApply:
    package, opened = target.package, target.opened
    state = read_state(package)
    wanted = sorted({name for header in _headers(package, state, opened) for name in _sets_of(header)})
    if not wanted:
        return DeliveredAtApply()
    # Here: all of tarsplit is imported, and few layouts have such a set.
    from qa2pack.tarsplit.contents import choose_members
    from qa2pack.tarsplit.deliver import Destination, deliver
    from qa2pack.tarsplit.place.folder import Folder
    from qa2pack.tarsplit.plan import CutRequest, plan_cut
    from qa2pack.tarsplit.sets import name_of_sets, with_sets

    members = choose_members(package, state, opened, allow_dummies=True)
    members = with_sets([each for each in members if _sets_of(each.manifest.header)], package.project, wanted)
    name = name_of_sets(members, package.project, wanted, of_package=True)
    place = Folder(package.parent)
    is_replacing = any(is_file(join(place.path, each)) for each in (name.manifest, name.state))
    with reading(package, workers, output=place.path) as engine:
        cut = plan_cut(CutRequest(name), members, workers.progress)
        destination = Destination(package.path, place, is_replacing)
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
        yield "To deliver it, mend that and give pack apply again."
