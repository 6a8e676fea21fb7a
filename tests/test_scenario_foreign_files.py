"""Files of other programs in the origin: left out and listed wherever they lie, also inside tables."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.layout.include import Include
from qa2pack.manifest.layout.known_foreign import KNOWN
from qa2pack.manifest.layout.load import known_layouts, load_layout
from qa2pack.manifest.problem import Refused
from support.commands import ROOT, run_here
from support.in_process import UID, Delivery, add_measurement_sets, age
from support.measurement_sets import Recipe, Shared, write_measurement_set
from support.stock_origins import first_place, make_stock_origin
from support.trees import make_tree

TABLE = f"X8c/{UID}.ms.split"
LEFT_BEHIND = [
    ".Trash-1000/files/thrown-away.fits\t3",
    ".ipynb_checkpoints/scriptForImaging-checkpoint.py",
    "lost+found/#4711.fits",
    ".git/scriptForImaging.py",
    "__MACOSX/good.fits",
    "._good.fits",
    "#good.fits#",
    "notes.fits~",
    "X8c/qa2/._qa2_part1.png",
    "X8c/.Trash-1000/files/x.fits",
    f"{TABLE}/.nfs000000000123abcd",
    f"{TABLE}/._table.dat",
    f"{TABLE}/table.f1~",
    f"{TABLE}/SPECTRAL_WINDOW/.DS_Store",
    f"{TABLE}/.Trash-1000/files/table.dat",
    f"{TABLE}/.#table.dat -> somebody@machine.4711:1353000000",
    ".#notes.txt -> somebody@machine.4711:1353000000",
    "X8c/.#scriptForImaging.py -> somebody@machine.4711:1353000000",
]
# A folder is one line of what is left out.
_INSIDE = ("/files/", "checkpoints/", "lost+found/", ".git/", "__MACOSX/")


def _names(folder: Path) -> set[str]:
    return {
        os.path.relpath(os.path.join(above, name), folder) for above, _, names in os.walk(folder) for name in names
    }


def _reported(lines: list[str]) -> set[str]:
    names = {line.partition(" -> ")[0].partition("\t")[0] for line in lines}
    folders = {name for name in names if any(part in name for part in _INSIDE)}
    return (names - folders) | {name.rpartition("/files/")[0] or os.path.dirname(name) for name in folders}


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY, Mode.MOVE, Mode.FAKE])
def test_files_of_other_programs_do_not_get_into_the_package(delivery: Delivery, mode: Mode) -> None:
    add_measurement_sets(delivery.origin)
    delivery.make(mode)
    before = _names(delivery.member)
    make_tree(delivery.origin, LEFT_BEHIND)
    delivery.make(mode)
    assert _names(delivery.member) == before


def test_files_of_other_programs_are_listed_with_a_reason(delivery: Delivery) -> None:
    add_measurement_sets(delivery.origin)
    before = delivery.made().notes.left_out
    make_tree(delivery.origin, LEFT_BEHIND)
    reported = [left for left in delivery.made().notes.left_out if left not in before]
    assert {os.fsdecode(left.path) for left in reported} == _reported(LEFT_BEHIND)
    assert len(reported) == len({left.path for left in reported})
    assert all(left.reason and "rule of layout" not in left.reason for left in reported)


def test_include_with_a_wildcard_does_not_reach_files_of_other_programs(delivery: Delivery) -> None:
    make_tree(delivery.origin, ["._good.fits", "kept.fits~"])
    delivery.make(include=(Include("*.fits*", "product"), Include("kept.fits~", "product")))
    assert not (delivery.member / "product/._good.fits").exists()
    assert (delivery.member / "product/kept.fits~").exists()


_IN_ONE = Recipe(shared=(Shared("StandardStMan", ("DATA", "MODEL_DATA", "CORRECTED_DATA")),))


@pytest.mark.parametrize("recipe", [Recipe(), _IN_ONE], ids=["files", "whole"])
def test_files_of_the_user_in_a_table_are_packaged_however_it_is_split(delivery: Delivery, recipe: Recipe) -> None:
    """A name like those of the table's own files does not make them part of the table, which is written anew."""
    write_measurement_set(delivery.origin / TABLE, recipe)
    managers = [path.name for path in (delivery.origin / TABLE).glob("table.f*")]
    names = {"notes.txt", "table.notes.txt", "table.png", *(f"{name}.bak" for name in managers)}
    make_tree(delivery.origin, [f"{TABLE}/{name}\t7" for name in names])
    age(delivery.origin)
    delivery.make(Mode.COPY)
    packaged = delivery.member / f"raw/{UID}.ms.split"
    for name in names:
        assert (packaged / name).read_bytes() == (delivery.origin / TABLE / name).read_bytes()
    assert delivery.problems() == []


