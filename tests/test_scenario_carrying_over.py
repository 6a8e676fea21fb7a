"""What a plan of placeholders keeps of a package that files were moved to."""

import json

import pytest

from qa2pack.manifest.actions import Mode
from support.commands import run_here
from support.in_process import Delivery

Capsys = pytest.CaptureFixture[str]


@pytest.mark.parametrize("mode", ["fake", "ticket"])
def test_moved_files_are_distinguished_from_placeholders(capsys: Capsys, delivery: Delivery, mode: str) -> None:
    delivery.make(Mode.MOVE)
    moved = [path for path in delivery.member.rglob("*") if path.is_file() and path.name != "README"]
    fields = json.loads(run_here(capsys, "plan", delivery.origin, delivery.path, "--mode", mode, "--json").out)
    assert fields["carried_count"] == len(moved)
    assert fields["carried_bytes"] == sum(path.stat().st_size for path in moved)
    lines = run_here(capsys, "plan", delivery.origin, delivery.path, "--mode", mode).out.splitlines()
    (number,) = [number for number, line in enumerate(lines) if line.startswith("  mode ")]
    assert lines[number + 1].startswith(f"           {len(moved)} files, ")
    assert lines[number + 1].endswith(" moved there earlier: kept as they are")


@pytest.mark.parametrize("before", [Mode.HARD, Mode.FAKE])
def test_nothing_is_kept_where_nothing_was_moved(capsys: Capsys, delivery: Delivery, before: Mode) -> None:
    delivery.make(before)
    out = run_here(capsys, "plan", delivery.origin, delivery.path).out
    assert "moved there earlier" not in out
