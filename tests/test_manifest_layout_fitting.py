"""Layouts that fit: those that come with the program and find all folders that they need in an origin."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.layout.fitting import fitting_layouts
from qa2pack.manifest.layout.load import known_layouts
from qa2pack.manifest.problem import Code, Problem, Refused
from support.in_process import Delivery, make_reduction
from support.layouts import OTHER, with_layout
from support.trees import make_tree

RUN = ("pipeline-2026/html/index.html", "a.fits")


def refusal(delivery: Delivery, layout: str = "cycle0") -> list[Problem]:
    with pytest.raises(Refused) as refused:
        delivery.made(Mode.FAKE, layout=layout)
    return [problem for problem in refused.value.problems if problem.code in (Code.NO_PLACE, Code.LAYOUT_FITS)]


def test_plan_without_a_needed_place_names_the_layout_whose_places_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_layout(tmp_path / "layouts", monkeypatch)
    make_tree(tmp_path / "origin", RUN)
    missing, fits = refusal(Delivery(tmp_path / "origin", tmp_path / "2011.0.00229.S"))
    assert (missing.code, str(missing.expected).partition(":")[0]) == (Code.NO_PLACE, "execution block")
    assert fits == Problem(Code.LAYOUT_FITS, b"runs", found="pipeline run (1 folder)")


def test_plan_by_a_layout_file_names_cycle0(tmp_path: Path) -> None:
    origin = make_reduction(tmp_path / "sb1")
    (tmp_path / "mine.toml").write_text(OTHER)
    missing, *fits = refusal(Delivery(origin, tmp_path / "2011.0.00229.S"), layout=str(tmp_path / "mine.toml"))
    assert missing.expected == "pipeline run: a folder that holds pipeline-*"
    assert Problem(Code.LAYOUT_FITS, b"cycle0", found="execution block (1 folder)") in fits


@pytest.mark.parametrize(
    ("text", "besides", "names"),
    [
        (OTHER, "cycle0", ["runs"]),
        (OTHER, "runs", []),
        (OTHER.replace("needed = true", ""), "cycle0", []),
        (OTHER + '[[place]]\nname = "raw"\ninside = "run"\npath = "raw"\nneeded = true\n', "cycle0", []),
    ],
    ids=["others", "not-the-one-that-was-tried", "not-one-that-needs-nothing", "not-one-of-which-a-place-is-missing"],
)
def test_layouts_that_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, besides: str, names: list[str]
) -> None:
    with_layout(tmp_path / "layouts", monkeypatch, text)
    assert known_layouts() == ("cycle0", "runs")
    make_tree(tmp_path / "origin", RUN)
    fitting = fitting_layouts(os.fsencode(tmp_path / "origin"), besides=besides)
    assert [os.fsdecode(problem.path) for problem in fitting] == names


def test_bundle_fits_one_layout_and_not_that_of_any_folder(tmp_path: Path) -> None:
    make_tree(tmp_path / "origin", ["bundle_x.xml", "data/collection_data.xml"])
    missing, fits = refusal(Delivery(tmp_path / "origin", tmp_path / "2011.0.00229.S"))
    assert missing.code is Code.NO_PLACE
    assert fits == Problem(Code.LAYOUT_FITS, b"pds4", found="PDS4 bundle (1 folder)")


def test_any_folder_fits_no_layout_that_comes_with_the_program(tmp_path: Path) -> None:
    make_tree(tmp_path / "origin", ["notes.txt", "data/a.fits"])
    (missing,) = refusal(Delivery(tmp_path / "origin", tmp_path / "2011.0.00229.S"))
    assert missing.code is Code.NO_PLACE


def test_folder_that_another_layout_enters_is_no_place_of_one_that_takes_it_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = '[[rule]]\nkind = "tree"\nmatch = "old"\nnever = "old runs"\n'
    deep = OTHER.replace("needed = true", 'needed = true\npath = "**"')
    with_layout(tmp_path / "layouts", monkeypatch, deep + whole)
    make_tree(tmp_path / "origin", ["old/1/pipeline-2026/a.fits", "new/a.fits"])
    origin = os.fsencode(tmp_path / "origin")
    assert list(fitting_layouts(origin, besides="as-is")) == []
    (tmp_path / "origin/old").rename(tmp_path / "origin/older")
    (fits,) = fitting_layouts(origin, besides="as-is")
    assert fits.path == b"runs"


def test_each_folder_is_listed_once_for_all_layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tree(tmp_path / "origin", ["a/b/1.dat", "a/c/2.dat", "d/3.dat"])
    origin, listed, scandir = os.fsencode(tmp_path / "origin"), list[bytes](), os.scandir

    def counted(path: bytes) -> object:
        listed.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    assert len(known_layouts()) > 3
    assert list(fitting_layouts(origin, besides="as-is")) == []
    inside = [os.path.relpath(path, origin) for path in listed if os.fsencode(path).startswith(origin)]
    assert sorted(inside) == [b".", b"a", b"a/b", b"a/c", b"d"]
