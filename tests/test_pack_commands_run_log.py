"""The log of a run: what is in it, where it may not lie, and that it never stops the work."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from QA2_Packaging_module import QA_Packager
from qa2pack.pack.dropin import PackagingError
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.tarsplit_command import main as tarsplit
from support.commands import ROOT, run_here
from support.in_process import Delivery
from support.snapshots import snapshot

Capsys = pytest.CaptureFixture[str]
_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING|ERROR) \d+ \w+: .*")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "log.txt"


@pytest.fixture(autouse=True)
def _folder_of_logs(log: Path) -> None:
    log.parent.mkdir()


def test_log_reports_command_versions_phases_output_and_end(capsys: Capsys, delivery: Delivery, log: Path) -> None:
    out = run_here(capsys, "plan", delivery.origin, delivery.path, "--mode", "hard", "--log", log).out
    text = log.read_text()
    assert [line for line in text.splitlines() if not _LINE.fullmatch(line)] == []
    assert f" INFO {os.getpid()} plan: begin: pack plan {delivery.origin} {delivery.path} --mode hard --log" in text
    assert re.search(r"qa2pack \S+, Python 3\S+, Linux", text)
    assert re.search(r"msgpack \d.*, python-casacore \d", text)
    assert re.search(r"plan: phase scan and hash: ended, 14 files, \d+ bytes in", text)
    assert [line for line in out.splitlines() if f" plan: {line}\n" not in text] == []
    assert re.search(r" INFO \d+ plan: end: exit code 0, after ", text.splitlines()[-1])


def test_log_is_added_to(capsys: Capsys, delivery: Delivery, log: Path) -> None:
    log.write_text("here before\n")
    run_here(capsys, "plan", delivery.origin, delivery.path, "--log", log)
    run_here(capsys, "apply", delivery.path, "--log", log)
    lines = log.read_text().splitlines()
    assert lines[0] == "here before"
    assert [line.split()[3] for line in lines if " begin: " in line] == ["plan:", "apply:"]


def test_failure_is_logged_with_its_words_and_its_code(capsys: Capsys, delivery: Delivery, log: Path) -> None:
    run_here(capsys, "verify", delivery.path, "--log", log)
    text = log.read_text()
    assert "WARNING" in text
    assert "package-missing: There is no package here." in text
    assert re.search(r" ERROR \d+ verify: end: exit code 1, after", text)


def test_mistake_on_the_command_line_is_logged(capsys: Capsys, delivery: Delivery, log: Path) -> None:
    run_here(capsys, "export", delivery.path, "--format", "bagit", "--log", log)
    assert "a bag is made by itself" in log.read_text()
    assert "end: exit code 2" in log.read_text()


def test_log_can_come_from_the_environment(
    capsys: Capsys, delivery: Delivery, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACK_LOG", str(log))
    run_here(capsys, "status", delivery.path)
    assert "status: end: exit code 0" in log.read_text()


def test_tarsplit_has_a_log(delivery: Delivery, log: Path) -> None:
    delivery.make()
    tarsplit(["-n", "2012-06-20", str(delivery.path), "-q", "--output", str(log.parent), "--log", str(log)])
    assert "tarsplit: begin: tarsplit -n 2012-06-20 " in log.read_text()
    assert "tarsplit: end: exit code 0" in log.read_text()


def test_name_that_holds_a_new_line_makes_no_line_of_its_own(capsys: Capsys, delivery: Delivery, log: Path) -> None:
    run_here(capsys, "verify", delivery.path.parent / "a\nb\x1b[31m", "--log", log)
    text = log.read_text()
    assert [line for line in text.splitlines() if not _LINE.fullmatch(line)] == []
    assert "\x1b" not in text


def test_place_inside_the_origin_or_package_is_refused(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    delivery.plan()
    (delivery.origin.parent / "alias").symlink_to(delivery.origin)
    before = snapshot(delivery.origin.parent)
    for place in (delivery.origin / "log", delivery.path / "log", f"{delivery.path}.pack/log", "alias/log"):
        for command in (("plan", delivery.origin, delivery.path), ("apply", delivery.path)):
            ran = run_here(capsys, *command, "--log", delivery.origin.parent / place)
            assert (ran.code, "output-protected: " in ran.err) == (Exit.USAGE, True)
    assert snapshot(delivery.origin.parent) == before


@pytest.mark.parametrize("place", ["/dev/full", "/nowhere/log"])
def test_log_that_cannot_be_written_stops_nothing(capsys: Capsys, delivery: Delivery, place: str) -> None:
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--log", place)
    assert ran.code == Exit.DONE
    assert len(re.findall(rf"No log is written \(.+\): {place}; the work goes on\.", ran.err)) == 1
    assert "pack apply" in ran.out


def test_call_of_old_has_a_log(delivery: Delivery, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACK_LOG", str(log))
    QA_Packager(str(delivery.origin), None, str(delivery.path))
    text = log.read_text()
    assert f"QA_Packager: begin: QA_Packager(origpath='{delivery.origin}'" in text
    assert "QA_Packager: Packaged: " in text
    assert "QA_Packager: end: done" in text


def test_failure_of_the_call_of_old_is_logged(delivery: Delivery, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACK_LOG", str(log))
    shutil.rmtree(delivery.origin / "X8c")
    with pytest.raises(PackagingError):
        QA_Packager(str(delivery.origin), None, str(delivery.path))
    assert re.search(r" ERROR \d+ QA_Packager:   no-place: ", log.read_text())


def test_call_of_old_refuses_a_log_in_the_origin(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACK_LOG", str(delivery.origin / "log"))
    with pytest.raises(PackagingError, match="a place in the origin"):
        QA_Packager(str(delivery.origin), None, str(delivery.path))
    assert not delivery.path.exists()


def test_bytes_that_are_exported_are_not_logged(delivery: Delivery, log: Path) -> None:
    delivery.make()
    command = [
        sys.executable,
        "-m",
        "qa2pack.pack",
        "export",
        str(delivery.path),
        "--format",
        "md5sum",
        "--log",
        str(log),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=600)
    assert b"README" in ran.stdout
    assert "README" not in log.read_text()
