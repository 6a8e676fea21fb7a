"""What was taken for a package, or for a reduction, is reported as what it is."""

import shutil
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import Delivery, write
from support.snapshots import snapshot

Capsys = pytest.CaptureFixture[str]


def refused(capsys: Capsys, *words: str | Path) -> str:
    """Run a command that is refused, and return what it prints on one line."""
    ran = run_here(capsys, *words)
    assert ran.code == Exit.FAILED
    assert "Nothing was changed." in ran.err
    return " ".join(ran.err.split())


@pytest.mark.parametrize("verb", ["verify", "show", "adopt", "rollback", "report"])
@pytest.mark.parametrize(
    "place",
    [
        "{0}.pack",
        "{0}.pack/manifests",
        "{0}.pack/manifests/group_ouss_id.member_ouss_id.manifest",
        "{0}.ticket.tar",
        "{0}.ticket.zip",
        "{0}/sg_ouss_id",
        "{0}/sg_ouss_id/group_ouss_id/member_ouss_id/qa",
        "{0}/sg_ouss_id/group_ouss_id/member_ouss_id/README",
    ],
)
def test_part_of_a_package_is_reported_with_the_package(
    capsys: Capsys, delivery: Delivery, verb: str, place: str
) -> None:
    delivery.make()
    before = snapshot(delivery.origin.parent)
    reported = refused(capsys, verb, place.format(delivery.path))
    assert f": found a part of {delivery.path} " in reported
    assert "Name the package itself." in reported
    assert "pack plan" not in reported
    assert snapshot(delivery.origin.parent) == before


def test_control_folder_reports_its_package_that_is_away(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    shutil.rmtree(delivery.path)
    assert f": found a part of {delivery.path} " in refused(capsys, "verify", f"{delivery.path}.pack")
    assert f": found a part of {delivery.path} " in refused(capsys, "verify", f"{delivery.path}.ticket.zip")


def test_manifest_of_a_delivery_is_reported_as_one(capsys: Capsys, tmp_path: Path) -> None:
    reported = refused(capsys, "verify", write(tmp_path / "P_2012-06-20.manifest", b""))
    assert ": found a manifest " in reported
    assert "tarsplit --check FOLDER" in reported


def test_what_has_only_such_a_name_is_no_part_of_a_package(capsys: Capsys, tmp_path: Path) -> None:
    (tmp_path / "P.pack").mkdir()
    (tmp_path / "Q.manifest").mkdir()
    for path in (tmp_path / "P.pack", tmp_path / "Q.manifest", write(tmp_path / "R.ticket.tar", b"")):
        assert "package-missing: " in refused(capsys, "verify", path)


@pytest.mark.parametrize("verb", ["plan", "diff"])
@pytest.mark.parametrize("mode", [Mode.COPY, Mode.MOVE])
def test_swapped_origin_and_package_are_reported(capsys: Capsys, delivery: Delivery, verb: str, mode: Mode) -> None:
    delivery.make(mode)
    before = snapshot(delivery.origin.parent)
    reported = refused(capsys, verb, delivery.path, delivery.origin)
    assert "are they swapped?" in reported
    assert f"first the reduction: {delivery.origin} {delivery.path}" in reported
    assert "--force" not in reported
    assert snapshot(delivery.origin.parent) == before


def test_swapped_origin_and_package_are_refused_with_force_too(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    before = snapshot(delivery.origin.parent)
    assert "are they swapped?" in refused(capsys, "plan", delivery.path, delivery.origin, "--force")
    assert snapshot(delivery.origin.parent) == before
