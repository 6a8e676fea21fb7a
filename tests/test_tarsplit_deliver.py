"""Cutting real packages: what tar makes of the chunks, the same bytes every time, and what stops it."""

import hashlib
import os
import random
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.problem import Code, Refused
from qa2pack.manifest.progress import Silent
from qa2pack.tarsplit.deliver import Destination, Outcome, deliver
from qa2pack.tarsplit.made import Made
from qa2pack.tarsplit.output_files import OutputBusyError, locked_part
from qa2pack.tarsplit.place.folder import Folder
from qa2pack.tarsplit.plan import Cut
from support.deliveries import DAY, MEMBER, PROJECT, adopt, check, cut_up, extract, make_package, plan, tars
from support.snapshots import contents
from support.tools import needs_tool

STEM = f"{PROJECT}_{DAY}"
LIMIT = 60_000


def some_files() -> dict[str | bytes, bytes]:
    """Return files of all kinds: tables, long and odd names, an empty one, one above the limit."""
    chance = random.Random(1)
    files: dict[str | bytes, bytes] = {
        f"raw/X{table}.ms.split/{name}": chance.randbytes(chance.randrange(9000))
        for table in range(4)
        for name in ("table.dat", "table.f0", "ANTENNA/table.dat", "ANTENNA/table.f0")
    }
    return files | {
        "product/large.fits": chance.randbytes(3 << 20),
        "product/empty.fits": b"",
        "qa/" + "q" * 250: b"long name",
        "script/" + "d" * 150 + "/" + "f" * 120 + ".py": b"long path",
        b"log/\xe9\xff.log": b"not UTF-8",
        b"log/" + b"\xe9" * 200 + b"/\xff.log": b"long and not UTF-8",
        "log/ü\n\t'\\.log": b"odd",
    }


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return make_package(tmp_path / PROJECT, some_files())


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("tool", ["tar", "bsdtar"])
@pytest.mark.parametrize("fill", ["order", "tight"])
def test_all_chunks_extracted_are_the_package(tmp_path: Path, package: Package, tool: str, fill: str) -> None:
    needs_tool(tool)
    outcome = cut_up(package, tmp_path / "out", LIMIT, fill=fill)
    assert (outcome.problems, len(outcome.chunks) > 3) == ((), True)
    assert extract(tmp_path / "out", tmp_path / "unpacked", tool) == ""
    assert contents(tmp_path / "unpacked" / PROJECT) == contents(tmp_path / PROJECT)


def test_python_reads_folders_and_files_and_nothing_else(tmp_path: Path, package: Package) -> None:
    cut_up(package, tmp_path / "out", LIMIT)
    for path in tars(tmp_path / "out"):
        with tarfile.open(path, errorlevel=2) as archive:
            members = archive.getmembers()
        assert members
        assert all(member.isreg() or member.isdir() for member in members)
        assert all(member.name.split("/")[0] == PROJECT for member in members)
        assert {(member.uname, member.uid, member.gname, member.gid) for member in members} == {
            ("root", 0, "root", 0)
        }
        assert {member.mode for member in members} <= {0o644, 0o755}
        assert all(float(member.mtime).is_integer() for member in members)


def test_first_chunk_holds_readme(tmp_path: Path, package: Package) -> None:
    cut_up(package, tmp_path / "out", LIMIT)
    with tarfile.open(tars(tmp_path / "out")[0]) as archive:
        assert f"{PROJECT}/{MEMBER}/README" in archive.getnames()


def test_chunks_are_named_and_sized_as_planned(tmp_path: Path, package: Package) -> None:
    planned = plan(package, LIMIT)
    cut_up(package, tmp_path / "out", LIMIT)
    found = [(os.fsencode(path.name), path.stat().st_size) for path in tars(tmp_path / "out")]
    assert found == [(chunk.name, chunk.byte_count) for chunk in planned.chunks]
    assert found[0][0] == f"{STEM}_001_of_{len(found):03d}.tar".encode()
    assert [chunk.byte_count > LIMIT for chunk in planned.chunks] == [chunk.is_oversized for chunk in planned.chunks]
    assert sum(chunk.is_oversized for chunk in planned.chunks) == 1


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_sum_files_pass_the_tools_of_their_own(tmp_path: Path, package: Package, algorithm: str) -> None:
    cut_up(package, tmp_path / "out", LIMIT, checksums=("md5", "sha256", "xxh128"))
    names = [f"{path.name}.{algorithm}sum" for path in (*tars(tmp_path / "out"), Path(f"{STEM}.manifest"))]
    subprocess.run([f"{algorithm}sum", "--check", "--strict", "--quiet", *names], cwd=tmp_path / "out", check=True)


