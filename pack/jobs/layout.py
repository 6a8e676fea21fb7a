"""Layout: the work of finding the rules of a layout."""

from qa2pack.manifest.layout.load import known_layouts, layout_text
from qa2pack.manifest.problem import Code, Problem, Refused


def layout(name: str) -> str:
    """Return the text of a layout that comes with the program.

    Raises:
        Refused: there is no layout of this name.
    """
    if name not in known_layouts():
        raise Refused(Problem(Code.UNKNOWN_LAYOUT, name.encode(), ", ".join(known_layouts())))
    return layout_text(name)
