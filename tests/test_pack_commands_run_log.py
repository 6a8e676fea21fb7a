"""The log of a run: what is in it, where it may not lie, and that it never stops the work."""

import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from QA2_Packaging_module import QA_Packager
from qa2pack.executor.engine.local import PoolEngine
from qa2pack.manifest.event import LOGGER, Level, log_event
from qa2pack.pack import api
from qa2pack.pack.cli import COMMANDS
from qa2pack.pack.command_tree import command_tree
from qa2pack.pack.commands.run_log import LogChoice, run_logged
from qa2pack.pack.dropin import PackagingError
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.tarsplit_command import main as tarsplit
from qa2pack.pack.terminal.choices import LogFormat
from qa2pack.pack.terminal.log_file import LoggedStream
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


def test_log_has_the_version_of_everything_that_the_program_needs(
    capsys: Capsys, delivery: Delivery, log: Path
) -> None:
    run_here(capsys, "status", delivery.path, "--log", log, "--log-format", "json")
    (versions,) = (json.loads(line) for line in log.read_text().splitlines() if '"versions"' in line)
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split("[<>=]", each)[0] for each in needed} <= set(versions)


def test_log_is_added_to(capsys: Capsys, delivery: Delivery, log: Path) -> None:
    log.write_text("here before\n")
    run_here(capsys, "plan", delivery.origin, delivery.path, "--log", log)
    run_here(capsys, "apply", delivery.path, "--log", log)
    lines = log.read_text().splitlines()
    assert lines[0] == "here before"
    assert [line.split()[3] for line in lines if " begin: " in line] == ["plan:", "apply:"]


def test_line_that_broke_off_stays_a_line_of_its_own(capsys: Capsys, delivery: Delivery, log: Path) -> None:
    log.write_text('{"time": "20')
    run_here(capsys, "plan", delivery.origin, delivery.path, "--log", log, "--log-format", "json")
    begun, *lines = log.read_text().splitlines()
    assert begun == '{"time": "20'
    assert json.loads(lines[0])["event"] == "begin"


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


