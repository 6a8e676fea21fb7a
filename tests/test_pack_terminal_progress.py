"""How far it is: lines in a log, a bar on a terminal, nothing when it is not requested."""

import io
import json
import re
import sys
from collections.abc import Iterator
from itertools import count

import pytest

from qa2pack.executor.apply import ApplyOptions, apply_plan
from qa2pack.executor.io.disk import Disk
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.progress import Silent
from qa2pack.manifest.verify.package import verify_package
from qa2pack.pack.jobs.delivery_source import open_source
from qa2pack.pack.terminal.choices import ProgressForm
from qa2pack.pack.terminal.progress import Lines, shown_progress, time_left
from qa2pack.pack.terminal.progress_objects import Objects
from support.commands import ROOT, run_here
from support.in_process import Delivery, add_measurement_sets
from support.terminals import printed_on_terminal


def _lines_with_ticks(seconds: float) -> tuple[Lines, io.StringIO]:
    """Return progress whose clock goes on by so much at each look."""
    stream = io.StringIO()
    ticks: Iterator[float] = count(0.0, seconds)
    return Lines(stream, lambda: next(ticks)), stream


def test_log_gets_nothing_from_a_short_run() -> None:
    lines, stream = _lines_with_ticks(1)
    lines.phase("scan")
    lines.advance(file_count=1, byte_count=10)
    assert stream.getvalue() == ""


def test_log_gets_a_line_after_half_a_minute() -> None:
    lines, stream = _lines_with_ticks(40)
    lines.phase("stage", file_count=4, byte_count=4096)
    lines.advance(file_count=1, byte_count=1024)
    assert stream.getvalue().splitlines()[-1].startswith("stage: 1 of 4 files, 1.0 KiB of 4.0 KiB, ")


def test_line_without_totals_says_how_much_is_done() -> None:
    lines, stream = _lines_with_ticks(40)
    lines.phase("scan")
    lines.advance(file_count=3, byte_count=2048)
    assert stream.getvalue().splitlines()[-1].startswith("scan: 3 files, 2.0 KiB, ")
    assert "left" not in stream.getvalue()


def test_new_phase_counts_from_nothing() -> None:
    lines, stream = _lines_with_ticks(40)
    lines.phase("scan")
    lines.advance(file_count=3)
    lines.phase("stage", file_count=7)
    assert stream.getvalue().splitlines()[-1] == "stage: 0 of 7"


def test_control_characters_in_a_phase_do_not_reach_the_terminal() -> None:
    lines, stream = _lines_with_ticks(40)
    lines.phase("verify \x1b[31m")
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(("fraction", "left"), [(0.0, None), (0.25, 30.0), (1.0, 0.0)])
def test_time_left_goes_with_what_is_left(fraction: float, left: float | None) -> None:
    assert time_left(fraction, 10.0) == left


def test_quiet_says_nothing_at_all() -> None:
    with shown_progress(ProgressForm.NONE) as progress:
        assert isinstance(progress, Silent)


_ON_TERMINAL = """
import threading
from qa2pack.pack.terminal.choices import ProgressForm
from qa2pack.pack.terminal.progress import shown_progress
with shown_progress(ProgressForm.AUTO) as progress:
    progress.phase("verify group_ouss_id/member_ouss_id", file_count=123456, byte_count=987654321987)
    progress.advance(file_count=65432, byte_count=487654321987)
    progress.phase("sync")
    assert threading.active_count() == 1, "a thread would be lost in forked workers"
"""


def test_terminal_gets_a_bar_without_a_thread() -> None:
    printed = printed_on_terminal([sys.executable, "-c", _ON_TERMINAL])
    assert "0 files 0 B/919.8 GiB 0 B/s" in printed
    assert "sync" in printed


def test_bar_stays_on_one_line_of_eighty_columns() -> None:
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed_on_terminal([sys.executable, "-c", _ON_TERMINAL]))
    drawn = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    assert max(map(len, drawn)) <= 80
    assert [line for line in drawn if not re.match("verify|sync", line)] == []


