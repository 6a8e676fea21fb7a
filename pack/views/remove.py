"""View of `pack remove`: what was removed, and how it comes back."""

from collections.abc import Iterator
from functools import partial

from qa2pack.executor.apply import Applied
from qa2pack.manifest.alma.member_ids import member_words
from qa2pack.manifest.fs.presence import is_there
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.json_fields import path_fields
from qa2pack.pack.views.kept import kept_lines
from qa2pack.pack.views.view import View


def remove_view(result: Applied, target: Target) -> View:
    """Return the view of a removal."""
    return View(
        lines=partial(removed_lines, result, target),
        fields=lambda: {
            **path_fields("package", target.package.path),
            **path_fields("member", result.member),
            "kept_bytes": result.kept_bytes,
        },
    )


def removed_lines(result: Applied, target: Target, style: Style) -> Iterator[str]:
    """Yield what was removed; also for `pack apply`, where a removal that was stopped goes on."""
    tickets = "; the ticket files are made again" if any(map(is_there, target.package.tickets)) else ""
    yield f"{style.good('Removed')}: {member_words(result.member)}{tickets}"
    yield from kept_lines(result, target, style)