def test_place_inside_any_other_package_is_refused(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    (tmp_path / "link").symlink_to(delivery.path / "log")
    for place in (delivery.path / "log", f"{delivery.path}.pack/log", tmp_path / "link"):
        for command in (("plan", delivery.origin, tmp_path / "other"), ("audit", delivery.path.parent)):
            ran = run_here(capsys, *command, "--log", place)
            assert (ran.code, "output-protected: " in ran.err) == (Exit.USAGE, True)
    assert not (delivery.path / "log").exists()


def _paths() -> Iterator[tuple[str, str]]:
    for name, command in command_tree(COMMANDS).commands.items():
        yield from ((name, each.name) for each in command.params if each.name != "log" and _is_path(each))


def _is_path(param: Any) -> bool:
    return param.name == "source" or bool(
        re.search("FILE|DIR|KEY|FOLDER|ORIGIN|PACKAGE|ROOT|DELIVERY", param.metavar or "")
    )


@pytest.mark.parametrize(("name", "option"), list(_paths()))
def test_file_that_a_command_reads_or_writes_is_not_its_log(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [name]
    others = {"step": "show" if name == "config" else "plan", "format": "md5sum"}
    for param in command_tree(COMMANDS).commands[name].params:
        if param.required or param.name == option:
            words += [max(param.opts, key=len)] if param.param_type_name == "option" else []
            words.append("file" if param.name == option else others.get(param.name, "other"))
    ran = run_here(capsys, *words, "--log", "file")
    assert (ran.code, "--log: output-protected: " in ran.err) == (Exit.USAGE, True), (words, ran)
    assert sorted(os.listdir(tmp_path)) == ["logs"]


def test_tar_of_a_delivery_is_no_log_and_a_log_beside_it_is_one(capsys: Capsys, tmp_path: Path) -> None:
    (tmp_path / "1.tar").write_bytes(b"scriptForImaging.py")
    for place, code in (("1.tar", Exit.USAGE), ("log", Exit.FAILED), ("log", Exit.FAILED)):
        ran = run_here(capsys, "tarsplit", "--check", tmp_path, "--log", tmp_path / place)
        assert (ran.code, "output-protected" in ran.err) == (code, code == Exit.USAGE)
    assert (tmp_path / "1.tar").read_bytes() == b"scriptForImaging.py"


def test_header_of_a_call_of_old_is_no_log(
    delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "header").write_text("A header\n")
    monkeypatch.setenv("PACK_LOG", str(tmp_path / "header"))
    with pytest.raises(PackagingError, match="a file of readme"):
        QA_Packager(str(delivery.origin), str(tmp_path / "header"), str(delivery.path))
    assert (tmp_path / "header").read_text() == "A header\n"


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


def test_json_log_has_an_object_for_each_event(capsys: Capsys, delivery: Delivery, log: Path) -> None:
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--log", log, "--log-format", "json")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert {
        key for event in events for key in ("time", "level", "pid", "command", "event", "text") if key not in event
    } == set()
    kinds = [event["event"] for event in events]
    assert kinds[:4] == ["begin", "place", "program", "versions"]
    assert (kinds[-1], events[-1]["exit_code"]) == ("end", 0)
    (ended,) = [event for event in events if event["event"] == "phase-end"]
    assert (ended["phase"], ended["file_count"]) == ("scan", 14)
    assert [event["text"] for event in events if event["event"] == "output"] == ran.out.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", events[0]["time"])


def test_name_that_holds_a_new_line_is_escaped_in_a_json_log(capsys: Capsys, delivery: Delivery, log: Path) -> None:
    run_here(capsys, "verify", delivery.path.parent / "a\nb\udcff", "--log", log, "--log-format", "json")
    texts = [json.loads(line)["text"] for line in log.read_text().splitlines()]
    assert any("a\\nb\\xff" in text for text in texts)
    assert "\\ud" not in log.read_text()


def test_call_of_old_takes_the_form_of_the_log_from_the_environment(
    delivery: Delivery, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACK_LOG", str(log))
    monkeypatch.setenv("PACK_LOG_FORMAT", "xml")
    with pytest.raises(PackagingError, match="PACK_LOG_FORMAT"):
        QA_Packager(str(delivery.origin), None, str(delivery.path))
    monkeypatch.setenv("PACK_LOG_FORMAT", "json")
    QA_Packager(str(delivery.origin), None, str(delivery.path))
    assert next(json.loads(line)["event"] for line in log.read_text().splitlines()) == "begin"


def test_debug_adds_details_to_the_log_and_prints_nothing(capsys: Capsys, delivery: Delivery, log: Path) -> None:
    words = ("--log", log, "--log-format", "json", "--debug")
    run_here(capsys, "plan", delivery.origin, delivery.path, *words)
    printed = run_here(capsys, "apply", delivery.path, *words).err
    run_here(capsys, "verify", delivery.path.parent / "nothing", *words)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    details = {
        kind: [each for each in events if each["event"] == kind] for kind in ("file-system", "workers", "journal")
    }
    assert str(delivery.origin) in {each["path"] for each in details["file-system"]}
    assert {each["kind"] for each in details["file-system"]} != {""}
    assert details["workers"][0]["jobs"] >= 1
    assert [each["record"] for each in details["journal"]] == ["Begin", "Staged", "Commit", "Published", "End"]
    (fault,) = [each["text"] for each in events if each["event"] == "traceback"]
    assert fault.startswith("Traceback (most recent call last)")
    assert "DEBUG" not in printed


def test_verbose_prints_phases_and_debug_all_where_there_is_no_log(capsys: Capsys, delivery: Delivery) -> None:
    command = ("plan", delivery.origin, delivery.path)
    quiet = run_here(capsys, *command)
    verbose, debug = run_here(capsys, *command, "-v"), run_here(capsys, *command, "--debug")
    assert [" phase " in ran.out for ran in (quiet, verbose, debug)] == [False, False, False]
    assert [" phase scan: ended" in ran.err for ran in (quiet, verbose, debug)] == [False, True, True]
    assert [" DEBUG " in ran.err for ran in (quiet, verbose, debug)] == [False, False, True]


def _told(batch: int) -> int:
    log_event("qa2pack.test", "told", f"batch {batch} in {os.getpid()}", number=batch)
    return batch


def test_events_of_worker_processes_are_in_the_log(log: Path) -> None:
    with run_logged(LogChoice(os.fsencode(log), LogFormat.JSON), "plan", "words"), PoolEngine(2) as engine:
        assert sorted(engine.run(_told, deque([1, 2, 3]))) == [1, 2, 3]
    told = [each for each in map(json.loads, log.read_text().splitlines()) if each["event"] == "told"]
    assert sorted(each["number"] for each in told) == [1, 2, 3]
    assert os.getpid() not in {each["pid"] for each in told}


def test_log_leaves_the_handlers_of_the_calling_program_alone(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    ours = logging.getLogger(LOGGER)
    before = (ours.level, ours.propagate, len(ours.handlers))
    with run_logged(LogChoice(os.fsencode(log)), "plan", "words"):
        print("a line")
    assert caplog.records == []
    assert (ours.level, ours.propagate, len(ours.handlers)) == before
    assert " INFO " in log.read_text()
    assert f" plan: a line{os.linesep}" in log.read_text()


def test_python_interface_logs_by_logging(delivery: Delivery, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    package = api.package_at(delivery.path)
    api.plan(api.request_for(delivery.origin, package), api.Workers(1))
    api.apply(package, api.ApplyOptions(), api.Workers(1))
    events = [(record.name, vars(record)["event"]) for record in caplog.records]
    assert ("qa2pack.manifest.progress", "phase-end") in events
    assert ("qa2pack.executor.transaction.journal", "journal") in events
    phases = [vars(record)["fields"]["phase"] for record in caplog.records if vars(record)["event"] == "phase-end"]
    assert phases == ["scan", "stage", "sync", "publish", "finish"]


def test_nothing_is_printed_where_nobody_listens() -> None:
    words = "import logging; from qa2pack.manifest.event import *; log_event('qa2pack.x', 'x', 'text', Level.ERROR)"
    ran = subprocess.run(
        [sys.executable, "-c", words], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=True
    )
    assert ran.stderr == b""


def test_colours_are_not_logged(capsys: Capsys, delivery: Delivery, log: Path) -> None:
    ran = run_here(capsys, "status", delivery.path, "--color", "always", "--log", log)
    assert "\x1b[1mpack plan" in ran.out
    assert re.search(r" INFO \d+ status:   pack plan ", log.read_text())
    assert "x1b" not in log.read_text()


def test_stream_that_outlives_the_one_of_the_calling_program_ends_without_a_word() -> None:
    terminal = io.TextIOWrapper(io.BytesIO())
    stream = LoggedStream(terminal, Level.INFO)
    terminal.close()
    stream.close()
