"""Places of an origin: where they are found, at any height, and what they fix."""

import os
import time
from pathlib import Path

import pytest

from qa2pack.manifest.layout.find_places import PlacesFound, find_places
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.layout.survey import survey
from support.trees import make_tree

U, V, W = "uid___A001_X1_X1", "uid___A001_X1_X2", "uid___A001_X1_X3"
RUN = f"run/SOUS_{U}/GOUS_{V}/MOUS_{W}"
PIPELINE = """
[variable.sous]
like = "uid"
[variable.gous]
like = "uid"
[variable.mous]
like = "uid"
[[place]]
name = "products"
path = "SOUS_{sous}/GOUS_{gous}/MOUS_{mous}/products"
needed = true
[[place]]
name = "working"
path = "SOUS_{sous}/GOUS_{gous}/MOUS_{mous}/working"
"""
MARKED = """
[variable.uid]
like = "uid"
[[place]]
name = "top"
[[place]]
name = "eb"
path = "*"
marked_by = "{uid}.ms"
needed = true
prefix = "{uid}__"
[[place]]
name = "qa2"
inside = "eb"
path = "qa2"
[[place]]
name = "other"
path = "**"
"""


def layout_of(folder: Path, text: str) -> Layout:
    folder.mkdir(exist_ok=True)
    (folder / "mine.toml").write_text(text)
    return load_layout(str(folder / "mine.toml"))


def found(root: Path, text: str, *lines: str, origin: str = "", unwanted: bytes = b"") -> PlacesFound:
    """Make a tree with these lines, and find the places of the folder `origin` in it."""
    layout = layout_of(root / "layouts", text)
    make_tree(root / "data", lines)
    path = os.fsencode(root / "data" / origin)
    tree = survey(path, opaque=layout.is_opaque)
    return find_places(tree, layout.places, origin_path=path, is_wanted=lambda inner: inner != unwanted)


def names(places: PlacesFound) -> dict[str, str]:
    return {os.fsdecode(path): folder.place.name for path, folder in places.folders.items()}


@pytest.mark.parametrize(
    ("origin", "products"),
    [
        ("run", f"SOUS_{U}/GOUS_{V}/MOUS_{W}/products"),
        (f"run/SOUS_{U}", f"GOUS_{V}/MOUS_{W}/products"),
        (f"run/SOUS_{U}/GOUS_{V}", f"MOUS_{W}/products"),
        (RUN, "products"),
        (f"{RUN}/products", ""),
    ],
)
def test_origin_may_be_given_at_any_height(tmp_path: Path, origin: str, products: str) -> None:
    places = found(tmp_path, PIPELINE, f"{RUN}/products/a.fits", f"{RUN}/working/a.log", origin=origin)
    folder = places.folders[products.encode()]
    assert folder.place.name == "products" and folder.name == b"products"
    values = {name: folder.values[name] for name in ("sous", "gous", "mous")}
    assert values == {"sous": (U.encode(),), "gous": (V.encode(),), "mous": (W.encode(),)}


def test_height_at_which_nothing_needed_is_found_is_the_origin_itself(tmp_path: Path) -> None:
    places = found(tmp_path, PIPELINE, f"{RUN}/working/a.log", origin="run")
    assert names(places) == {f"SOUS_{U}/GOUS_{V}/MOUS_{W}/working": "working"}


NAMED = """
[variable.mous]
like = "uid"
[[place]]
name = "reduction"
named = ["{mous}", "*_{mous}"]
[[place]]
name = "other"
path = "**"
"""


@pytest.mark.parametrize("origin", [f"P_{U}", U, f"work/P_{U}"])
def test_name_of_the_origin_itself_fixes_a_variable(tmp_path: Path, origin: str) -> None:
    places = found(tmp_path, NAMED, f"{origin}/a/b.fits", origin=origin)
    assert names(places) == {"": "reduction", "a": "other"}
    assert places.folders[b""].values["mous"] == (U.encode(),)


@pytest.mark.parametrize("origin", ["P", f"{U}_P", f"P{U}"])
def test_folder_of_another_name_is_a_later_place(tmp_path: Path, origin: str) -> None:
    assert names(found(tmp_path, NAMED, f"{origin}/a/b.fits", origin=origin)) == {"": "other", "a": "other"}


def test_given_value_goes_before_the_name_of_the_folder(tmp_path: Path) -> None:
    layout = layout_of(tmp_path / "layouts", NAMED)
    path = os.fsencode(make_tree(tmp_path / f"P_{U}", ["a/b.fits"]))
    tree = survey(path, opaque=layout.is_opaque)
    for value, place in ((U, "reduction"), (V, "other")):
        given = {"mous": value.encode()}
        places = find_places(tree, layout.places, origin_path=path, is_wanted=lambda _: True, given=given)
        assert names(places)[""] == place


def test_value_that_is_not_like_its_variable_makes_no_place(tmp_path: Path) -> None:
    assert names(found(tmp_path, PIPELINE, f"SOUS_x/GOUS_{V}/MOUS_{W}/products/a.fits")) == {}


