"""Letters as ranges: the same as sets of them."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from qa2pack.manifest.format.check_row import CheckKind, CheckRow
from qa2pack.manifest.layout.letters import LAST_LETTER, Letters, common, merged, others
from qa2pack.manifest.layout.recorded_checks import checks_of

RANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair))))


def as_set(letters: Letters) -> set[int]:
    return {code for code in range(40) if letters.has(chr(code))}


@given(RANGES)
def test_ranges_in_any_order_are_the_letters_of_all(ranges: list[tuple[int, int]]) -> None:
    letters = merged(ranges)
    assert as_set(letters) == {code for first, last in ranges for code in range(first, last + 1)}
    assert all(last + 1 < first for (_, last), (first, _) in zip(letters.ranges, letters.ranges[1:], strict=False))


@given(RANGES, RANGES)
def test_others_and_common_are_those_of_sets(some: list[tuple[int, int]], more: list[tuple[int, int]]) -> None:
    one, two = merged(some), merged(more)
    assert as_set(others(one)) == set(range(40)) - as_set(one)
    assert as_set(common([one, two])) == as_set(one) & as_set(two)
    assert others(others(one)) == one


def test_text_has_letters_only() -> None:
    letters = merged([(ord("a"), ord("c")), (0x10000, LAST_LETTER)])
    assert letters.have_all("abc\U0001f600") and letters.have_all("ab") and letters.have_all("")
    assert not letters.have_all("abd")


def test_recorded_checks_of_all_letters_take_no_memory() -> None:
    rows = [CheckRow(CheckKind.NAMES, "why", False, letters=((0, LAST_LETTER),), line=line) for line in range(60)]
    tracemalloc.start()
    checks_of(rows)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20
