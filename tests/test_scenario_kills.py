"""Real processes, killed with -9 at random moments: while applying, while recovering, and workers alone.

The disk of the killed processes is slowed down a little, so that a kill can fall between any two calls. Every round
prints its seed.
"""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.engine.local import PoolEngine
from qa2pack.executor.transaction.lock import holder
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.manifest.actions import Mode
from support.faulty_disk import WatchedDisk
from support.outcomes import Laid, Layouts, check_goes_back, check_goes_on, check_goes_on_either_way, check_visible
from support.worlds import Change, Scenario, World, scratch_root

_SCENARIOS = (
    Scenario(Change.NEW, Mode.COPY),
    Scenario(Change.REPLACE, Mode.HARD),
    Scenario(Change.MEMBER, Mode.MOVE),
    Scenario(Change.REPLACE, Mode.MOVE, may_exchange=False, keeps_previous=True),
    Scenario(Change.RENAME, Mode.MOVE, keeps_previous=True),
    Scenario(Change.RECEIVED, Mode.COPY),
)
_CALL_SECONDS = 0.0002
_SECONDS = 600  # far more than a busy machine needs
_CONTEXT = multiprocessing.get_context("forkserver")


class SlowDisk(WatchedDisk):
    """A disk that takes its time."""

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call after a moment."""
        time.sleep(_CALL_SECONDS)
        return call()


def apply_slowly(world: World) -> None:
    """Apply on worker processes; runs in a process of its own."""
    with PoolEngine(2) as engine:
        world.apply(SlowDisk(), engine=engine)


def roll_back_slowly(world: World) -> None:
    """Roll back; runs in a process of its own."""
    world.roll_back(SlowDisk())


def started(work: Callable[[World], None], world: World) -> ForkServerProcess:
    """Start the work in a process that nobody waits for.

    It has all modules from the start, so that a kill falls into the work and not into imports.
    """
    _CONTEXT.set_forkserver_preload([__name__])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))  # Python 3.11 preloads without `sys.path`
        process = _CONTEXT.Process(target=work, args=(world,))
        process.start()
    return process


def kill_after(process: ForkServerProcess, seconds: float, world: World) -> None:
    """Kill the process; its workers go with it, and the lock is free."""
    time.sleep(seconds)
    process.kill()
    process.join()
    process.close()
    wait_for_lock(world)


def wait_for_lock(world: World) -> None:
    """Wait until the workers of a killed process are gone, too."""
    deadline = time.monotonic() + _SECONDS
    while holder(lock_path(world.package)) is not None:
        assert time.monotonic() < deadline, "the lock outlives the processes"
        time.sleep(0.002)


def duration_of_apply(laid: Laid) -> float:
    """Return how long an apply takes that nobody disturbs, seconds."""
    start = time.monotonic()
    process = started(apply_slowly, laid.world)
    process.join()
    assert process.exitcode == 0
    assert laid.world.state() == laid.after
    laid.world.bring_back()
    return time.monotonic() - start


def survive_kills(laid: Laid, rounds: range) -> None:
    """Kill an apply, in every other round also what recovers, and recover on or back in turn."""
    longest = 1.1 * duration_of_apply(laid)
    for seed in rounds:
        rng = random.Random(seed)
        print(f"seed {seed}")
        kill_after(started(apply_slowly, laid.world), rng.uniform(0, longest), laid.world)
        check_visible(laid)
        if seed % 2 and laid.world.has_begun:
            work = rng.choice((apply_slowly, roll_back_slowly))
            kill_after(started(work, laid.world), rng.uniform(0, longest), laid.world)
            check_visible(laid)
        check = (check_goes_on_either_way, check_goes_back)[seed // 2 % 2]
        check(laid)
        laid.world.bring_back()


@pytest.fixture
def layouts() -> Iterator[Layouts]:
    """Worlds of one test."""
    with scratch_root() as root:
        yield Layouts(root)


@pytest.mark.parametrize("scenario", _SCENARIOS, ids=str)
def test_killed_at_random(layouts: Layouts, scenario: Scenario) -> None:
    survive_kills(layouts.get(scenario), range(10))


@pytest.mark.torture
@pytest.mark.parametrize("hundred", range(1, 6))
@pytest.mark.parametrize("scenario", _SCENARIOS, ids=str)
def test_killed_many_times(layouts: Layouts, scenario: Scenario, hundred: int) -> None:
    survive_kills(layouts.get(scenario), range(100 * hundred, 100 * hundred + 100))


def test_killed_workers_are_replaced(layouts: Layouts) -> None:
    laid = layouts.get(Scenario(Change.REPLACE, Mode.COPY))
    longest = duration_of_apply(laid)
    killed = 0
    for seed in range(6):
        print(f"seed {seed}")
        process = started(apply_slowly, laid.world)
        killed += kill_a_worker(process, random.Random(seed).uniform(0, 0.2) * longest)
        process.join()
        assert process.exitcode == 0
        assert laid.world.state() == laid.after
        laid.world.bring_back()
    assert killed > 0


def kill_a_worker(process: ForkServerProcess, after_seconds: float) -> int:
    """Wait for the process to have workers, a little longer, and kill one; return how many were killed."""
    while process.is_alive():
        with suppress(FileNotFoundError):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            if (
                len(children) > 1
            ):  # the first is that in which casacore is; without it the command must be given again
                time.sleep(after_seconds)
                with suppress(ProcessLookupError):
                    os.kill(int(children[-1]), signal.SIGKILL)
                    return 1
                return 0
        time.sleep(0.001)
    return 0


def test_command_is_killed_and_finishes(layouts: Layouts) -> None:
    laid = layouts.get(Scenario(Change.REPLACE, Mode.HARD))
    command = [
        sys.executable,
        "-m",
        "qa2pack.pack",
        "apply",
        os.fsdecode(laid.world.package.path),
        "--keep-previous=no",
    ]
    for seed in range(6):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(random.Random(seed).uniform(0.1, 0.8))
            process.kill()
        wait_for_lock(laid.world)
        check_visible(laid)
        finishing = subprocess.run(command, capture_output=True, text=True, check=False)
        assert finishing.returncode == 0, finishing
        check_goes_on(laid)
        laid.world.bring_back()
