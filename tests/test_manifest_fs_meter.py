"""The meter: who reads much is counted in steps, may be ended there, and costs nothing outside of a batch."""

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from qa2pack.executor.engine.shared_counters import SharedCounters
from qa2pack.manifest.fs.digest import digest_of_fd, digest_of_rest
from qa2pack.manifest.fs.meter import STEP_BYTES, Meter, current_meter, metered
from qa2pack.manifest.fs.throttle import Pace


class EndedError(Exception):
    """What was asked for."""


def test_bytes_are_passed_on_in_steps() -> None:
    noted: list[int] = []
    meter = Meter(noted.append)
    for _ in range(3):
        meter.add(STEP_BYTES // 2)
    assert noted == [STEP_BYTES]
    meter.look()
    meter.look()
    assert noted == [STEP_BYTES, STEP_BYTES // 2, 0]


def test_no_bytes_of_a_batch_are_lost_between_its_threads() -> None:
    counters = SharedCounters(1)
    meter = Meter(partial(counters.add, counters.take()))

    def read() -> None:
        for _ in range(20_000):
            meter.add(STEP_BYTES // 2 + 1)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    meter.look()
    assert counters.total == 4 * 20_000 * (STEP_BYTES // 2 + 1)


def test_meter_holds_only_inside() -> None:
    noted: list[int] = []
    with metered(Meter(noted.append)):
        current_meter().add(STEP_BYTES)
    current_meter().add(STEP_BYTES)
    assert noted == [STEP_BYTES]


@pytest.mark.parametrize("read", [digest_of_rest, lambda fd: digest_of_fd(fd, 5 * STEP_BYTES)])
def test_file_is_counted_and_ended_while_it_is_read(tmp_path: Path, read: Callable[[int], bytes]) -> None:
    path = tmp_path / "big"
    path.touch()
    os.truncate(path, 5 * STEP_BYTES)
    noted: list[int] = []

    def note(byte_count: int) -> None:
        noted.append(byte_count)
        if len(noted) == 3:
            raise EndedError

    fd = os.open(path, os.O_RDONLY)
    try:
        with metered(Meter(note)), pytest.raises(EndedError):
            read(fd)
    finally:
        os.close(fd)
    assert noted == [STEP_BYTES] * 3


def test_long_wait_for_the_rate_can_be_ended() -> None:
    now, looks = [0.0], [0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def note(byte_count: int) -> None:
        looks[0] += 1
        if looks[0] == 3:
            raise EndedError

    pace = Pace(1.0, clock=lambda: now[0], sleep=sleep)
    with metered(Meter(note)), pytest.raises(EndedError):
        pace.take(1000)
    assert now[0] < 1
