"""Rough times: right in size, and no more exact than they can be."""

import json

import pytest

from qa2pack.pack.views.estimate import SHARED, Rates, about, carried, time_needed
from support.commands import run_here
from support.in_process import Delivery


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than 10 s"),
        (9.9, "less than 10 s"),
        (12, "about 10 s"),
        (54, "about 50 s"),
        (70, "about 1 min"),
        (440, "about 7 min"),
        (1400, "about 25 min"),
        (3500, "about 1 h"),
        (3 * 3600, "about 3 h"),
        (33 * 3600, "about 35 h"),
    ],
)
def test_time_is_said_roughly(seconds: float, words: str) -> None:
    assert about(seconds) == words


@pytest.mark.parametrize("rates", [carried, SHARED])
def test_bytes_and_files_both_take_time(rates: Rates) -> None:
    alone = [rates.seconds(new_bytes=10**12, file_count=0), rates.seconds(new_bytes=0, file_count=10**7)]
    assert min(alone) > 100
    assert rates.seconds(new_bytes=10**12, file_count=10**7) == sum(alone)


@pytest.mark.parametrize(
    ("file_count", "words"),
    [
        (1000, "less than 10 s"),
        (100_000, "less than 10 s on a local disk, about 2 min on shared storage"),
    ],
)
def test_time_depends_on_the_storage(file_count: int, words: str) -> None:
    assert time_needed(new_bytes=0, file_count=file_count) == words


def test_plan_says_how_long_the_apply_takes(capsys: pytest.CaptureFixture[str], delivery: Delivery) -> None:
    assert "\nTime needed: less than 10 s\n" in run_here(capsys, "plan", delivery.origin, delivery.path).out
    fields = json.loads(run_here(capsys, "plan", delivery.origin, delivery.path, "--json").out)
    assert 0 < fields["estimated_seconds"] < 1
