"""Numbers as people read them."""

import pytest

from qa2pack.manifest.humanize import counted, exact_bytes, human_seconds, local_time, utc_time


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (12000, "12,000 files")]
)
def test_count_agrees_with_its_noun(number: int, words: str) -> None:
    assert counted(number, "file") == words


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (1, "1 byte"), (1023, "1,023 bytes"), (2_143_416, "2.0 MiB (2,143,416 bytes)")],
)
def test_exact_size_is_given_both_ways_where_they_differ(size: int, words: str) -> None:
    assert exact_bytes(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_time_is_given_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert human_seconds(seconds) == words


@pytest.mark.parametrize("fraction_ns", [0, 5])
def test_time_that_no_calendar_reaches_has_a_text(fraction_ns: int) -> None:
    at_ns = 10**30 + fraction_ns
    assert utc_time(at_ns) == "1,000,000,000,000,000,000,000 s after 1970"
    assert local_time(at_ns) == "1,000,000,000,000,000,000,000 s after 1970"
    assert local_time(at_ns, has_fraction=True).startswith(f"1,000,000,000,000,000,000,000.{fraction_ns:09} s")
