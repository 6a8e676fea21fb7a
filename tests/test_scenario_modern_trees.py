"""Trees of later packages: every sure line of what is expected of them is met by a layout file alone."""

import gzip
import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from make_pipeline_run import FIRST_RUN, PIPELINE_PROJECT, RUNS, make_pipeline_runs
from pictures import fits_bytes

from qa2pack.manifest.bundle.form import Form, form_of
from qa2pack.manifest.layout.item import Item, Placement
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.place import choose, place
from qa2pack.manifest.layout.survey import survey
from support.commands import run_here
from support.trees import DATA, make_tree

RUN = "2016.1.01435.S_2017_01_17T23_34_44.000"
MOUS = f"{RUN}/SOUS_uid___A001_X87c_X67/GOUS_uid___A001_X87c_X68/MOUS_uid___A001_X87c_X69"
MANUAL = "2017.1.01185.S_uid___A001_X12a3_Xe9"
PIPELINE_HEIGHTS = (RUN, MOUS.rpartition("/GOUS")[0], MOUS.rpartition("/")[0], MOUS)
TREES = {
    **{("pipeline_cycle4_2eb", origin): "alma-pipeline" for origin in PIPELINE_HEIGHTS},
    ("manual_nopipe_4eb", MANUAL): "alma-manual",
    ("pds4_bundle", "mission_bundle"): "pds4",
}


def placed(tree: str, origin: str, layout_name: str, folder: Path) -> Placement:
    """Place the tree of this name, with the folder in it that is the origin."""
    make_tree(folder, (DATA / f"{tree}.txt").read_text().splitlines())
    layout = load_layout(layout_name)
    path = os.fsencode(folder / origin)
    nodes = survey(path, opaque=layout.is_opaque)
    return place(nodes, choose(nodes, layout, origin_path=path), {})


def expected(tree: str) -> Iterator[tuple[str, str]]:
    """Yield the sources of the tree with their destinations, `-` for none, where these are sure.

    A path in a bundle stands behind a `!`; a compressed file has the path of what it is when it is compressed.
    """
    for line in (DATA / f"{tree}.expected.txt").read_text().splitlines():
        source, target, *more = line.split("\t")
        if not source.startswith("@") and more[:1] != ["?"]:
            yield source.rstrip("/"), target.replace("!/", "!").rstrip("/")


def destinations(placement: Placement, origin: str) -> Mapping[str, str]:
    taken = {os.fsdecode(item.source): os.fsdecode(destination(item)) for item in placement.items}
    left = {os.fsdecode(left.path): "-" for left in placement.left_out}
    return {f"{origin}/{source}": target for source, target in {**left, **taken}.items()}


def destination(item: Item) -> bytes:
    """Return the path of an item as the lists of what is expected have it."""
    if not item.bundle:
        return item.path
    inside = item.path[len(item.bundle) + 1 :]
    return item.bundle if form_of(item.bundle) is Form.GZ else item.bundle + b"!" + inside


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
    named = {line.partition("\t")[0].rstrip("/") for line in lines}
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
    origin, package = tmp_path / FIRST_RUN, tmp_path / PIPELINE_PROJECT
    refused = run_here(capsys, "plan", origin, package, "--mode", "hard")
    assert (refused.code, "layout-fits" in refused.err) == (1, True)
    assert f"        pack plan {origin} {package} --mode hard --layout alma-pipeline\n" in refused.err


