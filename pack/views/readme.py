"""View of `pack readme`: the README as it is now."""

from collections.abc import Iterator
from functools import partial

from qa2pack.executor.apply import Applied
from qa2pack.manifest.alma.package import README
from qa2pack.manifest.alma.readme import blank_fields
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.path import join, shown
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style, folded
from qa2pack.pack.views.found_texts import found_text_lines, found_texts_of
from qa2pack.pack.views.json_fields import Fields, path_fields, problem_fields
from qa2pack.pack.views.kept import kept_lines, left_out_lines
from qa2pack.pack.views.signatures import unsigned_lines
from qa2pack.pack.views.view import View


def readme_view(result: Applied, target: Target) -> View:
    """Return the view of a README that was made again."""
    return View(lines=partial(_lines, result, target), fields=partial(_fields, result, target))


def _blank(result: Applied, target: Target) -> list[str]:
    manifest = target.opened.manifest(target.package.manifest(result.member))
    return [shown(name) for name in blank_fields(manifest.header.readme)]


def _fields(result: Applied, target: Target) -> Fields:
    return {
        **path_fields("package", target.package.path),
        **path_fields("member", result.member),
        "blank_fields": _blank(result, target),
        "kept_bytes": result.kept_bytes,
        "left_out": problem_fields(result.left_out),
        "unsigned": [path_fields("member", member) for member in result.unsigned],
        "left_texts": [path_fields("path", path) for path in found_texts_of([result.member], target)],
    }


def _lines(result: Applied, target: Target, style: Style) -> Iterator[str]:
    manifest = target.opened.manifest(target.package.manifest(result.member))
    if manifest.header.readme:
        tickets = " and the ticket files" if any(map(is_there, target.package.tickets)) else ""
        yield f"{style.good('Made again')}: README, with its manifest{tickets}"
        yield f"  {shown(join(target.package.member(result.member), README))}"
    else:
        yield f"{style.good('Made again')}: the texts of the layout; it has no README"
    if blank := _blank(result, target):
        yield from folded(f"still blank: {', '.join(blank)}", indent=2)
    yield from found_text_lines(found_texts_of([result.member], target), target, style)
    yield from left_out_lines(result, target, style)
    yield from unsigned_lines(result.unsigned, target, style)
    yield from kept_lines(result, target, style)
