"""Notes about members that have a manifest and no folder, beside what is delivered of a package."""

from collections.abc import Iterable, Iterator

from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Problem
from qa2pack.pack.terminal.style import folded, unbroken


def lost_notes(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield the note, and the path of each problem; nothing where there is none.

    Args:
        problems: of the lost members: what is in their place, or that nothing is.
    """
    paths = sorted({problem.path for problem in problems})
    if paths:
        yield from folded(
            f"Note: another member of the package is missing; {unbroken('pack verify')} says what to do:"
        )
        yield from (f"  {shown(path)}" for path in paths)