@pytest.mark.parametrize("keys", ['path = "U_{unit}"', 'path = "*"\nnamed = "U_{unit}"'])
def test_value_that_is_no_part_of_a_path_makes_no_place(tmp_path: Path, keys: str) -> None:
    text = f'[variable.unit]\n[[place]]\nname = "in"\n{keys}\n'
    assert names(found(tmp_path, text, "U_/a", "U_./a", "U_../a", "U_.a/a")) == {"U_.a": "in"}


def test_value_that_is_no_part_of_a_path_marks_no_place(tmp_path: Path) -> None:
    text = '[variable.unit]\n[[place]]\nname = "in"\npath = "*"\nmarked_by = "U_{unit}"\n'
    assert names(found(tmp_path, text, "W/U_", "X/U_.", "Y/U_..", "Z/U_.a")) == {"Z": "in"}


def test_variable_has_one_value_on_a_way(tmp_path: Path) -> None:
    text = '[variable.uid]\nlike = "uid"\n[[place]]\nname = "in"\npath = "{uid}/{uid}.d"\n'
    assert names(found(tmp_path, text, f"{U}/{U}.d/a", f"{U}/{V}.d/a")) == {f"{U}/{U}.d": "in"}


def test_marked_folder_is_closed_but_for_places_inside_it(tmp_path: Path) -> None:
    places = found(tmp_path, MARKED, f"X1/{U}.ms/table.dat", "X1/qa2/a", "X1/b/qa2/a", "c/qa2/a")
    assert names(places) == {"": "top", "X1": "eb", "X1/qa2": "qa2", "c": "other", "c/qa2": "other"}
    assert places.folders[b"X1/qa2"].values["uid"] == (U.encode(),)


def test_folder_is_the_first_place_that_it_can_be(tmp_path: Path) -> None:
    text = MARKED.replace('name = "top"', 'name = "top"\n[[place]]\nname = "first"\npath = "X*"')
    assert names(found(tmp_path, text, f"X1/{U}.ms/table.dat", f"Y1/{U}.ms/table.dat"))["X1"] == "first"


def test_most_frequent_value_of_the_marks_is_the_first(tmp_path: Path) -> None:
    text = MARKED.replace('"{uid}.ms"', '["{uid}.ms", "{uid}.py"]')
    folder = found(tmp_path, text, f"X1/{U}.ms", f"X1/{V}.ms", f"X1/{V}.py").folders[b"X1"]
    assert folder.values["uid"] == (V.encode(), U.encode())
    variables = layout_of(tmp_path / "layouts", text).variables
    assert folder.value_of("uid", f"{U}.log".encode(), variables) == U.encode()
    assert folder.value_of("uid", b"a.log", variables) == V.encode()


@pytest.mark.parametrize(
    ("path", "name"), [("a", b"a"), ("a/b", b"a__b"), ("X1", b"X1"), ("X1/qa2", b"qa2"), ("", b"data")]
)
def test_name_of_a_place_is_that_of_its_folder(tmp_path: Path, path: str, name: bytes) -> None:
    places = found(tmp_path, MARKED, f"X1/{U}.ms/table.dat", "X1/qa2/c", "a/b/c")
    assert places.folders[path.encode()].name == name


def test_step_of_any_depth_may_stand_in_the_middle(tmp_path: Path) -> None:
    text = '[[place]]\nname = "in"\npath = "**/run/**/products"\n'
    places = found(
        tmp_path, text, "run/products/a", "b/c/run/d/e/products/a", "products/a", "run/products/products/a"
    )
    assert set(names(places)) == {"run/products", "b/c/run/d/e/products", "run/products/products"}


def test_folder_that_is_not_wanted_is_no_place(tmp_path: Path) -> None:
    places = found(tmp_path, MARKED, f"X1/{U}.ms/table.dat", f"X2/{U}.ms/table.dat", unwanted=b"X1")
    assert set(names(places)) == {"", "X2"}


DEEP = "/".join(f"d{number}" for number in range(60))


@pytest.mark.parametrize("path", ["/".join(f"**/{{{word}}}" for word in "abcdefg") + "/x", "**/*/" * 20 + "x"])
def test_path_of_many_depths_is_followed_at_once(tmp_path: Path, path: str) -> None:
    variables = "".join(f'[variable.{word}]\nlike = "d*"\n' for word in "abcdefg")
    text = f'{variables}[[place]]\nname = "top"\n[[place]]\nname = "deep"\npath = "{path}"\n'
    begin = time.process_time()
    assert names(found(tmp_path, text, f"{DEEP}/file\t1")) == {"": "top"}
    assert time.process_time() - begin < 10


def test_variable_that_stands_twice_has_one_value_at_any_depth(tmp_path: Path) -> None:
    text = '[variable.a]\nlike = "d*"\n[[place]]\nname = "deep"\npath = "**/{a}/**/x_{a}"\n'
    places = found(tmp_path, text, "d1/d2/x_d2/file\t1", "d1/d2/x_d1/file\t1", "d1/d2/x_d3/file\t1")
    assert names(places) == {"d1/d2/x_d1": "deep", "d1/d2/x_d2": "deep"}
