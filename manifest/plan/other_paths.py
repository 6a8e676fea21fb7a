"""Advice where the paths of a plan do not fit: the package lies in the reduction, or they are swapped."""

import os
import shlex
from collections.abc import Iterator, Sequence

from qa2pack.manifest.fs.presence import is_folder, is_there
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.mistaken_origin import scheduling_blocks
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.plan.obstacles import is_package
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, Problem, Remedy

_SWAPPED = (
    Remedy("Check the path, then plan again."),
    Remedy("If origin and package are swapped, for PACKAGE is a folder:", ("pack plan PACKAGE ORIGIN --mode MODE",)),
)
_MOST_NAMED = 20


def path_remedies(request: PlanRequest, problems: Sequence[Problem]) -> tuple[Remedy, ...]:
    """Return the commands that have the paths right; none if something else is wrong, or no path is known to fit.

    Raises:
        Refused: the layout is not known.
    """
    if request.is_compared:
        return ()
    match [problem.code for problem in problems]:
        case [Code.ORIGIN_MISSING] if _is_other_folder(request.package):
            return _SWAPPED
        case [Code.NESTED] if is_within(request.package, request.origin):
            return tuple(_outside(request))
    return ()


def _is_other_folder(path: bytes) -> bool:
    return is_folder(path) and not is_package(path) and bool(os.listdir(path))


def _outside(request: PlanRequest) -> Iterator[Remedy]:
    """Yield what to plan where the package lies in the origin."""
    beside = join(os.path.dirname(request.origin), os.path.basename(request.package))
    is_free = not (is_within(beside, request.origin) or is_there(beside))
    blocks = scheduling_blocks(request.origin, load_layout(request.layout))
    if blocks in ([], [request.origin]):
        if is_free:
            text = "Choose a destination outside the origin. Beside it:"
            yield Remedy(text, ("pack plan ORIGIN PATH --mode MODE",), beside)
        return
    is_in_block = any(is_within(request.package, block) for block in blocks)
    package = shlex.quote(os.fsdecode(beside)) if is_in_block else "PACKAGE"
    commands = (f"pack plan PATH {package} --append member --mode MODE", f"pack apply {package}")
    text = (
        "PATH is a scheduling block of its own. Plan each of them by itself, and apply its plan before the next one:"
    )
    yield from (Remedy(text, commands, block) for block in blocks[:_MOST_NAMED])
