"""Replacing a package: what is the same is linked over from the old one, and never becomes a part of the origin."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.plan import origin_files as sources
from qa2pack.manifest.problem import Code, Refused
from support.in_process import UID, Delivery, age, make_reduction, write
from support.measurement_sets import Recipe, write_measurement_set
from support.opened_files import opened_paths
from support.snapshots import contents, files

SCRIPT = "script/scriptForImaging.py"


@pytest.fixture
def copied(delivery: Delivery) -> Delivery:
    """A package of copies."""
    delivery.make(Mode.COPY)
    return delivery


def actions(plan: Described) -> dict[str, Action]:
    records = map(decode_record, plan.stream.blobs())
    return {os.fsdecode(entry.path): entry.action for record in records for entry in record.entries()}


def inodes(delivery: Delivery) -> dict[str, int]:
    return {path: seen.inode for path, seen in files(delivery.member).items() if path != "README"}


def test_unchanged_copies_are_kept(copied: Delivery) -> None:
    before = inodes(copied)
    plan = copied.plan(Mode.COPY)
    assert set(actions(plan).values()) == {Action.KEEP, Action.WRITE}
    copied.apply()
    assert inodes(copied) == before
    assert copied.problems() == []


def test_plan_counts_what_is_kept(copied: Delivery) -> None:
    write(copied.origin / "scriptForImaging.py", b"another script")
    plan = copied.plan(Mode.COPY)
    assert plan.notes.difference is not None
    assert plan.notes.difference.kept == plan.notes.file_count - 2  # README and the script
    assert plan.notes.difference.kept_bytes == plan.notes.byte_count - len(plan.header.readme) - 14


def test_plan_counts_what_differs_from_the_old_package(copied: Delivery) -> None:
    write(copied.origin / "scriptForImaging.py", b"another script")
    write(copied.origin / "scriptForFluxCalibration.py", b"new")
    write(copied.origin / "newer.fits", b"newer")
    for name in ("X8c/qa2/qa2_part1.png", "X8c/qa2/textfile.txt", "X8c/checklist.txt"):
        (copied.origin / name).unlink()
    before = len(files(copied.member))
    found = copied.plan(Mode.COPY).notes.difference
    assert found is not None
    assert (found.added, found.removed, found.changed, found.unchanged) == (2, 3, 2, before - 5), (
        "README lists the files"
    )


def test_holes_of_kept_files_are_not_counted_again(delivery: Delivery) -> None:
    """Their whole size is subtracted from what is written; those of the others are still to be counted."""
    for name in ("kept.fits", "changed.fits"):
        os.truncate(write(delivery.origin / name, b""), 1 << 20)
        os.utime(delivery.origin / name, ns=(1, 1))
    delivery.make(Mode.COPY)
    os.utime(delivery.origin / "changed.fits", ns=(2, 2))
    made = delivery.made(Mode.COPY)
    assert made.gathered.holes == {b"product/changed.fits": 1 << 20}
    made.gathered.spool.close()


def test_kept_files_are_not_read_again(copied: Delivery) -> None:
    copied.plan(Mode.COPY)
    with opened_paths() as opened:
        copied.apply()
    read = {os.path.basename(path) for path in opened}
    assert read.isdisjoint({b"calibrated_all.clean.fits", b"table.f0", b"ipython.log"})


def test_changed_file_is_copied_from_the_origin(copied: Delivery) -> None:
    before = inodes(copied)
    write(copied.origin / "scriptForImaging.py", b"another script")
    copied.make(Mode.COPY)
    assert {path for path, inode in inodes(copied).items() if inode != before[path]} == {SCRIPT}
    assert (copied.member / SCRIPT).read_bytes() == b"another script"
    assert copied.problems() == []


@pytest.mark.parametrize("times", [1, 2, 3])
def test_package_of_kept_files_is_independent_of_the_origin(copied: Delivery, times: int) -> None:
    for _ in range(times):
        copied.make(Mode.COPY)
    assert {seen.inode for seen in files(copied.origin).values()}.isdisjoint(inodes(copied).values())
    (copied.origin / "scriptForImaging.py").write_bytes(b"written in place")
    assert copied.problems() == []


def test_hard_links_are_not_kept_as_copies(delivery: Delivery) -> None:
    """They are the origin's own inodes: kept, a package of copies would change with the origin."""
    delivery.make(Mode.HARD)
    delivery.make(Mode.COPY)
    assert {seen.inode for seen in files(delivery.origin).values()}.isdisjoint(inodes(delivery).values())


