"""Which variables an origin gives several values, though a package has one."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.place import choose
from qa2pack.manifest.layout.several_values import several_values
from qa2pack.manifest.layout.survey import survey
from support.trees import make_tree

TREE = ("night_1/a.ms/table.dat", "night_1/x", "night_2/b.ms/table.dat", "night_2/x", "c/c.ms/t", "d/d.ms/t")


def found(folder: Path, place: str, to: str) -> dict[str, dict[bytes, bytes]]:
    """Return the variable with its values and the folders that have them, by a layout with one place and one rule."""
    path = folder / "mine.toml"
    top = '[variable.night]\n[variable.ms]\n[[folder]]\nname = "raw"\n[[rule]]\nmatch = "*"\n'
    path.write_text(f'{top}to = "{to}"\n[[place]]\nname = "eb"\n{place}\n')
    layout, origin = load_layout(str(path)), os.fsencode(make_tree(folder / "run", TREE))
    choice = choose(survey(origin, opaque=layout.is_opaque), layout, origin_path=origin)
    several = several_values(layout, choice.places)
    return {several.variable: dict(several.folders)} if several else {}


@pytest.mark.parametrize(
    ("place", "to"),
    [
        ('path = "night_{night}"', "raw/{night}/{name}"),
        ('path = "night_{night}"\nneeded = true', "raw/{name}"),
        ('path = "night_{night}/**"', "raw/{night}/{name}"),
        ('path = "*"\nnamed = "night_{night}"', "raw/{night}/{name}"),
    ],
    ids=["target", "needed", "any-depth", "own-name"],
)
def test_names_of_folders_that_decide_what_is_packaged_have_one_value(tmp_path: Path, place: str, to: str) -> None:
    assert found(tmp_path, place, to) == {"night": {b"1": b"night_1", b"2": b"night_2"}}


@pytest.mark.parametrize(
    ("place", "to"),
    [
        ('path = "night_{night}"', "raw/{name}"),
        ('path = "night_*"', "raw/{eb}/{name}"),
        ('path = "*"\nmarked_by = "{ms}.ms"\nneeded = true', "raw/{ms}/{name}"),
        ('path = "{night}"\nmarked_by = "{night}.ms"\nneeded = true', "raw/{night}/{name}"),
    ],
    ids=["unused", "name-of-place", "mark", "mark-and-path"],
)
def test_names_that_differ_from_file_to_file_may_have_several(tmp_path: Path, place: str, to: str) -> None:
    assert found(tmp_path, place, to) == {}
