"""Packaging an origin whose files were moved before: links into the package, the only home of the bytes."""

import os
import shlex
import shutil
from pathlib import Path

import pytest

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.layout.include import parse_include
from qa2pack.manifest.problem import Code, Refused
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import UID, Delivery, add_measurement_sets, age, make_reduction, write
from support.origin_bytes import links_below, lost_names, read_files, roll_back
from support.reductions import write_small_measurement_set
from support.snapshots import contents, files

Capsys = pytest.CaptureFixture[str]
REAL = (Mode.COPY, Mode.HARD, Mode.MOVE)


@pytest.fixture
def moved(delivery: Delivery) -> Delivery:
    """A package that the files of its origin were moved to."""
    delivery.make(Mode.MOVE)
    return delivery


@pytest.fixture
def moved_sets(delivery: Delivery) -> Delivery:
    """The same with a measurement set that gives raw and calibrated data."""
    write_small_measurement_set(delivery.origin / f"X8c/{UID}.ms.split", seed=1)
    age(delivery.origin)
    delivery.make(Mode.MOVE)
    return delivery


def refused_codes(delivery: Delivery, mode: Mode = Mode.HARD, **choices: object) -> list[tuple[Code, bytes]]:
    with pytest.raises(Refused) as caught:
        delivery.plan(mode, **choices)
    return [(problem.code, problem.path) for problem in caught.value.problems]


def actions(delivery: Delivery, **choices: object) -> set[Action]:
    records = map(decode_record, delivery.plan(**choices).stream.blobs())  # type: ignore[arg-type]
    return {entry.action for record in records for entry in record.entries() if entry.path != b"README"}


@pytest.mark.parametrize("mode", Mode)
def test_replacing_takes_the_moved_files_over_in_every_mode(moved: Delivery, mode: Mode) -> None:
    before, packaged = read_files(moved.origin), files(moved.member)
    moved.make(mode)
    after = files(moved.member)
    assert read_files(moved.origin) == before
    assert moved.problems() == []
    assert {p: s.inode for p, s in after.items() if p != "README"} == {
        p: s.inode for p, s in packaged.items() if p != "README"
    }


@pytest.mark.parametrize("mode", Mode)
def test_plan_calls_moved_files_carried(moved: Delivery, mode: Mode) -> None:
    assert actions(moved, mode=mode) == {Action.CARRY}


@pytest.mark.parametrize("mode", Mode)
def test_a_third_run_still_takes_them_over(moved: Delivery, mode: Mode) -> None:
    before = read_files(moved.origin)
    moved.make(mode)
    moved.make(Mode.FAKE)
    moved.make(mode)
    assert read_files(moved.origin) == before
    assert moved.problems() == []


@pytest.mark.parametrize("append", [Append.GROUP, Append.MEMBER])
@pytest.mark.parametrize("mode", REAL)
def test_appending_packages_what_the_links_lead_to(moved: Delivery, append: Append, mode: Mode) -> None:
    before, first = read_files(moved.origin), contents(moved.member)
    moved.plan(mode, append=append)
    added = moved.path / "sg_ouss_id" / os.fsdecode(moved.apply().member)
    assert added != moved.member
    assert {p: t for p, t in contents(added).items() if p != "README"} == {
        p: t for p, t in first.items() if p != "README"
    }
    assert contents(moved.member) == first
    assert read_files(moved.origin) == before
    assert moved.problems() == []


@pytest.mark.parametrize("mode", [Mode.FAKE, Mode.TICKET])
@pytest.mark.parametrize("append", [Append.GROUP, Append.MEMBER])
def test_appending_placeholders_leaves_the_first_member_alone(moved: Delivery, append: Append, mode: Mode) -> None:
    before, first = read_files(moved.origin), contents(moved.member)
    moved.make(mode, append=append)
    assert (read_files(moved.origin), contents(moved.member)) == (before, first)
    assert moved.problems() == []


def test_appended_hard_links_share_the_inodes_of_the_first_member(moved: Delivery) -> None:
    moved.plan(Mode.HARD, append=Append.MEMBER)
    added = moved.path / "sg_ouss_id" / os.fsdecode(moved.apply().member)
    script = "script/scriptForImaging.py"
    assert (added / script).stat().st_ino == (moved.member / script).stat().st_ino


def test_package_with_an_appended_copy_can_be_replaced(moved: Delivery) -> None:
    """The second member holds the same content, so nothing stands against replacing both by one."""
    before = read_files(moved.origin)
    moved.make(Mode.MOVE, append=Append.MEMBER)
    moved.make(Mode.MOVE)
    assert read_files(moved.origin) == before
    assert moved.problems() == []