def test_placeholders_are_not_kept_as_copies(delivery: Delivery) -> None:
    write(delivery.origin / "empty.fits", b"")
    delivery.make(Mode.FAKE)
    assert Action.KEEP not in actions(delivery.plan(Mode.COPY)).values()


def test_file_that_was_damaged_in_the_package_is_copied_again(copied: Delivery) -> None:
    (copied.member / SCRIPT).write_bytes(b"damage")
    copied.make(Mode.COPY)
    assert copied.problems() == []
    assert (copied.member / SCRIPT).read_bytes() == (copied.origin / "scriptForImaging.py").read_bytes()


def test_file_that_was_removed_from_the_package_after_the_plan_is_copied_again(copied: Delivery) -> None:
    copied.plan(Mode.COPY)
    (copied.member / SCRIPT).unlink()
    copied.apply()
    assert copied.problems() == []


def test_link_in_the_package_in_place_of_a_kept_file_is_not_followed(copied: Delivery) -> None:
    copied.plan(Mode.COPY)
    (copied.member / SCRIPT).unlink()
    (copied.member / SCRIPT).symlink_to(copied.origin / "scriptForImaging.py")
    with pytest.raises(Refused, match="changed-since-plan"):
        copied.apply()
    copied.make(Mode.COPY)
    assert copied.problems() == []
    assert not (copied.member / SCRIPT).is_symlink()


