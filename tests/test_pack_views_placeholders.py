"""Nobody takes empty files for the data: apply, show and status tell of them."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from support.commands import run_here
from support.in_process import Delivery

Capsys = pytest.CaptureFixture[str]


def applied(capsys: Capsys, delivery: Delivery, mode: Mode) -> str:
    """Plan and apply, and return the first line that is printed then."""
    delivery.plan(mode)
    return run_here(capsys, "apply", delivery.path).out.splitlines()[0]


def printed(capsys: Capsys, command: str, delivery: Delivery) -> str:
    return run_here(capsys, command, delivery.path).out


def test_apply_reports_that_all_files_are_empty(capsys: Capsys, delivery: Delivery) -> None:
    line = applied(capsys, delivery, Mode.FAKE)
    files = [path for path in delivery.path.rglob("*") if path.is_file()]
    assert {path.stat().st_size for path in files} == {0}
    assert line.startswith(f"Packaged: {len(files)} placeholders (mode fake; the real files have ")
    assert line.endswith("), in")


def test_apply_reports_how_many_files_are_empty(capsys: Capsys, delivery: Delivery) -> None:
    line = applied(capsys, delivery, Mode.TICKET)
    sizes = [path.stat().st_size for path in delivery.path.rglob("*") if path.is_file()]
    assert line.startswith(f"Packaged: {len(sizes)} files, {sum(sizes) / 1024:.1f} KiB; ")
    assert line.endswith(f"; {sizes.count(0)} of them placeholders (mode ticket), in")


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD, Mode.MOVE])
def test_nothing_is_reported_as_empty_where_nothing_is(capsys: Capsys, delivery: Delivery, mode: Mode) -> None:
    reported = (
        applied(capsys, delivery, mode) + printed(capsys, "show", delivery) + printed(capsys, "status", delivery)
    )
    assert "placeholder" not in reported
    assert f"mode     {mode}\n" in reported


def test_show_reports_what_is_empty(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    assert "mode     fake: the files are placeholders; sizes are those of the real files\n" in printed(
        capsys, "show", delivery
    )
    delivery.make(Mode.TICKET)
    assert "mode     ticket: all files but README, qa and script are placeholders; " in printed(
        capsys, "show", delivery
    )


def test_status_reports_how_many_members_are_of_empty_files(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    delivery.make(Mode.HARD, append=Append.MEMBER)
    assert "\n  in 1 member the files are placeholders (mode fake)\n" in printed(capsys, "status", delivery)


def test_status_passes_over_a_damaged_manifest(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    (manifest,) = Path(os.fsdecode(delivery.package.manifests)).iterdir()
    os.truncate(manifest, 0)
    assert "there is a package of 1 member\n" in printed(capsys, "status", delivery)
