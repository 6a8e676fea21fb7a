"""Real processes and real signals: the first ends a command at a safe point and in words, the second at once.

A signal goes to the process alone, as `kill` sends it, or to all of its group, as a terminal does on Ctrl-C.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from qa2pack.executor.transaction.recovery import Phase
from qa2pack.manifest.actions import Mode
from support.commands import ROOT
from support.faulty_disk import Fault, FaultyDisk, Stopped
from support.outcomes import Laid, Layouts, check_goes_on, check_is_before, check_visible
from support.snapshots import contents
from support.worlds import Change, Scenario, World, scratch_root, tree_at

SECONDS = 600
NEW, REPLACE = Scenario(Change.NEW, Mode.COPY), Scenario(Change.REPLACE, Mode.COPY)
KEPT = Scenario(Change.REPLACE, Mode.COPY, keeps_previous=True)
Send = Callable[[int, signal.Signals], None]


@dataclass(slots=True)
class Run:
    """A command that is under way in a session of its own."""

    process: subprocess.Popen[str]
    scratch: Path
    held: Path  # is there while the command stands still

    def wait_until(self, is_so: Callable[[], object]) -> None:
        """Wait for something to be seen while the command runs."""
        deadline = time.monotonic() + SECONDS
        while not is_so():
            assert self.process.poll() is None, f"it ended before: {self.process.communicate()}"
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def send_while_held(self, send: Send, number: signal.Signals) -> None:
        """Send a signal while the command stands still, and let it go on."""
        self.wait_until(self.held.exists)
        send(self.process.pid, number)
        self.held.unlink()

    def wait_for_words(self, words: str) -> None:
        """Wait until it writes a line with these words to stderr."""
        assert self.process.stderr is not None
        assert any(words in line for line in iter(self.process.stderr.readline, ""))

    def end(self, *, is_killed: bool = False) -> tuple[int, str]:
        """Return exit code and messages; nothing of it runs any more then, and it has cleaned up if it could."""
        _, err = self.process.communicate(timeout=SECONDS)
        deadline = time.monotonic() + SECONDS
        while group_lives(self.process.pid):
            assert time.monotonic() < deadline, "a process of its group outlives it"
            time.sleep(0.002)
        assert is_killed or list(self.scratch.iterdir()) == []
        return self.process.returncode, err


def group_lives(group: int) -> bool:
    """Tell whether a process of the group is there."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def to_process(group: int, number: signal.Signals) -> None:
    """Send to one process, as kill does."""
    os.kill(group, number)


def to_group(group: int, number: signal.Signals) -> None:
    """Send to all of a group, as a terminal does."""
    os.killpg(group, number)


WAYS = pytest.mark.parametrize(
    ("send", "number"),
    [
        (to_group, signal.SIGINT),
        (to_process, signal.SIGINT),
        (to_process, signal.SIGTERM),
        (to_group, signal.SIGTERM),
    ],
    ids=["ctrl-c", "sigint", "sigterm", "sigterm-to-all"],
)