def test_links_into_a_package_that_is_gone_are_refused_by_name(moved: Delivery) -> None:
    links = links_below(moved.origin)
    shutil.rmtree(moved.path)
    found = refused_codes(moved)
    assert {code for code, _ in found} == {Code.LINK_DANGLING}
    single = {name for name in links if ".tsys" not in name}  # what is in tables is met by the scan, later
    assert {os.fsencode(moved.origin / name) for name in single} <= {path for _, path in found}


def test_links_in_a_table_into_a_package_that_is_gone_are_refused_by_name(delivery: Delivery) -> None:
    table = delivery.origin / f"X8c/{UID}.ms.tsys/table.f0"
    table.unlink()
    table.symlink_to(delivery.member / "calibration/gone")
    assert refused_codes(delivery) == [(Code.LINK_DANGLING, os.fsencode(table))]


def test_files_that_are_renamed_are_found_at_their_new_place(moved: Delivery) -> None:
    before = read_files(moved.origin)
    moved.make(Mode.HARD, include=(parse_include("scriptForImaging.py=qa"),))
    link = moved.origin / "scriptForImaging.py"
    assert link.readlink() == moved.member / "qa/scriptForImaging.py"
    assert read_files(moved.origin) == before
    assert moved.problems() == []


def test_rolling_back_a_second_run_leads_the_links_to_the_old_place(moved: Delivery) -> None:
    before, packaged = contents(moved.origin), contents(moved.path)
    moved.plan(Mode.HARD, include=(parse_include("scriptForImaging.py=qa"),))
    moved.apply(keep_previous=KeepPrevious.YES)
    roll_back(moved)
    assert (contents(moved.origin), contents(moved.path)) == (before, packaged)


def test_rolling_back_both_runs_gives_the_origin_back(delivery: Delivery) -> None:
    before = files(delivery.origin)
    delivery.make(Mode.MOVE)
    delivery.plan(Mode.MOVE)
    delivery.apply(keep_previous=KeepPrevious.YES)
    roll_back(delivery)
    roll_back(delivery)
    assert files(delivery.origin) == before
    assert not delivery.path.exists()


@pytest.mark.parametrize("mode", Mode)
def test_new_files_of_the_origin_come_in_beside_the_moved_ones(moved: Delivery, mode: Mode) -> None:
    write(moved.origin / "scriptForFluxCalibration.py", b"new")
    before = read_files(moved.origin)
    moved.make(mode)
    assert (moved.member / "script/scriptForFluxCalibration.py").exists()
    assert read_files(moved.origin) == before
    assert moved.problems() == []


def test_what_was_written_through_a_link_is_taken_over(moved: Delivery) -> None:
    (moved.origin / "scriptForImaging.py").write_bytes(b"edited through the link")
    moved.make(Mode.COPY)
    assert (moved.member / "script/scriptForImaging.py").read_bytes() == b"edited through the link"
    assert moved.problems() == []


# --- what may not be lost


def test_leaving_a_moved_file_out_is_refused_by_its_name(moved: Delivery) -> None:
    path = os.fsencode(moved.member / "script/scriptForImaging.py")
    assert refused_codes(moved, exclude=("scriptForImaging.py",)) == [(Code.ONLY_COPY, path)]


def test_replacing_with_another_origin_is_refused(moved: Delivery, tmp_path: Path) -> None:
    other = Delivery(make_reduction(tmp_path / "sb2", seed=2), moved.path)
    found = refused_codes(other)
    assert {code for code, _ in found} == {Code.ONLY_COPY}
    assert os.fsencode(moved.member / "script/scriptForImaging.py") in {path for _, path in found}


def test_replacing_with_another_origin_is_refused_after_a_second_run_too(moved: Delivery, tmp_path: Path) -> None:
    moved.make(Mode.HARD)
    other = Delivery(make_reduction(tmp_path / "sb2", seed=2), moved.path)
    assert {code for code, _ in refused_codes(other)} == {Code.ONLY_COPY}


def test_force_does_not_give_moved_files_up(moved: Delivery, tmp_path: Path) -> None:
    write(moved.path / "stranger", b"")
    other = Delivery(make_reduction(tmp_path / "sb2", seed=2), moved.path)
    assert {code for code, _ in refused_codes(other, force=True)} == {Code.ONLY_COPY}


def test_file_that_came_back_to_the_origin_with_the_same_content_is_moved_again(moved: Delivery) -> None:
    script = moved.origin / "scriptForImaging.py"
    data = script.read_bytes()
    script.unlink()
    write(script, data)
    moved.make(Mode.MOVE)
    assert script.is_symlink()
    assert moved.problems() == []


