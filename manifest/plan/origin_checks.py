"""Checks of the origin: the checks of its layout, and whether the origin is a package that was made already.

Paths of other scheduling blocks and of other kinds of delivery are made absolute, because the commands that are
advised for them hold these paths.
"""

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from qa2pack.manifest.alma.control_folder import is_control
from qa2pack.manifest.alma.package import README, Package
from qa2pack.manifest.fs.control_file import LARGE_BYTES, read_control
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.layout.completeness import completeness_warnings, other_delivery
from qa2pack.manifest.layout.decide import Choice
from qa2pack.manifest.layout.item import Placement
from qa2pack.manifest.layout.member_checks import member_faults
from qa2pack.manifest.layout.survey import Node
from qa2pack.manifest.layout.write import written_paths
from qa2pack.manifest.path import is_within
from qa2pack.manifest.plan.obstacles import enclosing_package
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, Problem

# What the origin, or a folder in it, may be in place of one scheduling block.
OTHER_KINDS = (Code.W_DEEPER_SB, Code.W_OTHER_DELIVERY)


def with_checks(
    placement: Placement, request: PlanRequest, origin: Node, choice: Choice, columns: Mapping[bytes, Sequence[str]]
) -> Placement:
    """Return the placement with the warnings of all checks."""
    found = completeness_warnings(origin, choice, placement.drafts, columns=columns, package=request.package)
    others = other_delivery(origin, choice.layout.checks, request.exclude)
    placed = (warning for warning in placement.warnings if not _is_inside(warning, others))
    read = partial(read_source, request.origin, placement)
    faults = member_faults(choice.layout.checks, member_paths(placement, choice), read)
    warnings = (*_made_package(request.origin), *found, *placed, *faults.warnings)
    return replace(
        placement,
        problems=(*placement.problems, *faults.problems),
        warnings=tuple(_located(request.origin, warning) for warning in warnings),
    )


def member_paths(placement: Placement, choice: Choice) -> set[bytes]:
    """Return the paths of all files and whole trees that the member will have."""
    taken = {item.path for item in placement.items}
    readme = {README} if choice.layout.has_readme else set()
    return taken.union(written_paths(choice.layout.writes, choice.common_values, taken), readme)


def read_source(origin: bytes, placement: Placement, path: bytes) -> bytes:
    """Return what the file has that goes to a path of the member; a file that was moved is in a package."""
    source = next((item.source for item in placement.items if item.path == path), None)
    if source is None:
        raise FileNotFoundError(errno.ENOENT, "is written by the layout")
    return read_control(real_path(os.path.join(origin, source)), limit_bytes=LARGE_BYTES)


def _is_inside(warning: Problem, others: Sequence[bytes]) -> bool:
    """Return whether it is about blocks inside another kind of delivery, which has a warning of its own."""
    is_of_blocks = warning.code in (Code.W_DEEPER_SB, Code.W_NESTED_EB)
    return is_of_blocks and any(is_within(warning.path, other) for other in others)


def _located(origin: bytes, warning: Problem) -> Problem:
    return replace(warning, path=os.path.join(origin, warning.path)) if warning.code in OTHER_KINDS else warning


def _made_package(origin: bytes) -> Iterator[Problem]:
    """Yield a warning if the origin is a package with its control folder beside it, or a folder inside a package."""
    control = Package(origin).control
    around = control if is_control(control) else enclosing_package(Package(origin))
    if around is not None:
        yield Problem(Code.W_OTHER_DELIVERY, around, found="a package that was made already")