def test_nothing_is_left_beside_chunks_sums_and_sidecar(tmp_path: Path, package: Package) -> None:
    outcome = cut_up(package, tmp_path / "out", LIMIT)
    names = {f"{STEM}.manifest", *(chunk.name.decode() for chunk in outcome.chunks)}
    assert set(os.listdir(tmp_path / "out")) == {*names, *(f"{name}.md5sum" for name in names)}


def test_same_package_gives_the_same_bytes_anywhere_and_with_any_number_of_jobs(tmp_path: Path) -> None:
    first = make_package(tmp_path / "one" / PROJECT, some_files())
    second = make_package(tmp_path / "two" / PROJECT, dict(reversed(some_files().items())))
    for path in (tmp_path / "two").rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    shutil.rmtree(os.fsdecode(second.control))
    adopt(tmp_path / "two" / PROJECT)
    cut_up(first, tmp_path / "out1", LIMIT)
    cut_up(second, tmp_path / "out2", LIMIT, jobs=2)
    assert digests(tmp_path / "out1") == digests(tmp_path / "out2")


@pytest.mark.parametrize("suffix", ["", ".before"], ids=["complete", "sidecar about to be replaced"])
def test_cutting_again_keeps_every_chunk(tmp_path: Path, package: Package, suffix: str) -> None:
    first = cut_up(package, tmp_path / "out", LIMIT)
    (tmp_path / "out" / f"{STEM}.manifest").rename(tmp_path / "out" / f"{STEM}.manifest{suffix}")
    inodes = [path.stat().st_ino for path in tars(tmp_path / "out")]
    again = cut_up(package, tmp_path / "out", LIMIT)
    assert again.kept_count == len(first.chunks)
    assert again.chunks == first.chunks
    assert [path.stat().st_ino for path in tars(tmp_path / "out")] == inodes


def test_damaged_chunk_is_made_again_though_it_has_its_name_and_size(tmp_path: Path, package: Package) -> None:
    cut_up(package, tmp_path / "out", LIMIT)
    before = digests(tmp_path / "out")
    damaged = tars(tmp_path / "out")[1]
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    again = cut_up(package, tmp_path / "out", LIMIT)
    assert again.kept_count == len(again.chunks) - 1
    assert digests(tmp_path / "out") == before


def stopped(tmp_path: Path, package: Package, damage: str) -> tuple[Outcome, Path]:
    """Cut the package after the file `table.f0` of one table was changed so."""
    path = tmp_path / PROJECT / MEMBER / "raw/X2.ms.split/table.f0"
    data = path.read_bytes()
    match damage:
        case "changed":
            path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        case "truncated":
            path.write_bytes(data[:-1])
        case "grown":
            path.write_bytes(data + b"x")
        case "missing":
            path.unlink()
        case "link":
            path.rename(path.with_name("elsewhere"))
            path.symlink_to("elsewhere")
    return cut_up(package, tmp_path / "out", LIMIT), path


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("changed", Code.CHANGED),
        ("truncated", Code.TRUNCATED),
        ("grown", Code.GROWN),
        ("missing", Code.MISSING),
        ("link", Code.UNREADABLE),
    ],
)
def test_changed_file_stops_its_chunk_by_name_and_no_other(
    tmp_path: Path, package: Package, damage: str, code: Code
) -> None:
    planned = plan(package, LIMIT)
    outcome, path = stopped(tmp_path, package, damage)
    assert [(problem.code, problem.path) for problem in outcome.problems] == [(code, os.fsencode(path))]
    assert len(outcome.chunks) == len(planned.chunks) - 1
    assert not list((tmp_path / "out").glob("*.part"))
    assert not (tmp_path / "out" / f"{STEM}.manifest").exists()


def test_big_file_that_changed_stops_its_chunk(tmp_path: Path, package: Package) -> None:
    path = tmp_path / PROJECT / MEMBER / "product/large.fits"
    with path.open("r+b") as file:
        file.seek(2 << 20)
        file.write(b"changed")
    outcome = cut_up(package, tmp_path / "out", LIMIT)
    assert [(problem.code, problem.path) for problem in outcome.problems] == [(Code.CHANGED, os.fsencode(path))]


def test_big_file_that_grew_stops_its_chunk(tmp_path: Path, package: Package) -> None:
    path = tmp_path / PROJECT / MEMBER / "product/large.fits"
    with path.open("ab") as file:
        file.write(b"x")
    outcome = cut_up(package, tmp_path / "out", LIMIT)
    assert [(problem.code, problem.path) for problem in outcome.problems] == [(Code.GROWN, os.fsencode(path))]


