"""Audits as processes of their own: two at a time, stopped by a signal, killed; and the page in a real browser."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.browser import CHROMIUM, Tab, opened_tab
from support.commands import ROOT, run_redirected
from support.report_pages import EVIL
from support.shelves import NAMES, ONE, THREE, TWO, Shelf, Steps, make_shelf
from support.tools import needs_tool

SECONDS = 600


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shelf(tmp_path_factory.mktemp("shelf") / "packages")


@pytest.fixture
def shelf(made: Path, tmp_path: Path) -> Shelf:
    return Shelf(shutil.copytree(made, tmp_path / "packages"), tmp_path / "catalogue.sqlite")


@dataclass(frozen=True, slots=True)
class Held:
    """An audit that stands still in the middle of a package."""

    process: subprocess.Popen[str]
    mark: Path

    def let_go(self) -> None:
        self.mark.unlink()

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out, err


@pytest.fixture
def hold(shelf: Shelf, tmp_path: Path) -> Iterator[Callable[[str], Held]]:
    """Return what starts an audit, and returns when it stands still in a package."""
    started: list[Held] = []

    def start(name: str) -> Held:
        mark = tmp_path / "held"
        process = subprocess.Popen(
            [
                *(sys.executable, ROOT / "tests/support/slow_pack.py", "audit", shelf.path, "--jobs", "1"),
                *("--catalogue", shelf.catalogue),
            ],
            env={
                **os.environ,
                "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
                "QA2PACK_TEST_HOLD": str(shelf.path / name),
                "QA2PACK_TEST_HELD": str(mark),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(Held(process, mark))
        deadline = time.monotonic() + SECONDS
        while not mark.exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.002)
        return started[-1]

    yield start
    for held in started:
        with suppress(ProcessLookupError):
            os.killpg(held.process.pid, signal.SIGKILL)
        held.process.communicate()


@dataclass
class EndOfAnother(Steps):
    """A clock that is asked a second time when the first package is begun, and lets another audit end just then."""

    held: Held | None = None
    printed: str = ""

    def seconds(self) -> float:
        self.at += 1
        if self.held and self.at == 2:
            self.held.let_go()
            self.printed = self.held.end()[1]
        return self.at


def test_two_audits_share_the_packages_and_leave_only_what_is_not_verified_yet(
    shelf: Shelf, hold: Callable[[str], Held]
) -> None:
    shelf.time = another = EndOfAnother(held=hold(ONE))
    another.now_ns = 0  # before the other audit began
    audited = shelf.audit()
    assert (shelf.verified(audited), audited.busy, audited.left_count) == ([TWO], (), 0)
    left = f"left for later, another run works on it: {shelf.path / TWO}\n"
    assert f"{left}Verified now: 2 packages\n" in another.printed


def test_killed_audit_keeps_nobody_from_its_package(shelf: Shelf, hold: Callable[[str], Held]) -> None:
    held = hold(TWO)
    os.killpg(held.process.pid, signal.SIGKILL)
    held.end()
    audited = shelf.audit(every_seconds=1e9)
    assert (shelf.verified(audited), audited.busy) == ([TWO, THREE], ())  # and the first is not verified again


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_audit_says_what_it_knows_and_the_next_goes_on(
    shelf: Shelf, hold: Callable[[str], Held], number: signal.Signals
) -> None:
    held = hold(TWO)
    held.process.send_signal(number)
    held.let_go()
    code, out, err = held.end()
    assert code == 4
    assert "Stopping" in err
    assert "Verified now: 1 package; left for the next run: 2\n" in out
    assert shelf.verified(shelf.audit(every_seconds=1e9)) == [TWO, THREE]


def test_units_on_the_page_are_taken_by_systemd(tmp_path: Path) -> None:
    analyze = needs_tool("systemd-analyze")
    text = (ROOT / "docs/how-to/audit.md").read_text()
    units = dict(re.findall(r"^<!-- file: (pack-audit\.\w+) -->\n```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert units == {path.name: path.read_text() for path in (ROOT / "release/systemd").iterdir()}
    for name, unit in units.items():
        (tmp_path / name).write_text(unit.replace("ExecStart=pack ", f"ExecStart={sys.executable} "))
    for name in units:  # what is not understood is only a warning
        done = subprocess.run(
            [analyze, "verify", tmp_path / name], capture_output=True, text=True, check=False, timeout=SECONDS
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def page(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page about a shelf where something is wrong, with names that would do harm."""
    folder = tmp_path_factory.mktemp("page")
    path = shutil.copytree(made, folder / "packages")
    run_redirected("report", path / ONE, "--quiet")
    shelf = Shelf(path, folder / "catalogue")
    shelf.audit()
    shelf.script(TWO).with_name(EVIL.decode()).write_text("x" * 10)
    shutil.rmtree(path / "b")
    shelf.audit(report=os.fsencode(folder / "shelf.html"))
    return folder / "shelf.html"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with opened_tab(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here (Debian: apt install chromium)")
def test_page_asks_for_nothing_fits_every_screen_and_leads_to_a_report(tab: Tab, page: Path) -> None:
    tab.requested.clear()
    tab.open(page.as_uri())
    assert set(tab.requested) == {page.as_uri()}
    assert tab.value("document.scripts.length") == 0
    assert tab.value("document.querySelectorAll('tbody tr').length") == len(NAMES)
    assert tab.value("getComputedStyle(document.querySelector('.standing')).display") == "inline-block"
    assert tab.value("[...document.querySelectorAll('tbody .standing')].map(e => e.textContent).join()") == (
        "as packaged,not as packaged,gone"
    )
    for width in (320, 768, 1400):
        tab.resize(width)
        assert tab.value("document.documentElement.scrollWidth") <= width
    tab.open(tab.value("document.querySelector('tbody a').href"))
    assert tab.value("document.title") == Path(ONE).name
