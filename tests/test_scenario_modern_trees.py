"""Trees of later packages: every sure line of what is expected of them is met by a layout file alone."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from qa2pack.manifest.layout.item import Placement
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.place import choose, place
from qa2pack.manifest.layout.survey import survey
from support.trees import DATA, make_tree

RUN = "2016.1.01435.S_2017_01_17T23_34_44.000"
MOUS = f"{RUN}/SOUS_uid___A001_X87c_X67/GOUS_uid___A001_X87c_X68/MOUS_uid___A001_X87c_X69"
TREES = {
    ("pipeline_cycle4_2eb", RUN): "alma-pipeline",
    ("pipeline_cycle4_2eb", MOUS): "alma-pipeline",
    ("pds4_bundle", "mission_bundle"): "pds4",
}


def placed(tree: str, origin: str, layout_name: str, folder: Path) -> Placement:
    """Place the tree of this name, with the folder in it that is the origin."""
    make_tree(folder, (DATA / f"{tree}.txt").read_text().splitlines())
    layout = load_layout(str(DATA / "layouts" / f"{layout_name}.toml"))
    path = os.fsencode(folder / origin)
    nodes = survey(path, opaque=layout.is_opaque)
    return place(nodes, choose(nodes, layout, origin_path=path), {})


def expected(tree: str) -> Iterator[tuple[str, str]]:
    """Yield the sources of the tree with their destinations, `-` for none, where these are sure."""
    for line in (DATA / f"{tree}.expected.txt").read_text().splitlines():
        source, target, *more = line.split("\t")
        if not source.startswith("@") and more[:1] != ["?"]:
            yield source, target


def destinations(placement: Placement, origin: str) -> Mapping[str, str]:
    taken = {os.fsdecode(item.source): os.fsdecode(item.path) for item in placement.items}
    left = {os.fsdecode(left.path): "-" for left in placement.left_out}
    return {f"{origin}/{source}": target for source, target in {**left, **taken}.items()}


@pytest.mark.parametrize(("tree", "origin"), TREES)
def test_every_sure_line_is_met(tmp_path: Path, tree: str, origin: str) -> None:
    placement = placed(tree, origin, TREES[tree, origin], tmp_path)
    assert placement.problems == ()
    got = destinations(placement, origin)
    wanted = dict(expected(tree))
    assert {source: got.get(source) for source in wanted} == wanted


@pytest.mark.parametrize(("tree", "origin"), TREES)
def test_nothing_else_is_packaged(tmp_path: Path, tree: str, origin: str) -> None:
    placement = placed(tree, origin, TREES[tree, origin], tmp_path)
    lines = (DATA / f"{tree}.expected.txt").read_text().splitlines()
    named = {line.partition("\t")[0] for line in lines}
    packaged = {f"{origin}/{os.fsdecode(item.source)}" for item in placement.items}
    assert packaged <= named
