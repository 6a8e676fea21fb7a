"""Fitting layouts: which of those that come with the program find all folders that they need in an origin.

Only names are read, once for all layouts: the survey enters what one of them does not take as a whole, and each
layout looks at its own part of it.
"""

from collections.abc import Iterator

from qa2pack.manifest.humanize import counted
from qa2pack.manifest.layout.find_places import Place, PlacesFound, find_places
from qa2pack.manifest.layout.load import known_layouts, load_layout
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.layout.survey import Node, survey
from qa2pack.manifest.problem import Code, Problem


def fitting_layouts(origin: bytes, *, besides: str, follow_outside: bool = False) -> Iterator[Problem]:
    """Yield a problem for each other layout whose needed places are there; its path is the name of the layout.

    A layout that needs no place is not named: it would fit every folder.

    Args:
        origin: absolute path.
        besides: name or path of the layout that was tried already.

    Raises:
        Refused: the origin cannot be read.
    """
    others = (load_layout(name) for name in known_layouts() if name != besides)
    asking = [layout for layout in others if any(place.is_needed for place in layout.places)]
    if not asking:
        return
    tree = survey(
        origin,
        opaque=lambda name: all(layout.is_opaque(name) for layout in asking),
        follow_outside=follow_outside,
    )
    for layout in asking:
        places = _places(tree, layout, origin)
        needed = [place for place in layout.places if place.is_needed]
        if all(places.has(place) for place in needed):
            found = ", ".join(_counted(place, places) for place in needed)
            yield Problem(Code.LAYOUT_FITS, layout.name.encode(), found=found)


def _places(tree: Node, layout: Layout, origin: bytes) -> PlacesFound:
    """Return the places of a layout in a survey that may have entered more than this layout does."""
    return find_places(
        tree,
        layout.places,
        origin_path=origin,
        is_wanted=lambda path: not layout.is_opaque(path.rpartition(b"/")[2]),
    )


def _counted(place: Place, places: PlacesFound) -> str:
    """Return how many folders are the place, in words: the plural of a name from a layout is not known."""
    count = sum(folder.place is place for folder in places.folders.values())
    return f"{place.what} ({counted(count, 'folder')})"