@pytest.fixture
def layouts() -> Iterator[Layouts]:
    """Worlds of one test."""
    with scratch_root() as root:
        yield Layouts(root)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Return what starts a command; what is left of it at the end is killed."""
    runs: list[Run] = []

    def started(*arguments: str | bytes | Path, hold_at: Path | bytes | None = None) -> Run:
        """Start it; with `hold_at` it stands still where it has opened something below that folder."""
        held = tmp_path / f"held{len(runs)}"
        holding = {"QA2PACK_TEST_HOLD": os.fsdecode(hold_at), "QA2PACK_TEST_HELD": str(held)} if hold_at else {}
        scratch = tmp_path / f"scratch{len(runs)}"
        scratch.mkdir()
        process = subprocess.Popen(
            [sys.executable, ROOT / "tests" / "support" / "slow_pack.py", *arguments],
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "TMPDIR": str(scratch), **holding},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        runs.append(Run(process, scratch, held))
        return runs[-1]

    yield started
    for run in runs:
        with suppress(ProcessLookupError):
            os.killpg(run.process.pid, signal.SIGKILL)
        run.process.communicate()


def staging_of(world: World) -> Path:
    return Path(os.fsdecode(world.package.control)) / "staging"


def stop_before_commit(laid: Laid) -> None:
    """Apply and stop where all is staged."""
    with pytest.raises(Stopped):
        laid.world.apply(FaultyDisk(Fault.STOP_BEFORE, laid.sync, laid.splits))


@WAYS
def test_apply_ends_at_a_safe_point_and_goes_on(
    layouts: Layouts, start: Callable[..., Run], send: Send, number: signal.Signals
) -> None:
    laid = layouts.get(REPLACE)
    run = start("apply", laid.world.package.path, "--keep-previous=no", hold_at=staging_of(laid.world) / "tree")
    run.send_while_held(send, number)
    code, err = run.end()
    assert code == 4
    assert "Stopping" in err and "interrupted." in err
    assert f"pack apply {os.fsdecode(laid.world.package.path)}" in err
    assert laid.world.phase is Phase.STAGING
    check_visible(laid)
    check_goes_on(laid)


@WAYS
def test_rollback_ends_at_a_safe_point_and_goes_on(
    layouts: Layouts, start: Callable[..., Run], send: Send, number: signal.Signals
) -> None:
    laid = layouts.get(NEW)
    stop_before_commit(laid)
    run = start("rollback", laid.world.package.path, hold_at=staging_of(laid.world))
    run.send_while_held(send, number)
    code, err = run.end()
    assert code == 4
    assert "Stopping" in err and "The rollback has begun and must be finished." in err
    assert f"pack rollback {os.fsdecode(laid.world.package.path)}" in err
    assert laid.world.phase is Phase.ROLLING_BACK
    assert start("rollback", laid.world.package.path).end()[0] == 0
    check_is_before(laid)


@WAYS
def test_rollback_of_a_finished_apply_has_changed_nothing_while_it_verifies(
    layouts: Layouts, start: Callable[..., Run], send: Send, number: signal.Signals
) -> None:
    laid = layouts.get(KEPT)
    laid.world.apply()
    run = start("rollback", laid.world.package.path, hold_at=laid.world.package.path)
    run.send_while_held(send, number)
    code, err = run.end()
    assert (code, "Nothing was changed." in err) == (4, True)
    assert laid.world.state() == laid.after
    assert start("rollback", laid.world.package.path).end()[0] == 0
    check_is_before(laid)


def test_apply_ends_at_a_safe_point_while_it_removes_the_old_package(
    layouts: Layouts, start: Callable[..., Run]
) -> None:
    laid = layouts.get(REPLACE)
    run = start(
        "apply",
        laid.world.package.path,
        "--keep-previous=no",
        hold_at=Path(os.fsdecode(laid.world.package.control), "previous"),
    )
    run.send_while_held(to_process, signal.SIGINT)
    code, err = run.end()
    assert (code, "The new package is complete" in err) == (4, True)
    assert laid.world.phase is Phase.DISCARDING
    assert start("apply", laid.world.package.path).end()[0] == 0
    assert laid.world.state() == laid.after


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("verb", ["apply", "rollback"])
def test_second_signal_ends_at_once(
    layouts: Layouts, start: Callable[..., Run], verb: str, number: signal.Signals
) -> None:
    laid = layouts.get(NEW)
    if verb == "rollback":
        stop_before_commit(laid)
    run = start(verb, laid.world.package.path, hold_at=staging_of(laid.world))
    run.wait_until(run.held.exists)
    os.kill(run.process.pid, number)
    run.wait_for_words("a second Ctrl-C stops at once")
    os.kill(run.process.pid, number)
    code, err = run.end(is_killed=True)
    assert (code, err) == (-number, "Stopped at once. To go on, or to begin again, type the same command.\n")
    again = start(verb, laid.world.package.path)
    assert again.end()[0] == 0
    if verb == "rollback":
        check_is_before(laid)
    else:
        assert laid.world.state() == laid.after


def arguments_of(laid: Laid, verb: str, output: Path) -> list[str | Path]:
    package = Path(os.fsdecode(laid.world.package.path))
    match verb:
        case "plan":
            return ["plan", laid.world.origins / "now", package, "--mode", "copy"]
        case "tarsplit":
            return ["tarsplit", "--jobs", "1", "--size", "20KiB", "--output", output, "-n", "2012-06-20", package]
        case _:
            return [verb, "--jobs", "1", package]


@pytest.mark.parametrize(("send", "number"), [(to_group, signal.SIGINT), (to_process, signal.SIGTERM)])
@pytest.mark.parametrize("verb", ["plan", "verify", "tarsplit"])
def test_other_commands_end_in_words_and_leave_nothing_behind(
    layouts: Layouts, start: Callable[..., Run], tmp_path: Path, verb: str, send: Send, number: signal.Signals
) -> None:
    laid = layouts.get(Scenario(Change.MEMBER, Mode.COPY))  # two members are verified one after the other
    laid.world.apply()
    output, undisturbed = tmp_path / "tars", tmp_path / "tars without a stop"
    before = tree_at(laid.world.root, {})
    place = laid.world.origins if verb == "plan" else laid.world.package.path
    run = start(*arguments_of(laid, verb, output), hold_at=place)
    run.send_while_held(send, number)
    code, err = run.end()
    assert (code, "interrupted." in err, "Traceback" in err) == (4, True, False)
    assert tree_at(laid.world.root, {}) == before
    assert start(*arguments_of(laid, verb, output)).end()[0] == 0
    if verb == "tarsplit":
        assert start(*arguments_of(laid, verb, undisturbed)).end()[0] == 0
        assert contents(output) == contents(undisturbed)
