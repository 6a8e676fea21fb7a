"""Views of `pack layout`: the rules as they are, and the list of the layouts."""

from collections.abc import Iterator, Sequence
from functools import partial

from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.path import shown
from qa2pack.pack.terminal.style import Style, folded
from qa2pack.pack.views.view import View


def layout_view(text: str) -> View:
    """Return the view of the rules of a layout."""
    return View(lines=lambda _: text.splitlines(), fields=lambda: {"rules": text})


def layouts_view(layouts: Sequence[Layout]) -> View:
    """Return the view of the layouts that come with the program: a line for each, folded where it is long."""
    return View(
        lines=partial(_lines, layouts),
        fields=lambda: {"layouts": [{"layout": each.name, "title": shown(each.title)} for each in layouts]},
    )


def _lines(layouts: Sequence[Layout], _: Style) -> Iterator[str]:
    width = max((len(each.name) for each in layouts), default=0)
    for each in layouts:
        yield from folded(shown(each.title), label=f"{each.name:<{width}}  ") if each.title else (each.name,)