def test_file_that_was_rewritten_at_the_origin_does_not_replace_the_moved_one(moved: Delivery) -> None:
    """An editor that renames its new file over the link: what was moved is then only in the package."""
    script = moved.origin / "scriptForImaging.py"
    script.unlink()
    write(script, b"written anew")
    assert refused_codes(moved) == [(Code.ONLY_COPY, os.fsencode(moved.member / "script/scriptForImaging.py"))]


def refusal(capsys: Capsys, delivery: Delivery, *options: str) -> str:
    """Return what a plan over the package is refused with, without the breaks of lines."""
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--mode", "move", *options)
    assert ran.code == Exit.FAILED
    return " ".join(ran.err.split())


def test_refused_plan_of_the_origin_with_a_new_file_says_what_works(capsys: Capsys, moved: Delivery) -> None:
    script, packaged = moved.origin / "scriptForImaging.py", moved.member / "script/scriptForImaging.py"
    before = packaged.read_bytes()
    script.unlink()
    write(script, b"written anew")
    told = refusal(capsys, moved)
    assert "this origin, which has other files in their place" in told
    assert "Plan with the origin they came from" not in told
    assert told.endswith(f"then plan again: pack plan {moved.origin} {moved.path} --mode move")
    packaged.rename(moved.path.parent / "old")
    assert run_here(capsys, *shlex.split(told[told.rindex("pack plan") :])[1:]).code == Exit.DONE
    moved.apply()
    assert (packaged.read_bytes(), (moved.path.parent / "old").read_bytes()) == (b"written anew", before)
    assert moved.problems() == []


def test_refused_plan_that_leaves_a_symlink_out_says_what_works(capsys: Capsys, moved: Delivery) -> None:
    told = refusal(capsys, moved, "--exclude", "scriptForImaging.py")
    assert "the plan leaves these out" in told
    assert "other files in their place" not in told
    assert "Plan with the origin they came from" not in told
    link = moved.origin / "scriptForImaging.py"
    (moved.member / "script/scriptForImaging.py").replace(link)  # in the place of its symlink
    assert not link.is_symlink()
    moved.plan(Mode.MOVE, exclude=("scriptForImaging.py",))
    moved.apply()
    assert moved.problems() == []


def test_refused_plan_of_another_origin_is_sent_to_the_first(capsys: Capsys, moved: Delivery, tmp_path: Path) -> None:
    other = Delivery(make_reduction(tmp_path / "sb2", seed=2), moved.path)
    assert "Plan with the origin they came from" in refusal(capsys, other)


def copy_elsewhere(moved: Delivery, tmp_path: Path) -> Delivery:
    """Return a delivery to the same package from a copy of the origin, with all content that the links lead to."""
    shutil.copytree(moved.origin, tmp_path / "sb2", symlinks=False)
    return Delivery(tmp_path / "sb2", moved.path)


@pytest.mark.parametrize("mode", Mode)
def test_replacing_with_a_copy_of_the_origin_is_refused_while_links_lead_to_the_files(
    moved: Delivery, tmp_path: Path, mode: Mode
) -> None:
    """The content would be safe in the copy, but links would lead to nothing, to placeholders or to the copy's."""
    moved_files = {os.fsencode(path) for path in links_below(moved.origin).values()}
    found = refused_codes(copy_elsewhere(moved, tmp_path), mode)
    assert set(found) == {(Code.ONLY_COPY, path) for path in moved_files}


def test_replacing_with_a_copy_of_an_origin_that_is_gone_loses_nothing(moved: Delivery, tmp_path: Path) -> None:
    other = copy_elsewhere(moved, tmp_path)
    before = read_files(moved.origin)
    shutil.rmtree(moved.origin)
    other.make(Mode.COPY)
    assert read_files(other.origin) == before
    assert lost_names(before, other) == []


def test_moved_file_that_was_written_to_since_is_not_safe_in_a_copy_from_before(
    moved: Delivery, tmp_path: Path
) -> None:
    other = copy_elsewhere(moved, tmp_path)
    (moved.member / "script/scriptForImaging.py").write_bytes(b"edited in the package")
    shutil.rmtree(moved.origin)
    assert refused_codes(other) == [(Code.ONLY_COPY, os.fsencode(moved.member / "script/scriptForImaging.py"))]