def test_rehashing_keeps_nothing(copied: Delivery) -> None:
    """Where bits of the old copy may have rotten, size and time say nothing."""
    script = copied.member / SCRIPT
    status = script.stat()
    script.write_bytes(bytes(status.st_size))
    os.utime(script, ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert copied.found() == [("changed", SCRIPT.encode())]
    plan = copied.plan(Mode.COPY, rehash=True)
    assert plan.notes.difference is not None
    assert (plan.notes.difference.kept, plan.notes.difference.kept_bytes) == (0, 0)
    copied.apply()
    assert copied.problems() == []
    assert script.read_bytes() == (copied.origin / "scriptForImaging.py").read_bytes()


def test_changed_permissions_make_a_new_copy(copied: Delivery) -> None:
    (copied.origin / "scriptForImaging.py").chmod(0o755)
    copied.make(Mode.COPY)
    assert (copied.member / SCRIPT).stat().st_mode & 0o777 == 0o755


def test_old_package_is_the_same_while_it_is_kept(copied: Delivery) -> None:
    before = contents(copied.path)
    copied.plan(Mode.COPY)
    copied.apply(keep_previous=KeepPrevious.YES)
    (previous,) = Path(os.fsdecode(copied.package.control), "previous").iterdir()
    assert contents(previous / "tree") == before


def test_appending_keeps_nothing(copied: Delivery) -> None:
    plan = copied.plan(Mode.COPY, append=Append.MEMBER)
    assert plan.notes.difference is None
    assert Action.KEEP not in actions(plan).values()


def test_sources_that_the_scan_has_seen_are_not_looked_at_again(
    copied: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[bytes] = []

    def noting(source: bytes, record: FolderRecord, index: int) -> bool:
        looked_at.append(os.path.basename(source))
        return is_untouched(source, record, index)

    is_untouched = sources._is_untouched
    monkeypatch.setattr(sources, "_is_untouched", noting)
    copied.plan(Mode.COPY)
    assert looked_at == []
    write(copied.origin / "scriptForImaging.py", b"another script")
    copied.plan(Mode.COPY)
    assert b"scriptForImaging.py" in looked_at
    assert len(looked_at) == len(list((copied.member / "script").iterdir()))


def last_copies(delivery: Delivery, mode: Mode = Mode.COPY, **choices: object) -> list[tuple[str, str]]:
    """Return path and count of the warning of files that only the old package has."""
    warnings = delivery.plan(mode, **choices).notes.warnings
    return [(os.fsdecode(each.path), str(each.found)) for each in warnings if each.code is Code.W_LAST_COPY]


def test_copies_that_the_origin_has_no_more_are_reported_once(copied: Delivery) -> None:
    (copied.origin / "scriptForImaging.py").unlink()
    (copied.origin / "calibrated_all.clean.fits").unlink()
    member = copied.member.relative_to(copied.path)
    assert last_copies(copied) == [(f"{member}/product/calibrated_all.clean.fits", "2 files")]


def test_last_copies_of_a_folder_that_is_gone_are_reported(copied: Delivery) -> None:
    gone = len(list((copied.member / "qa").iterdir()))
    shutil.rmtree(copied.origin / "X8c/qa2")
    (copied.origin / "X8c/checklist.txt").unlink()
    assert [count for _, count in last_copies(copied)] == [f"{gone} files"]


def test_last_copies_of_all_members_are_reported_together(copied: Delivery, tmp_path: Path) -> None:
    other = replace(copied, origin=make_reduction(tmp_path / "sb2", seed=2))
    other.make(Mode.COPY, append=Append.MEMBER)
    for origin in (copied.origin, other.origin):
        (origin / "scriptForImaging.py").unlink()
    assert [count for _, count in last_copies(copied)] == ["2 files"]


def test_copy_whose_content_the_origin_has_under_another_name_is_no_last_one(copied: Delivery) -> None:
    (copied.origin / "scriptForImaging.py").rename(copied.origin / "scriptForOther.py")
    (copied.origin / "calibrated_all.clean.fits").unlink()
    assert [count for _, count in last_copies(copied)] == ["1 file"]


def test_copy_in_whose_place_the_origin_has_another_of_its_size_and_time_is_a_last_one(copied: Delivery) -> None:
    script = copied.origin / "scriptForImaging.py"
    data = script.read_bytes()
    script.unlink()
    write(script, data[::-1])
    assert [count for _, count in last_copies(copied)] == ["1 file"]


def test_copies_that_a_folder_of_the_old_origin_only_leads_to_are_last_ones(copied: Delivery, tmp_path: Path) -> None:
    script = copied.origin / "script"
    script.mkdir()
    (copied.origin / "scriptForImaging.py").rename(script / "scriptForImaging.py")
    copied.make(Mode.COPY)
    shutil.rmtree(script)
    script.symlink_to(copied.member / "script")
    other = replace(copied, origin=make_reduction(tmp_path / "another", seed=2))
    assert [count for _, count in last_copies(other, append=Append.REPLACE)] == ["1 file"]


def test_copies_of_an_origin_that_has_other_inode_numbers_are_no_last_ones(copied: Delivery) -> None:
    before = copied.origin.rename(copied.origin.with_name("before"))
    subprocess.run(["cp", "-a", before, copied.origin], check=True)
    (copied.origin / "calibrated_all.clean.fits").unlink()
    assert [count for _, count in last_copies(copied)] == ["1 file"]


def test_appending_takes_no_last_copies_away(copied: Delivery) -> None:
    (copied.origin / "scriptForImaging.py").unlink()
    assert last_copies(copied, append=Append.MEMBER) == []


@pytest.mark.in_casa
@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY, Mode.MOVE])
def test_file_that_only_a_split_of_its_table_has_is_reported(delivery: Delivery, mode: Mode) -> None:
    table = f"{UID}.ms.split.cal"
    write_measurement_set(delivery.origin / "X8c" / table, Recipe(rows=12))
    age(delivery.origin)
    delivery.make(mode)
    assert last_copies(delivery, mode) == []
    info = delivery.origin / "X8c" / table / "table.info"
    write(info, info.read_bytes() + b"more")
    (path,) = [path for path, count in last_copies(delivery, mode) if count == "1 file"]
    assert path.endswith(f"{table}/table.dat")


def test_file_in_the_place_of_a_folder_of_moved_files_is_refused_by_the_next_plan(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    folder = delivery.member / f"calibration/{UID}.calibration/{UID}.ms.tsys/SPECTRAL_WINDOW"
    shutil.rmtree(folder)
    write(folder, b"no folder")
    with pytest.raises(Refused) as caught:
        delivery.made(Mode.COPY)
    assert {problem.code for problem in caught.value.problems} == {Code.LINK_DANGLING}
