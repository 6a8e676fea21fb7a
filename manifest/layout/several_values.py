"""Several values: an origin that holds more units than a package is made of, such as a run with three observations.

A variable that paths of places fix, and that the layout puts into names or needs to find its files, has one value in
a package: what several folders hold would be mixed otherwise. Not meant are variables that marks or names of files
fix, and names of places: these differ from file to file on purpose.
"""

from collections.abc import Mapping

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.find_places import ANY_DEPTH, PlaceFolder, PlacesFound
from qa2pack.manifest.layout.patterns import Patterns
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem, Remedy

_CORRECTION = (
    "Or, if all of them belong into one package, write {{{variable}}} as * in the path of the place {place} of the "
    "layout, and in targets {{{place}}}, the name of the folder."
)


@dataclass(frozen=True, slots=True)
class Several:
    """A variable with several values.

    Attributes:
        folders: by value, sorted, the first folder that fixes it, relative to the origin.
    """

    variable: str
    folders: Mapping[bytes, bytes]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """A problem for each value; its path is what --set takes."""
        expected = f"one value of {self.variable}"
        return tuple(
            Problem(Code.SEVERAL_VALUES, b"%b=%b" % (self.variable.encode(), value), expected, shown(folder))
            for value, folder in self.folders.items()
        )


def several_values(layout: Layout, places: PlacesFound) -> Several | None:
    """Return the variable that has the most values, if one has several; that fixes others on the way to it, too."""
    found: dict[str, dict[bytes, bytes]] = {}
    single = _single(layout)
    fixed = {place.name: place.path_pieces & single for place in layout.places}
    if not any(fixed.values()):
        return None  # most layouts: an origin may have many folders
    for _, folder in sorted(places.folders.items()):
        for variable in fixed[folder.place.name]:
            found.setdefault(variable, {}).setdefault(folder.values[variable][0], _where_fixed(folder, variable))
    most = max(sorted(found), key=lambda variable: len(found[variable]), default=None)
    if most is None or len(found[most]) == 1:
        return None
    folders = dict(sorted(found[most].items()))
    return Several(most, folders)


def in_one_package(several: Several, layout: Layout) -> tuple[Remedy, ...]:
    """Return how a layout is corrected in which the variable should differ from file to file.

    Nothing for a variable of the tree, of which a member has one value.
    """
    if several.variable in layout.tree.variables:
        return ()
    names = [
        place.name for place in layout.places if place.steps and several.variable in _pieces_of_name(place.steps[-1])
    ]
    return tuple(Remedy(_CORRECTION.format(variable=several.variable, place=name)) for name in names)


def _pieces_of_name(step: Patterns | None) -> frozenset[str]:
    return step.pieces if step else frozenset()


def _single(layout: Layout) -> frozenset[str]:
    """Return the variables that have one value in a package, if paths fix them."""
    targets = (rule.target_variables for rule in (*layout.rules, *layout.included))
    needed = (piece for place in layout.places if place.is_needed for piece in place.path_pieces)
    return frozenset().union(*targets, needed, layout.tree.variables) - layout.fixed_by_marks


def _where_fixed(folder: PlaceFolder, variable: str) -> bytes:
    """Return the folder on the way to a place whose name fixes the variable; the place if that is not known."""
    steps = folder.place.steps
    fixing = (number for number, step in enumerate(steps, 1) if step and variable in step.pieces)
    last = max(fixing, default=len(steps))  # none: its own name fixes it
    if ANY_DEPTH in steps[last:]:
        return folder.path
    return b"/".join(folder.path.split(b"/")[: last - len(steps) or None])