def test_moved_file_that_was_written_to_since_is_not_safe_among_placeholders(moved: Delivery, tmp_path: Path) -> None:
    """Neither its content is known nor theirs: that is no reason to take them for the same."""
    other = copy_elsewhere(moved, tmp_path)
    (moved.member / "script/scriptForImaging.py").write_bytes(b"edited in the package")
    shutil.rmtree(moved.origin)
    path = os.fsencode(moved.member / "script/scriptForImaging.py")
    assert (Code.ONLY_COPY, path) in refused_codes(other, Mode.FAKE)


def test_refusal_names_the_origin_of_the_last_copy(moved: Delivery) -> None:
    with pytest.raises(Refused) as caught:
        moved.plan(Mode.HARD, exclude=("scriptForImaging.py",))
    assert [problem.found for problem in caught.value.problems] == [str(moved.origin)]


def test_linked_file_is_refused_though_an_equal_one_without_a_link_is_safe(delivery: Delivery) -> None:
    data = (delivery.origin / "scriptForImaging.py").read_bytes()
    write(delivery.origin / "scriptForImagingAgain.py", data)
    delivery.make(Mode.MOVE)
    (delivery.origin / "scriptForImagingAgain.py").unlink()
    write(delivery.origin / "scriptForOther.py", data)
    path = os.fsencode(delivery.member / "script/scriptForImaging.py")
    assert refused_codes(delivery, exclude=("scriptForImaging.py",)) == [(Code.ONLY_COPY, path)]


def test_moved_file_is_safe_where_its_link_leads_to_an_equal_file_now(moved: Delivery) -> None:
    script = moved.origin / "scriptForImaging.py"
    write(moved.origin / "scriptForOther.py", script.read_bytes())
    script.unlink()
    script.symlink_to("scriptForOther.py")
    moved.make(Mode.HARD)
    assert moved.problems() == []


def test_leaving_out_one_of_two_links_with_equal_files_is_refused(delivery: Delivery) -> None:
    write(delivery.origin / "scriptForImagingAgain.py", (delivery.origin / "scriptForImaging.py").read_bytes())
    delivery.make(Mode.MOVE)
    path = os.fsencode(delivery.member / "script/scriptForImagingAgain.py")
    assert refused_codes(delivery, exclude=("scriptForImagingAgain.py",)) == [(Code.ONLY_COPY, path)]
    (delivery.origin / "scriptForImagingAgain.py").unlink()
    delivery.make(Mode.HARD)
    assert delivery.problems() == []


def test_file_from_outside_that_a_move_left_in_place_does_not_prevent_replacing(
    delivery: Delivery, tmp_path: Path
) -> None:
    outside = write(tmp_path / "shared/scriptForFlux.py", b"shared")
    (delivery.origin / "scriptForFlux.py").symlink_to(outside)
    delivery.make(Mode.MOVE, follow_outside=True)
    assert outside.is_file() and not outside.is_symlink()
    outside.write_bytes(b"changed")
    delivery.make(Mode.MOVE, follow_outside=True)
    assert (delivery.member / "script/scriptForFlux.py").read_bytes() == b"changed"


# --- measurement sets


@pytest.mark.parametrize("mode", Mode)
def test_replacing_measurement_sets_that_were_moved(moved_sets: Delivery, mode: Mode) -> None:
    before = read_files(moved_sets.origin)
    moved_sets.make(mode)
    assert read_files(moved_sets.origin) == before
    assert moved_sets.problems() == []


def test_second_run_makes_the_same_measurement_sets(moved_sets: Delivery) -> None:
    first = contents(moved_sets.member)
    moved_sets.make(Mode.HARD)
    assert {p: t for p, t in contents(moved_sets.member).items() if p != "README"} == {
        p: t for p, t in first.items() if p != "README"
    }


@pytest.mark.parametrize("mode", REAL)
def test_appending_measurement_sets_that_were_moved(moved_sets: Delivery, mode: Mode) -> None:
    before, first = read_files(moved_sets.origin), contents(moved_sets.member)
    moved_sets.plan(mode, append=Append.MEMBER)
    added = moved_sets.path / "sg_ouss_id" / os.fsdecode(moved_sets.apply().member)
    assert {p: t for p, t in contents(added).items() if p != "README"} == {
        p: t for p, t in first.items() if p != "README"
    }
    assert read_files(moved_sets.origin) == before
    assert moved_sets.problems() == []


def test_tables_that_were_moved_whole_are_not_split_away(delivery: Delivery) -> None:
    add_measurement_sets(delivery.origin)
    before = read_files(delivery.origin)
    delivery.make(Mode.MOVE, no_split=True)
    assert {code for code, _ in refused_codes(delivery)} == {Code.ONLY_COPY}
    delivery.make(Mode.HARD, no_split=True)
    assert lost_names(before, delivery) == []
    assert read_files(delivery.origin) == before