def test_what_casacore_writes_is_no_file_of_another_program() -> None:
    layout = load_layout("cycle0")
    names = [b"table.dat", b"table.info", b"table.lock", b"table.f0", b"table.f0i", b"table.f12_TSM1", b"table.mf"]
    assert not any(layout.why_foreign(name) for name in [*names, b"SORTED_TABLE", b"POINTING", b".casa", b"x.png"])


# One of each kind, with endings that rules take: `manual` is in the names of images that are made by hand.
_OF_EACH_KIND = [
    *(
        ".Trash-1000/files/manual.fits",
        "lost+found/manual.fits",
        ".snapshot/hourly/manual.fits",
        ".nfs0001.manual.fits",
    ),
    *("._x.manual.fits", ".#x.manual.fits", "x.manual.fits~", ".x.manual.fits.swp", "#x.manual.fits#"),
    *(".ipynb_checkpoints/manual.fits", "__pycache__/manual.fits", ".DS_Store", "Thumbs.db", "x.manual.fits.part"),
    *(".git/manual.fits", ".svn/manual.fits", ".hg/manual.fits", ".git-annex/manual.fits"),
    *(".stversions/manual.fits", ".dropbox.cache/manual.fits", ".qa2pack.manual.fits"),
]


@pytest.mark.parametrize("layout", known_layouts())
def test_layouts_that_come_with_the_program_leave_out_the_same_files_of_other_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], layout: str
) -> None:
    origin, words = make_stock_origin(tmp_path / "origin", layout)
    make_tree(first_place(origin, layout), [f"{path}\t9" for path in _OF_EACH_KIND])
    age(origin)
    package = tmp_path / "2017.1.01185.S"
    assert run_here(capsys, "plan", origin, package, *words).code == 0
    assert run_here(capsys, "apply", package).code == 0
    packaged = {name for path in _names(package) for name in path.split("/")}
    foreign = {path.partition("/")[0] for path in _OF_EACH_KIND}
    assert any(name.endswith(".fits") for name in packaged - foreign)
    assert packaged & foreign == (foreign - {".qa2pack.manual.fits"} if layout == "as-is" else set())


@pytest.mark.parametrize("text", ["", "foreign = true", '[[foreign]]\nglobs = ["*.bak"]\nreason = "ours"'])
def test_layout_leaves_out_what_the_program_knows_beside_its_own(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'{text}\n[[place]]\nname = "top"\n')
    layout = load_layout(str(path))
    assert layout.why_foreign(b".git") and bool(layout.why_foreign(b"x.bak")) == ("bak" in text)


def test_every_name_that_is_known_is_on_the_page() -> None:
    page = (ROOT / "docs/layout.md").read_text()
    assert [glob for each in KNOWN for glob in each.globs if f"`{glob}`".replace("\r", "\\r") not in page] == []
    assert [each.reason for each in KNOWN if each.reason not in page] == []


@pytest.mark.parametrize("text", ['globs = ["*~"]', 'reason = "no"', 'globs = ["*~"]\nreason = "no"\nrole = "qa"'])
def test_a_list_of_other_programs_that_is_not_understood_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'block_marks = ["{{uid}}.ms"]\n[[foreign]]\n{text}\n')
    with pytest.raises(Refused):
        load_layout(str(path))