class _Reached:
    """Notes for each phase how much of what it counts was done."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int, int]] = []

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        self._counts_bytes = byte_count > 0
        self.phases.append((name.split(maxsplit=1)[0], byte_count or file_count, 0))

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        name, total, done = self.phases[-1]
        self.phases[-1] = (name, total, done + (byte_count if self._counts_bytes else file_count))


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("is_quick", [False, True])
def test_bars_reach_their_end_in_every_mode(delivery: Delivery, mode: Mode, *, is_quick: bool) -> None:
    reached = _Reached()
    delivery.plan(mode)
    apply_plan(
        delivery.package,
        ApplyOptions(),
        engine=delivery.engine,
        disk=Disk(),
        progress=reached,
        opened=OpenedFiles(),
        open_delivery=open_source,
    )
    list(verify_package(delivery.package, OpenedFiles(), is_quick=is_quick, engine=delivery.engine, progress=reached))
    counted = [(total, done) for _, total, done in reached.phases if total]
    assert [done / total for total, done in counted] == pytest.approx([1, 1], rel=0.05)  # README is no staged file


class _Phases:
    """Adds up the bytes of each phase."""

    def __init__(self) -> None:
        self.bytes: dict[str, int] = {}
        self._name = ""

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        self._name = name
        self.bytes.setdefault(name, 0)

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        self.bytes[self._name] += byte_count


def test_bytes_of_table_splits_are_reported(delivery: Delivery) -> None:
    add_measurement_sets(delivery.origin)
    notes = delivery.plan(Mode.HARD).notes
    reported = _Phases()
    apply_plan(
        delivery.package,
        ApplyOptions(),
        engine=delivery.engine,
        disk=Disk(),
        progress=reported,
        opened=OpenedFiles(),
        open_delivery=open_source,
    )
    results = sum(size for task in notes.splits for _, size in task.spec.sizes)
    assert reported.bytes["split tables"] > results > 0


def test_summary_of_verify_fits_eighty_columns(capsys: pytest.CaptureFixture[str], delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    lines = run_here(capsys, "verify", delivery.path).out.splitlines()
    assert " ".join(lines).endswith("so only names, types and sizes compared")
    assert max(map(len, lines)) < 80


def test_totals_that_become_known_later_keep_what_was_done() -> None:
    lines, stream = _lines_with_ticks(40)
    lines.phase("scan")
    lines.advance(file_count=1, byte_count=1024)
    lines.phase("scan", file_count=4, byte_count=4096)
    assert stream.getvalue().splitlines()[-1].startswith("scan: 1 of 4 files, 1.0 KiB of 4.0 KiB, ")


def test_line_is_written_by_the_clock_when_nothing_new_was_done() -> None:
    lines, stream = _lines_with_ticks(40)
    lines.phase("scan")
    before = len(stream.getvalue().splitlines())
    lines.advance()
    assert len(stream.getvalue().splitlines()) == before + 1


_TOTALS_ON_TERMINAL = """
from qa2pack.pack.terminal.choices import ProgressForm
from qa2pack.pack.terminal.progress import shown_progress
with shown_progress(ProgressForm.AUTO) as progress:
    progress.phase("scan and hash")
    progress.advance(file_count=12, byte_count=3 << 30)
    progress.phase("scan and hash", file_count=24, byte_count=6 << 30)
"""


def test_bar_keeps_what_was_done_when_its_totals_become_known() -> None:
    printed = printed_on_terminal([sys.executable, "-c", _TOTALS_ON_TERMINAL])
    assert "12 files 3.0 GiB/6.0 GiB" in printed


def test_objects_are_written_for_each_phase_and_twice_a_second() -> None:
    stream, now = io.StringIO(), [0.0]
    with Objects(stream, lambda: now[0]) as objects:
        now[0] += 0.6
        objects.advance()  # before any phase there is nothing to tell
        objects.phase("scan")
        objects.phase("scan", file_count=4, byte_count=400)
        for _ in range(4):
            now[0] += 0.3
            objects.advance(file_count=1, byte_count=100)
        objects.phase("sync")
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(each["event"], each.get("phase"), each.get("file_count"), each["seconds"]) for each in told] == [
        ("started", None, None, 0.0),
        ("phase-begin", "scan", 0, 0.6),
        ("phase-totals", "scan", 0, 0.6),
        ("advanced", "scan", 2, 1.2),
        ("advanced", "scan", 4, 1.8),
        ("phase-end", "scan", 4, 1.8),
        ("phase-begin", "sync", 0, 1.8),
        ("phase-end", "sync", 0, 1.8),
        ("finished", None, None, 1.8),
    ]
    assert [told[3][name] for name in ("byte_count", "all_file_count", "all_byte_count")] == [200, 4, 400]
    assert (told[-2]["all_file_count"], told[-1]["is_whole"]) == (None, True)


def test_last_object_says_that_the_work_failed() -> None:
    stream = io.StringIO()
    with pytest.raises(OSError), Objects(stream):
        raise OSError
    assert json.loads(stream.getvalue().splitlines()[-1])["is_whole"] is False


def test_progress_as_json_goes_to_stderr_and_is_as_the_page_has_it(
    capsys: pytest.CaptureFixture[str], delivery: Delivery
) -> None:
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--progress", "json", "--json")
    json.loads(ran.out)
    told = [json.loads(line) for line in ran.err.splitlines() if line.startswith("{")]
    assert [each["event"] for each in told] == ["started", "phase-begin", "phase-end", "finished"]
    page = (ROOT / "docs/how-to/scheduler.md").read_text()
    assert {name for each in told for name in each if f"`{name}`" not in page} == set()
    assert "{" not in run_here(capsys, "plan", delivery.origin, delivery.path, "--progress", "json", "-q").err


def test_no_bar_is_drawn_between_the_lines_of_a_verbose_run(delivery: Delivery) -> None:
    command = [sys.executable, "-m", "qa2pack.pack", "plan", str(delivery.origin), str(delivery.path), "-v"]
    printed = printed_on_terminal(command, cwd=ROOT)
    assert "phase scan: ended" in printed
    assert "\x1b[2K" not in printed  # by which a bar is drawn again
