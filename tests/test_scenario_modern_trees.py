"""Trees of later packages: every sure line of what is expected of them is met by a layout file alone."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from make_pipeline_run import FIRST_RUN, PIPELINE_PROJECT, RUNS, make_pipeline_runs

from qa2pack.manifest.layout.item import Placement
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.place import choose, place
from qa2pack.manifest.layout.survey import survey
from support.commands import run_here
from support.trees import DATA, make_tree

RUN = "2016.1.01435.S_2017_01_17T23_34_44.000"
MOUS = f"{RUN}/SOUS_uid___A001_X87c_X67/GOUS_uid___A001_X87c_X68/MOUS_uid___A001_X87c_X69"
PIPELINE_HEIGHTS = (RUN, MOUS.rpartition("/GOUS")[0], MOUS.rpartition("/")[0], MOUS)
TREES = {
    **{("pipeline_cycle4_2eb", origin): "alma-pipeline" for origin in PIPELINE_HEIGHTS},
    ("pds4_bundle", "mission_bundle"): "pds4",
}


def placed(tree: str, origin: str, layout_name: str, folder: Path) -> Placement:
    """Place the tree of this name, with the folder in it that is the origin."""
    make_tree(folder, (DATA / f"{tree}.txt").read_text().splitlines())
    own = DATA / "layouts" / f"{layout_name}.toml"
    layout = load_layout(str(own) if own.exists() else layout_name)
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


@pytest.mark.parametrize("mode", ["fake", "hard"])
@pytest.mark.parametrize("origin", PIPELINE_HEIGHTS)
def test_run_of_a_pipeline_is_packaged_with_what_is_written_and_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str, origin: str
) -> None:
    lines = (DATA / "pipeline_cycle4_2eb.txt").read_text().splitlines()
    make_tree(tmp_path, (line.partition("\t")[0] + ("\t7" if "\t" in line else "") for line in lines))
    (tmp_path / "pi.py").write_text("for the PI")
    package = tmp_path / "2016.1.01435.S"
    words = (
        tmp_path / origin,
        package,
        "--layout",
        "alma-pipeline",
        "--mode",
        mode,
        "--set",
        f"piscript={tmp_path}/pi.py",
    )
    assert run_here(capsys, "plan", *words).code == 0
    assert run_here(capsys, "apply", package).code == 0
    assert run_here(capsys, "verify", package).code == 0
    uids = (part.split("_", 1) for part in MOUS.split("/")[1:])
    goal, group, name = (uid for _, uid in uids)
    member = package / f"science_goal.{goal}/group.{group}/member.{name}"
    found = {str(path.relative_to(member)) for path in member.rglob("*") if path.is_file()}
    sure = {target for _, target in expected("pipeline_cycle4_2eb") if target != "-"}
    doubtful = {
        "script/casa_pipescript.py",
        "script/casa_piperestorescript.py",
    }  # their names are not sure
    assert found - doubtful == sure | {"README", "script/scriptForPI.py", "script/scriptForImaging.py"}
    assert (member / "script/scriptForImaging.py").read_bytes() == b""
    if mode == "hard":
        assert (member / "script/scriptForPI.py").read_text() == "for the PI"


def test_run_of_a_later_cycle_is_packaged_as_its_manifest_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_pipeline_runs(tmp_path)
    words = (tmp_path / PIPELINE_PROJECT, "--layout", "alma-pipeline", "--mode", "hard", "--strict")
    for run in RUNS:
        planned = run_here(capsys, "plan", tmp_path / run, *words)
        assert planned.code == 0, planned.err
        assert run_here(capsys, "apply", tmp_path / PIPELINE_PROJECT).code == 0
    assert run_here(capsys, "verify", tmp_path / PIPELINE_PROJECT).code == 0
    (next((tmp_path / FIRST_RUN).rglob("*.weblog.tgz"))).unlink()
    lacking = run_here(capsys, "plan", tmp_path / FIRST_RUN, *words)
    assert lacking.code == 1 and "weblog.tgz" in lacking.err


def test_default_layout_names_that_of_the_pipeline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_pipeline_runs(tmp_path)
    refused = run_here(capsys, "plan", tmp_path / FIRST_RUN, tmp_path / PIPELINE_PROJECT)
    assert refused.code == 1
    assert "layout-fits" in refused.err and "alma-pipeline" in refused.err
