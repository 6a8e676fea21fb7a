"""Fitting layouts: which of those that come with the program find all folders that they need in an origin.

Only names are read: one survey for each layout, which enters what its rules do not take as a whole.
"""

from collections.abc import Iterator

from qa2pack.manifest.humanize import counted
from qa2pack.manifest.layout.find_places import Place, PlacesFound
from qa2pack.manifest.layout.load import known_layouts, load_layout
from qa2pack.manifest.layout.place import choose
from qa2pack.manifest.layout.survey import survey
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
    for name in known_layouts():
        if name == besides:
            continue
        layout = load_layout(name)
        needed = [place for place in layout.places if place.is_needed]
        if not needed:
            continue
        tree = survey(origin, opaque=layout.is_opaque, follow_outside=follow_outside)
        places = choose(tree, layout, origin_path=origin).places
        if all(places.has(place) for place in needed):
            found = ", ".join(_counted(place, places) for place in needed)
            yield Problem(Code.LAYOUT_FITS, name.encode(), found=found)


def _counted(place: Place, places: PlacesFound) -> str:
    """Return how many folders are the place, in words: the plural of a name from a layout is not known."""
    count = sum(folder.place is place for folder in places.folders.values())
    return f"{place.what} ({counted(count, 'folder')})"
