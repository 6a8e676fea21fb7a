"""View of `pack layout`: the rules as they are."""

from qa2pack.pack.views.view import View


def layout_view(text: str) -> View:
    """Return the view of the rules of a layout."""
    return View(lines=lambda _: text.splitlines(), fields=lambda: {"rules": text})
