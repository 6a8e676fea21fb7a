"""Bad input: each is refused with one message and the fitting exit code, and nothing is changed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from qa2pack.executor.transaction.lock import locked_for_writing
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code
from qa2pack.pack.exit_codes import Exit
from support.commands import Ran, run_here
from support.file_systems import folder_elsewhere
from support.in_process import UID, Delivery, add_measurement_sets, write
from support.printed_commands import mixed_lines
from support.snapshots import contents, snapshot

Capsys = pytest.CaptureFixture[str]
Prepare = Callable[[Delivery], list[str | Path]]


def _origin_missing(delivery: Delivery) -> list[str | Path]:
    return [delivery.origin.parent / "nowhere", delivery.path]


def _origin_is_a_file(delivery: Delivery) -> list[str | Path]:
    return [delivery.origin / "scriptForImaging.py", delivery.path]


def _no_block_left(delivery: Delivery) -> list[str | Path]:
    shutil.rmtree(delivery.origin / "X8c")
    return [delivery.origin, delivery.path]


def _readme_missing(delivery: Delivery) -> list[str | Path]:
    return [delivery.origin, delivery.path, "--readme", delivery.origin / "no.txt"]


def _destination_is_foreign(delivery: Delivery) -> list[str | Path]:
    write(delivery.path / "thesis.tex", b"the only copy")
    return [delivery.origin, delivery.path]


def _destination_is_a_file(delivery: Delivery) -> list[str | Path]:
    write(delivery.path, b"the only copy")
    return [delivery.origin, delivery.path, "--append", "member"]


def _destination_is_not_adopted(delivery: Delivery) -> list[str | Path]:
    delivery.make(Mode.COPY)
    shutil.rmtree(delivery.package.control)
    return [delivery.origin, delivery.path]


def _destination_folder_missing(delivery: Delivery) -> list[str | Path]:
    return [delivery.origin, delivery.path.parent / "nowhere" / "P"]


def _package_in_origin(delivery: Delivery) -> list[str | Path]:
    return [delivery.origin, delivery.origin / "X8c" / "P"]


def _origin_in_package(delivery: Delivery) -> list[str | Path]:
    return [delivery.origin / "X8c", delivery.origin]


def _mount_point(delivery: Delivery) -> list[str | Path]:
    return [delivery.origin, "/proc"]


def _two_sources_meet(delivery: Delivery) -> list[str | Path]:
    for block in ("X1", "X2"):
        write(delivery.origin / block / f"uid___A002_X3dc0e7_{block}.ms.scriptForCalibration.py", b"")
        write(delivery.origin / block / "X8c.qa2.pdf", block.encode())
    return [delivery.origin, delivery.path]


def _dangling_link(delivery: Delivery) -> list[str | Path]:
    (delivery.origin / "lost.fits").symlink_to("nowhere")
    return [delivery.origin, delivery.path]


def _link_in_a_circle(delivery: Delivery) -> list[str | Path]:
    (delivery.origin / "self.fits").symlink_to("self.fits")
    return [delivery.origin, delivery.path]


def _link_leads_outside(delivery: Delivery) -> list[str | Path]:
    (delivery.origin / "far.fits").symlink_to(write(delivery.origin.parent / "far.fits", b"x"))
    return [delivery.origin, delivery.path]


def _pipe(delivery: Delivery) -> list[str | Path]:
    os.mkfifo(delivery.origin / "pipe.fits")
    return [delivery.origin, delivery.path]


def _name_too_long(delivery: Delivery) -> list[str | Path]:
    write(delivery.origin / "X8c/qa2" / ("a" * 250 + ".png"), b"")
    return [delivery.origin, delivery.path, "--include", "a*.png=qa"]


def _broken_table(delivery: Delivery) -> list[str | Path]:
    write(delivery.origin / f"X8c/{UID}.ms.split/table.dat", b"no table")
    return [delivery.origin, delivery.path, "--mode", "hard"]


def _unknown_role(delivery: Delivery) -> list[str | Path]:
    return [delivery.origin, delivery.path, "--include", "*.txt=notes"]


def _unknown_layout(delivery: Delivery) -> list[str | Path]:
    return [delivery.origin, delivery.path, "--layout", "cycle99"]


def _strict_about_names(delivery: Delivery) -> list[str | Path]:
    write(delivery.origin / "a b.fits", b"")
    return [delivery.origin, delivery.path, "--strict"]


REFUSED_PLANS: tuple[tuple[Prepare, Code], ...] = (
    (_origin_missing, Code.ORIGIN_MISSING),
    (_origin_is_a_file, Code.ORIGIN_NOT_FOLDER),
    (_no_block_left, Code.NO_PLACE),
    (_readme_missing, Code.README_MISSING),
    (_destination_is_foreign, Code.NOT_A_PACKAGE),
    (_destination_is_a_file, Code.NOT_A_PACKAGE),
    (_destination_is_not_adopted, Code.NOT_ADOPTED),
    (_destination_folder_missing, Code.DESTINATION_MISSING),
    (_package_in_origin, Code.NESTED),
    (_origin_in_package, Code.NESTED),
    (_mount_point, Code.MOUNT_POINT),
    (_two_sources_meet, Code.COLLISION),
    (_dangling_link, Code.LINK_DANGLING),
    (_link_in_a_circle, Code.LINK_LOOP),
    (_link_leads_outside, Code.LINK_OUTSIDE),
    (_pipe, Code.SPECIAL_FILE),
    (_name_too_long, Code.NAME_TOO_LONG),
    (_broken_table, Code.TABLE_BROKEN),
    (_unknown_role, Code.UNKNOWN_ROLE),
    (_unknown_layout, Code.UNKNOWN_LAYOUT),
    (_strict_about_names, Code.W_NAME),
)


@pytest.mark.parametrize(("prepare", "code"), REFUSED_PLANS)
def test_plan_is_refused(capsys: Capsys, delivery: Delivery, prepare: Prepare, code: Code) -> None:
    arguments = prepare(delivery)
    before = snapshot(delivery.origin.parent)
    ran = run_here(capsys, "plan", *arguments)
    _assert_refused(ran, code)
    assert snapshot(delivery.origin.parent) == before


def _assert_refused(ran: Ran, code: Code) -> None:
    assert ran.code == Exit.FAILED
    assert ran.out == ""
    assert ran.err.count(f"  {code}: ") == 1
    assert "Nothing was changed." in ran.err
    assert "    do: " in ran.err
    assert "Traceback" not in ran.err
    assert mixed_lines(ran.err.splitlines()) == []


def test_collision_names_both_sources(capsys: Capsys, delivery: Delivery) -> None:
    err = run_here(capsys, "plan", *_two_sources_meet(delivery)).err
    assert "qa/X8c.qa2.pdf: expected X1/X8c.qa2.pdf, found X2/X8c.qa2.pdf" in err


def test_refusal_reports_all_problems_at_once(capsys: Capsys, delivery: Delivery) -> None:
    _dangling_link(delivery)
    err = run_here(capsys, "plan", *_pipe(delivery)).err
    assert "refused, 2 problems." in err
    assert str(delivery.origin / "lost.fits") in err
    assert str(delivery.origin / "pipe.fits") in err


def test_hard_links_to_another_file_system_are_refused(capsys: Capsys, delivery: Delivery) -> None:
    with folder_elsewhere(delivery.origin) as elsewhere:
        package = elsewhere / "2011.0.00229.S"
        ran = run_here(capsys, "plan", delivery.origin, package, "--mode", "hard")
        _assert_refused(ran, Code.CROSS_DEVICE)
        assert "--mode copy" in ran.err
        assert not package.with_name(package.name + ".pack").exists()


def test_apply_without_a_plan_is_refused(capsys: Capsys, delivery: Delivery) -> None:
    before = snapshot(delivery.origin.parent)
    _assert_refused(run_here(capsys, "apply", delivery.path), Code.PLAN_MISSING)
    assert snapshot(delivery.origin.parent) == before


@pytest.mark.parametrize("verb", ["verify", "show", "adopt", "rollback"])
@pytest.mark.parametrize("name", ["nowhere", "sb1"])
def test_what_is_no_package_is_refused(capsys: Capsys, delivery: Delivery, verb: str, name: str) -> None:
    before = snapshot(delivery.origin.parent)
    _assert_refused(run_here(capsys, verb, delivery.origin.parent / name), Code.PACKAGE_MISSING)
    assert snapshot(delivery.origin.parent) == before


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("damage", "words", "code", "advice"),
    [
        (lambda data: data[:-1], "truncated", "plan-damaged", "pack plan ORIGIN"),
        (_flipped, "damaged", "plan-damaged", "pack plan ORIGIN"),
        (lambda data: b"something else", "is not a plan or manifest", "plan-damaged", "pack plan ORIGIN"),
        (
            lambda data: data[:8] + b"\xff\x00" + data[10:],
            "use a newer one",
            "plan-newer",
            "Install the newest version",
        ),
    ],
)
def test_unusable_plan_is_refused(
    capsys: Capsys, delivery: Delivery, damage: Callable[[bytes], bytes], words: str, code: str, advice: str
) -> None:
    delivery.plan()
    plan = Path(os.fsdecode(delivery.package.plan))
    plan.write_bytes(damage(plan.read_bytes()))
    ran = run_here(capsys, "apply", delivery.path)
    assert ran.code == Exit.FAILED
    assert [
        word for word in (words, str(plan), "Nothing was changed.", f"{code}: ", advice) if word not in ran.err
    ] == []
    assert ("pack plan ORIGIN" in ran.err) == (advice == "pack plan ORIGIN"), "it would replace what a newer one made"
    assert not delivery.path.exists()


def test_plan_for_another_state_of_the_package_is_refused(capsys: Capsys, delivery: Delivery) -> None:
    delivery.plan()
    write(delivery.path / "sg_ouss_id/group_ouss_id/member_ouss_id/README", b"")
    before = contents(delivery.path)
    _assert_refused(run_here(capsys, "apply", delivery.path), Code.PLAN_STALE)
    assert contents(delivery.path) == before


def test_origin_that_changed_since_is_refused(capsys: Capsys, delivery: Delivery) -> None:
    delivery.plan()
    write(delivery.origin / "scriptForImaging.py", b"longer than it was by far" * 1000)
    before = snapshot(delivery.origin)
    ran = run_here(capsys, "apply", delivery.path)
    assert ran.code == Exit.FAILED
    assert str(delivery.origin / "scriptForImaging.py") in ran.err
    assert f"pack plan {delivery.origin} {delivery.path} --mode hard\n" in ran.err
    assert not delivery.path.exists()
    # Names, contents, times: linking, which is rolled back, may have changed link counts.
    assert contents(delivery.origin).keys() == before.keys()


def test_second_writer_is_refused_at_once(capsys: Capsys, delivery: Delivery) -> None:
    delivery.plan()
    with locked_for_writing(lock_path(delivery.package)):
        ran = run_here(capsys, "apply", delivery.path)
    assert ran.code == Exit.LOCKED
    assert f"process {os.getpid()} on " in ran.err
    assert not delivery.path.exists()


def test_damaged_manifest_is_a_problem_that_verify_finds(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    (manifest,) = Path(os.fsdecode(delivery.package.manifests)).iterdir()
    manifest.write_bytes(_flipped(manifest.read_bytes()))
    ran = run_here(capsys, "verify", delivery.path)
    assert ran.code == Exit.PROBLEMS
    assert ran.out.startswith("manifest-damaged sg_ouss_id/group_ouss_id/member_ouss_id: ")


def test_broken_table_is_packaged_whole_if_requested(capsys: Capsys, delivery: Delivery) -> None:
    assert run_here(capsys, "plan", *_broken_table(delivery), "--as-is").code == Exit.DONE


def test_broken_table_is_a_warning_in_fake_mode(capsys: Capsys, delivery: Delivery) -> None:
    add_measurement_sets(delivery.origin)
    write(delivery.origin / f"X8c/{UID}.ms.split/table.dat", b"no table")
    ran = run_here(capsys, "plan", delivery.origin, delivery.path)
    assert ran.code == Exit.DONE
    assert "warning-table-unreadable" in ran.out


def test_link_that_leads_outside_is_packaged_if_requested(capsys: Capsys, delivery: Delivery) -> None:
    assert run_here(capsys, "plan", *_link_leads_outside(delivery), "--follow-outside").code == Exit.DONE


def test_foreign_destination_is_replaced_only_by_force(capsys: Capsys, delivery: Delivery) -> None:
    ran = run_here(capsys, "plan", *_destination_is_foreign(delivery), "--force")
    assert ran.code == Exit.DONE
    assert "EVERYTHING there is removed" in ran.out
    assert (delivery.path / "thesis.tex").exists()