class ManualReduction:
    """A reduction by hand whose files have a few bytes, and the package that is made of it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        lines = (DATA / "manual_nopipe_4eb.txt").read_text().splitlines()
        make_tree(folder, (line.partition("\t")[0] + ("\t7" if "\t" in line else "") for line in lines))
        self.origin = folder / MANUAL
        for image in self.origin.rglob("*.fits"):
            image.write_bytes(fits_bytes(seed=1, side=8))  # else the plan warns that it is broken
        self.package = folder / "2017.1.01185.S"
        self.capsys = capsys

    def made(self, *more: str, mode: str = "hard", mous: str = "uid___A001_X12a3_Xe9") -> Path:
        """Plan and apply without a warning, and return the member of the MOUS."""
        goal, group = "uid___A001_X12a3_Xe7", "uid___A001_X12a3_Xe8"
        words = (self.origin, self.package, "--layout", "alma-manual", "--mode", mode, "--strict")
        planned = run_here(self.capsys, "plan", *words, "--set", f"sous={goal}", "--set", f"gous={group}", *more)
        assert planned.code == 0, planned.err
        for verb in ("apply", "verify"):
            assert run_here(self.capsys, verb, self.package).code == 0
        return self.package / f"science_goal.{goal}/group.{group}/member.{mous}"

    @property
    def inside(self) -> Mapping[str, list[str]]:
        """The files of each sure source, relative to it."""
        root = self.origin.parent
        return {
            source: [str(path.relative_to(root / source)) for path in _files(root / source)]
            for source, _ in expected("manual_nopipe_4eb")
        }


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [inner for inner in path.rglob("*") if inner.is_file()]


def _in_tars(member: Path, paths: Iterable[str]) -> Iterator[str]:
    """Yield the files in the tars among these paths, behind the path of the tar and a `!`."""
    for path in paths:
        if path.endswith(".tgz"):
            with tarfile.open(member / path) as tar:
                yield from (f"{path}!{each.name}" for each in tar if each.isfile())


@pytest.fixture
def reduction(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> ManualReduction:
    return ManualReduction(tmp_path, capsys)


@pytest.mark.parametrize("mode", ["fake", "hard"])
def test_reduction_by_hand_is_packaged_with_the_script_that_is_given(
    reduction: ManualReduction, tmp_path: Path, mode: str
) -> None:
    (tmp_path / "pi.py").write_text("for the PI")
    member = reduction.made("--set", f"piscript={tmp_path}/pi.py", mode=mode)
    sure = {
        os.path.normpath(f"{target}/{name}")
        for source, target in expected("manual_nopipe_4eb")
        for name in reduction.inside[source]
    }
    written = {"README", "script/scriptForPI.py"}
    outer = {str(path.relative_to(member)) for path in _files(member)}
    logs = {path for path in outer if path.startswith("log/")}
    assert outer - logs == {path.partition("!")[0] for path in sure} | written
    assert len(logs) == 6 and len([path for path in outer if path.endswith(".tgz")]) == 16
    if mode == "hard":
        found = {path for path in outer if not path.endswith(".tgz")} | set(_in_tars(member, outer))
        doubtful = {path for path in found if path.startswith("log/") or path.endswith(".ms.listobs")}
        assert found - doubtful == sure | written
        assert len(doubtful) == 14
    assert sorted(os.listdir(member)) == ["README", "calibration", "log", "product", "qa", "script"]
    if mode == "hard":
        assert (member / "script/scriptForPI.py").read_text() == "for the PI"
        name = "50_kms_cloud_sci.spw0_4_8_12.cube.I.manual.pb.fits"
        original = (reduction.origin / "Imaging" / name).read_bytes()
        assert gzip.decompress((member / f"product/{name}.gz").read_bytes()) == original


def test_script_for_the_pi_of_the_reduction_itself_is_packaged(
    reduction: ManualReduction, capsys: pytest.CaptureFixture[str]
) -> None:
    (reduction.origin / "scriptForPI.py").write_text("for the PI")
    member = reduction.made(mode="copy")
    assert (member / "script/scriptForPI.py").read_text() == "for the PI"
    assert "written only" not in run_here(capsys, "plan", reduction.package, "--again").out


def test_reduction_by_hand_is_made_again_alone(reduction: ManualReduction) -> None:
    first, other = reduction.origin, "uid___A001_X12a3_Xff"
    reduction.made()
    reduction.origin = shutil.copytree(first, first.with_name(f"2017.1.01185.S_{other}"))
    kept = reduction.made(mous=other)
    reduction.origin = first
    before = {path: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in kept.rglob("*")}
    (reduction.origin / "Imaging/more.fits").write_text("more")
    member = reduction.made()
    assert (member / "product/more.fits").is_file()
    assert {path: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in kept.rglob("*")} == before


def test_reduction_by_hand_has_logs_of_each_folder_in_a_tar_of_its_name(reduction: ManualReduction) -> None:
    names = {path.name for path in (reduction.made(mode="fake") / "log").iterdir()}
    assert len(names) == 6
    assert {f"{MANUAL}.log.tgz", "Imaging.log.tgz", "uid___A002_Xd29c1f_X5cf.log.tgz"} < names


def test_reduction_by_hand_may_have_any_name_and_blocks_that_are_called_by_their_uid(
    reduction: ManualReduction,
) -> None:
    block = reduction.origin / "Calibration_X5cf"
    block.rename(block.with_name("uid___A002_Xd29c1f_X5cf"))
    reduction.origin = reduction.origin.rename(reduction.origin.with_name("mine"))
    member = reduction.made("--set", "mous=uid___A001_X12a3_Xe9", mode="fake")
    assert (member / "script/uid___A002_Xd29c1f_X5cf.ms.scriptForCalibration.py").is_file()


def test_reduction_by_hand_whose_mous_nothing_tells_is_refused(
    reduction: ManualReduction, capsys: pytest.CaptureFixture[str]
) -> None:
    origin = reduction.origin.rename(reduction.origin.with_name("mine"))
    values = ("--set", "sous=uid___A001_X12a3_Xe7", "--set", "gous=uid___A001_X12a3_Xe8")
    refused = run_here(capsys, "plan", origin, reduction.package, "--layout", "alma-manual", *values)
    assert refused.code == 1
    assert "variable-missing" in refused.err and "mous: expected one value" in refused.err


def make_bundle(folder: Path) -> Path:
    """Make the tree of the PDS4 bundle with content in its files, and return its top folder."""
    make_tree(folder, (DATA / "pds4_bundle.txt").read_text().splitlines())
    for path in (folder / "mission_bundle").rglob("*.*"):
        if path.stat().st_size:
            path.write_bytes(path.name.encode())
    return folder / "mission_bundle"


@pytest.mark.parametrize("mode", ["fake", "hard"])
def test_bundle_is_packaged_with_its_checksum_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    origin, package = make_bundle(tmp_path), tmp_path / "ladee_mission_bundle"
    words = (origin, package, "--layout", "pds4", "--mode", mode)
    for ran in (
        run_here(capsys, "plan", *words),
        run_here(capsys, "apply", package),
        run_here(capsys, "verify", package),
    ):
        assert ran.code == 0, ran.err
    listed = tmp_path / "ladee_mission_bundle_v1.0_checksum_manifest_v1.0.tab"
    paths = sorted(target for _, target in expected("pds4_bundle") if target != "-")
    found = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    assert found == set(paths)
    digests = {path: hashlib.md5((origin / path).read_bytes()).hexdigest() for path in paths}
    lines = "".join(f"{digest}\t{path}\r\n" for path, digest in digests.items())
    assert listed.read_bytes() == (b"" if mode == "fake" else lines.encode())


@pytest.mark.parametrize("letter", ["\t", "\n", "\r", "\x1b", "\x7f"])
def test_bundle_with_a_name_that_breaks_its_checksum_manifest_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], letter: str
) -> None:
    make_tree(tmp_path, ["in/bundle_x.xml\t9", "in/data/\u00e9 ~.tab\t9"])
    package, words = tmp_path / "x", ("--layout", "pds4", "--mode", "hard")
    assert run_here(capsys, "plan", tmp_path / "in", package, *words).code == 0
    name = tmp_path / f"in/data/a{letter}b.tab"
    name.write_text("1")
    refused = run_here(capsys, "plan", tmp_path / "in", package, *words)
    assert refused.code == 1 and "check-failed" in refused.err and "control letters" in refused.err
    name.rename(name.with_name("ab.tab"))
    (tmp_path / f"in/data{letter}").mkdir()
    (tmp_path / f"in/data{letter}/a.tab").write_text("1")
    assert run_here(capsys, "plan", tmp_path / "in", package, *words).code == 1


def test_bundle_goes_on_with_a_folder_that_looks_like_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path, ["in/bundle_x.xml\t9", "in/data/table.dat\t9", "in/.DS_Store\t9"])
    package = tmp_path / "x"
    assert run_here(capsys, "plan", tmp_path / "in", package, "--layout", "pds4", "--mode", "hard").code == 0
    assert run_here(capsys, "apply", package).code == 0
    assert len((tmp_path / "x_v1.0_checksum_manifest_v1.0.tab").read_bytes().splitlines()) == 2
    assert (package / "data/table.dat").exists() and not (package / ".DS_Store").exists()


def make_hostile_folder(folder: Path) -> Path:
    """Make a folder of names that no archive would take, with links and tables; return it."""
    make_tree(
        folder,
        ["README\t6", "script/a b.py\t3", "empty/in/side/", "x.ms/table.dat\t5", "x.ms/CORRECTED\t0", "log\t2"],
    )
    (folder / "link").symlink_to("script/a b.py")
    deep = folder.joinpath(*["d"] * 150)
    deep.mkdir(parents=True)
    (deep / "bottom").write_text("bottom")
    for name in (b"new\nline", b"not-\xff-utf-8", b"-rf", b"'*?[\\"):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(name)
    return folder


def content(folder: Path) -> dict[str, bytes | None]:
    """Return the files below a folder with what is read from them, and the folders with None."""
    paths = (path for path in folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in paths}


@pytest.mark.parametrize("mode", ["fake", "hard"])
def test_any_folder_is_packaged_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str) -> None:
    origin, package = make_hostile_folder(tmp_path / "folder"), tmp_path / "package"
    before = content(origin)
    for ran in (
        run_here(capsys, "plan", origin, package, "--layout", "as-is", "--mode", mode, "--strict"),
        run_here(capsys, "apply", package),
        run_here(capsys, "verify", package),
    ):
        assert ran.code == 0, ran.err
    found = content(package)
    assert content(origin) == before and found.keys() == before.keys()
    if mode == "hard":
        assert found == before
    assert not any(path.is_symlink() for path in package.rglob("*"))


@pytest.mark.parametrize("place", ["pipe", "script/pipe"])
def test_any_folder_is_refused_with_a_pipe_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    origin = make_hostile_folder(tmp_path / "folder")
    os.mkfifo(origin / place)
    ran = run_here(capsys, "plan", origin, tmp_path / "package", "--layout", "as-is")
    assert ran.code == 1 and "special-file" in ran.err and place in ran.err
    left_out = run_here(capsys, "plan", origin, tmp_path / "package", "--layout", "as-is", "--exclude", "pipe")
    assert left_out.code == 0


def test_folder_that_looks_like_a_table_is_an_origin_like_any(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_tree(tmp_path / "folder", ["table.dat\t5", "ASDM.xml\t5", "SUB/table.dat\t3"])
    package = tmp_path / "package"
    assert run_here(capsys, "plan", tmp_path / "folder", package, "--layout", "as-is", "--mode", "hard").code == 0
    assert run_here(capsys, "apply", package).code == 0
    assert content(package) == content(tmp_path / "folder")
