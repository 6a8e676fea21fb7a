"""A manifest that cannot be used is one problem with one remedy, whichever command meets it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import Delivery
from support.snapshots import contents

Capsys = pytest.CaptureFixture[str]

# Each command that needs the manifests, and how it ends: with problems, where all the rest of its work can be done.
ENDS = {
    ("verify", "PACKAGE"): Exit.PROBLEMS,
    ("show", "PACKAGE"): Exit.PROBLEMS,
    ("show", "PACKAGE", "--files"): Exit.PROBLEMS,
    ("report", "PACKAGE"): Exit.PROBLEMS,
    ("export", "PACKAGE", "--format", "xxhsum"): Exit.FAILED,
    ("export", "PACKAGE", "--format", "json"): Exit.FAILED,
    ("diff", "ORIGIN", "PACKAGE"): Exit.FAILED,
    ("adopt", "PACKAGE"): Exit.FAILED,
    ("plan", "ORIGIN", "PACKAGE"): Exit.FAILED,
    ("plan", "ORIGIN", "PACKAGE", "--append", "member"): Exit.FAILED,
    ("tarsplit", "-n", "2012-06-20", "PACKAGE"): Exit.FAILED,
}


def _truncated(manifest: Path) -> None:
    os.truncate(manifest, 100)


def _flipped_in_the_middle(manifest: Path) -> None:
    data = bytearray(manifest.read_bytes())
    data[len(data) // 2] ^= 1
    manifest.write_bytes(data)


def _of_another_program(manifest: Path) -> None:
    manifest.write_text("no manifest\n")


def typed(delivery: Delivery, command: tuple[str, ...]) -> list[str]:
    places = {"ORIGIN": delivery.origin, "PACKAGE": delivery.path}
    return [os.fspath(places.get(word, word)) for word in command]


def manifest_of(delivery: Delivery, member: bytes = b"group_ouss_id/member_ouss_id") -> Path:
    return Path(os.fsdecode(delivery.package.manifest(member)))


@pytest.mark.parametrize("damage", [_truncated, _flipped_in_the_middle, _of_another_program])
@pytest.mark.parametrize(("command", "end"), ENDS.items(), ids=map(" ".join, ENDS))
def test_damaged_manifest_is_reported(
    capsys: Capsys,
    delivery: Delivery,
    command: tuple[str, ...],
    end: Exit,
    damage: Callable[[Path], None],
) -> None:
    delivery.make(Mode.COPY)
    damage(manifest_of(delivery))
    before = contents(delivery.path.parent)
    ran = run_here(capsys, *typed(delivery, command))
    report = Path(f"{delivery.path}.report.html")
    reported = ran.out + ran.err + (report.read_text() if report.exists() else "")
    report.unlink(missing_ok=True)
    assert ran.code == end
    assert "manifest-damaged: The manifest of this member cannot be used." in reported
    assert contents(delivery.path.parent) == before


@pytest.mark.parametrize("damage", [_truncated, _flipped_in_the_middle])
@pytest.mark.parametrize("command", [each for each in ENDS if each[0] != "report"], ids=" ".join)
def test_remedy_is_reported_with_it(
    capsys: Capsys, delivery: Delivery, command: tuple[str, ...], damage: Callable[[Path], None]
) -> None:
    delivery.make(Mode.COPY)
    damage(manifest_of(delivery))
    ran = run_here(capsys, *typed(delivery, command))
    text = " ".join((ran.out + ran.err).split())
    advised = "make a new one; with --layout where the member is not of cycle0:"
    assert f"{advised} rm {manifest_of(delivery)} pack adopt {delivery.path}" in text


def test_other_members_are_shown(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    delivery.make(Mode.COPY, append=Append.MEMBER)
    _flipped_in_the_middle(manifest_of(delivery))
    ran = run_here(capsys, "show", delivery.path)
    assert (ran.code, ran.out.count(f"  from     {delivery.origin}")) == (Exit.PROBLEMS, 1)
    assert run_here(capsys, "show", delivery.path, "--member", "member_ouss_id2").code == Exit.DONE


def test_json_of_show_holds_the_problem(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    _truncated(manifest_of(delivery))
    fields = json.loads(run_here(capsys, "show", delivery.path, "--json").out)
    assert (fields["exit_code"], [each["code"] for each in fields["problems"]]) == (3, ["manifest-damaged"])
    assert fields["members"][0]["manifest_fault"].startswith("is truncated")