def test_delivery_goes_on_when_the_file_is_right_again(tmp_path: Path, package: Package) -> None:
    cut_up(package, tmp_path / "untouched", LIMIT)
    whole = (tmp_path / PROJECT / MEMBER / "raw/X2.ms.split/table.f0").read_bytes()
    outcome, path = stopped(tmp_path, package, "changed")
    path.write_bytes(whole)
    again = cut_up(package, tmp_path / "out", LIMIT)
    assert again.kept_count == len(outcome.chunks)
    assert digests(tmp_path / "out") == digests(tmp_path / "untouched")


def test_other_delivery_of_that_name_is_not_touched(tmp_path: Path, package: Package) -> None:
    cut_up(package, tmp_path / "out", LIMIT)
    before = digests(tmp_path / "out")
    with pytest.raises(Refused, match="delivery-in-the-way"):
        cut_up(package, tmp_path / "out", 2 * LIMIT)
    assert digests(tmp_path / "out") == before


def test_other_delivery_of_that_name_is_replaced_when_that_is_asked_for(tmp_path: Path, package: Package) -> None:
    cut_up(package, tmp_path / "out", LIMIT)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    cut_up(package, tmp_path / "out", 2 * LIMIT, is_replacing=True)
    cut_up(package, tmp_path / "fresh", 2 * LIMIT)
    (tmp_path / "fresh" / "notes.txt").write_text("mine")
    assert digests(tmp_path / "out") == digests(tmp_path / "fresh")


def test_chunks_of_the_package_before_it_changed_are_not_kept(tmp_path: Path, package: Package) -> None:
    cut_up(package, tmp_path / "out", LIMIT)
    path = tmp_path / PROJECT / MEMBER / "raw/X2.ms.split/table.f0"
    path.write_bytes(path.read_bytes()[::-1])
    shutil.rmtree(os.fsdecode(package.control))
    with pytest.raises(Refused, match="delivery-in-the-way"):
        cut_up(adopt(tmp_path / PROJECT), tmp_path / "out", LIMIT)


def test_unfinished_files_of_an_earlier_run_are_swept(tmp_path: Path, package: Package) -> None:
    cut_up(package, tmp_path / "out", LIMIT)
    (tmp_path / "out" / f"{STEM}_050_of_060.tar.part").write_bytes(b"half")
    cut_up(package, tmp_path / "out", LIMIT)
    assert not list((tmp_path / "out").glob("*.part"))


@pytest.mark.parametrize("is_replacing", [False, True])
@pytest.mark.parametrize("name", ["001_of_001.tar.part", "001_of_001.tar", "001_of_001.tar.md5sum"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("elsewhere")])
def test_link_or_pipe_is_refused_also_where_a_delivery_was_made(
    tmp_path: Path, package: Package, make: Callable[[Path], None], name: str, *, is_replacing: bool
) -> None:
    cut_up(package, tmp_path / "out", 40_000)
    make(tmp_path / "out" / f"{STEM}_{name}")
    check_refused(package, tmp_path / "out", is_replacing=is_replacing)


@pytest.mark.parametrize("is_replacing", [False, True])
def test_unfinished_file_that_no_run_left_is_refused(tmp_path: Path, package: Package, *, is_replacing: bool) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{STEM}_001_of_001.tar.part").write_bytes(b"of a browser")
    check_refused(package, tmp_path / "out", is_replacing=is_replacing)


def check_refused(package: Package, output: Path, *, is_replacing: bool) -> None:
    """Check that the delivery is refused, and nothing in the folder changed."""
    before = sorted((each.name, each.lstat().st_ino) for each in output.iterdir())
    with pytest.raises(Refused, match="folder-in-the-way"):
        cut_up(package, output, is_replacing=is_replacing)
    assert sorted((each.name, each.lstat().st_ino) for each in output.iterdir()) == before


def test_chunk_that_no_state_knows_is_not_overwritten(tmp_path: Path, package: Package) -> None:
    (tmp_path / "out").mkdir()
    name = os.fsdecode(plan(package, LIMIT).chunks[0].name)
    (tmp_path / "out" / name).write_bytes(b"somebody's")
    with pytest.raises(Refused):
        cut_up(package, tmp_path / "out", LIMIT)
    assert (tmp_path / "out" / name).read_bytes() == b"somebody's"


def test_two_at_a_time_do_not_meet(tmp_path: Path, package: Package) -> None:
    (tmp_path / "out").mkdir()
    with locked_part(os.fsencode(tmp_path / "out" / f"{STEM}.manifest")), pytest.raises(OutputBusyError):
        cut_up(package, tmp_path / "out", LIMIT)


