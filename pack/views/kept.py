"""Lines on what was replaced or removed: whether it is kept, the space it takes, and how it comes back."""

from collections.abc import Iterator, Sequence

from qa2pack.executor.apply import Applied
from qa2pack.manifest.humanize import human_bytes
from qa2pack.manifest.problem import Problem
from qa2pack.pack.errors.problem_view import problem_lines
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style


def left_out_lines(result: Applied, target: Target, style: Style) -> Iterator[str]:
    """Yield which files of other members are not in the ticket files, because they are not as packaged."""
    if result.left_out:
        yield style.warning("Not as packaged in other members, so left out of the ticket files until that is mended:")
        yield from problem_lines(result.left_out, target, style, has_remedies=False)


def kept_lines(
    result: Applied, target: Target, style: Style, rollback_problems: Sequence[Problem] = ()
) -> Iterator[str]:
    """Yield whether what was replaced is kept, and how it comes back, or why a rollback would be refused."""
    if result.kept_bytes is None:
        yield "What was there before is not kept: there is no rollback of this."
        return
    if rollback_problems:
        yield style.warning("What was there before is kept until the next apply, but a rollback would be refused:")
        yield from problem_lines(rollback_problems, target, style, has_remedies=False)
        return
    space = f"takes {human_bytes(result.kept_bytes)}" if result.kept_bytes else "takes no space"
    yield f"What was there before is kept until the next apply, and {space}. To bring it back:"
    yield f"  {style.bold(f'pack rollback {target.quoted}')}"