def test_too_little_room_is_said_before_anything_is_written(tmp_path: Path, package: Package) -> None:
    cut = plan(package, LIMIT)
    huge: Cut = replace(cut, chunks=(replace(cut.chunks[0], made=Made(DeliveryForm.TAR, 1 << 60)), *cut.chunks[1:]))
    with pytest.raises(Refused, match="no-space"):
        deliver(
            huge,
            Destination(package.path, Folder(os.fsencode(tmp_path / "out"))),
            engine=InlineEngine(),
            progress=Silent(),
        )
    assert os.listdir(tmp_path / "out") == []


def test_one_member_of_several_is_picked(tmp_path: Path) -> None:
    members = "group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2"
    package = make_package(tmp_path / PROJECT, {"log/a.log": b"a"}, *members)
    cut_up(package, tmp_path / "out", wanted=b"member_ouss_id2")
    extract(tmp_path / "out", tmp_path / "unpacked")
    assert os.listdir(tmp_path / "unpacked" / PROJECT / "sg_ouss_id/group_ouss_id") == ["member_ouss_id2"]


@pytest.mark.parametrize("wanted", [b"member_ouss_id3", b"member_ouss_id"])
def test_member_that_is_not_there_or_not_unique_is_refused(tmp_path: Path, wanted: bytes) -> None:
    members = "group_ouss_id/member_ouss_id", "group_ouss_id2/member_ouss_id"
    package = make_package(tmp_path / PROJECT, {}, *members)
    with pytest.raises(Refused, match="group_ouss_id2/member_ouss_id"):
        plan(package, wanted=wanted)


def test_labelled_member_has_the_date_in_its_name_and_in_the_tree_of_readme(tmp_path: Path, package: Package) -> None:
    cut_up(package, tmp_path / "out", LIMIT, label_day=DAY)
    extract(tmp_path / "out", tmp_path / "unpacked")
    labelled = tmp_path / "unpacked" / PROJECT / f"sg_ouss_id/group_ouss_id/member_ouss_{DAY}_id"
    original = tmp_path / PROJECT / MEMBER
    text = (original / "README").read_text()
    assert (labelled / "README").read_text() == text.replace("member_ouss_id", f"member_ouss_{DAY}_id")
    (labelled / "README").write_text(text)
    assert contents(labelled) == contents(original)
    assert check(tmp_path / "out") == []


def test_two_members_that_would_be_called_the_same_are_refused(tmp_path: Path) -> None:
    members = "group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2"
    with pytest.raises(Refused, match="labels-merge"):
        plan(make_package(tmp_path / PROJECT, {}, *members), label_day=DAY)


def test_member_without_manifest_is_refused(tmp_path: Path, package: Package) -> None:
    shutil.rmtree(os.fsdecode(package.manifests))
    with pytest.raises(Refused, match="manifest-missing"):
        plan(package)


def test_limit_that_holds_nothing_is_refused(package: Package) -> None:
    with pytest.raises(Refused, match=r"chunk-too-small: .*; expected at least 10,240 bytes"):
        plan(package, 10_239)


def test_more_than_999_chunks_are_refused_with_what_is_enough(tmp_path: Path) -> None:
    files: dict[str | bytes, bytes] = {f"log/{number}.log": bytes(9000) for number in range(1100)}
    with pytest.raises(Refused, match="too-many-chunks") as caught:
        plan(make_package(tmp_path / PROJECT, files), 10_240)
    assert "MiB is enough" in caught.value.remedies[0].text


class Counting:
    """Counts what is reported of each phase."""

    def __init__(self) -> None:
        self.reported: dict[str, list[int]] = {}

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Begin a phase: what it has to do, then what it did."""
        self.reported[name] = [file_count, byte_count, 0, 0]
        self._current = self.reported[name]

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Count."""
        self._current[2] += file_count
        self._current[3] += byte_count


def test_progress_reports_all_that_each_phase_has_to_do(tmp_path: Path, package: Package) -> None:
    progress = Counting()
    cut = plan(package, LIMIT, progress=progress)
    destination = Destination(package.path, Folder(os.fsencode(tmp_path / "out")))
    deliver(cut, destination, engine=InlineEngine(), progress=progress)
    files, entries = len(some_files()) + 1, sum(chunk.entry_count for chunk in cut.chunks)
    assert progress.reported["plan tars"] == [files, 0, files, 0]
    assert progress.reported["write manifest"] == [files, 0, files, 0]
    assert progress.reported["write chunks"] == [entries, cut.byte_count, entries, cut.byte_count]
    deliver(cut, destination, engine=InlineEngine(), progress=progress)
    assert progress.reported["check finished chunks"] == [0, cut.byte_count, 0, cut.byte_count]
