import os
import threading

import pytest

from qa2pack.manifest.fs.at_once import ahead, at_once, calls_at_once, each

SECONDS = 600


def numbered(count: int) -> list[int]:
    return list(range(count))


def test_each_is_a_loop_in_this_thread_where_nothing_else_was_asked_for() -> None:
    assert at_once() == 1
    assert each(lambda _: threading.get_ident(), numbered(3)) == [threading.get_ident()] * 3


def test_so_many_calls_as_were_asked_for_are_under_way_at_the_same_time() -> None:
    """Each waits until eight are there: with fewer at once none would ever end."""
    all_there = threading.Barrier(8)
    with calls_at_once(8):
        assert sorted(each(lambda _: all_there.wait(SECONDS), numbered(8))) == numbered(8)


def test_no_more_calls_are_under_way_than_were_asked_for() -> None:
    under_way, most = threading.Semaphore(3), threading.Barrier(3)

    def work(_: int) -> None:
        if not under_way.acquire(blocking=False):
            most.abort()
        most.wait(SECONDS)
        under_way.release()
        most.wait(SECONDS)

    with calls_at_once(3):
        each(work, numbered(3 * 20))


def test_results_come_in_the_order_of_the_items_whichever_is_done_first() -> None:
    last_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 3:
            last_is_done.set()
        assert last_is_done.wait(SECONDS)
        return item * 10

    with calls_at_once(4):
        assert each(work, numbered(4)) == [0, 10, 20, 30]


def test_work_that_asks_for_more_work_itself_ends() -> None:
    """All threads may be busy with outer items; an inner call then does its work alone."""

    def outer(_: int) -> int:
        return sum(each(abs, numbered(100)))

    with calls_at_once(4):
        assert each(outer, numbered(50)) == [4950] * 50


def test_inner_work_is_shared_with_threads_that_have_nothing_left() -> None:
    both = threading.Barrier(2)

    def outer(item: int) -> list[int]:
        return each(lambda _: both.wait(SECONDS), numbered(48)) if item else []

    with calls_at_once(3):
        assert len(each(outer, numbered(2))[1]) == 48


def test_error_is_raised_when_what_was_begun_is_finished_and_few_more_are_begun() -> None:
    begun, finished = [], []
    is_failing = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            is_failing.set()
            raise OSError(5, "the first")
        assert is_failing.wait(SECONDS)
        finished.append(item)

    with calls_at_once(2), pytest.raises(OSError, match="the first"):
        each(work, numbered(1_000_000))
    assert len(finished) == len(begun) - 1 < 999_999


def test_what_the_caller_set_counts_in_its_helpers_too() -> None:
    met = threading.Barrier(2)
    with calls_at_once(2):
        assert each(lambda _: (met.wait(SECONDS), at_once())[1], numbered(2)) == [2, 2]


def test_no_thread_is_left_so_that_processes_can_be_forked() -> None:
    before = threading.active_count()
    with calls_at_once(8):
        each(os.strerror, numbered(50))
    assert threading.active_count() == before


@pytest.mark.parametrize(("count", "taken_count"), [(1, 1), (2, 8)])
def test_work_is_done_ahead_on_a_few_items_only_where_several_are_worked_on_at_once(
    count: int, taken_count: int
) -> None:
    done: list[int] = []

    def work(item: int) -> int:
        done.append(item)
        return -item

    source = iter(range(1000))
    with calls_at_once(count):
        assert next(ahead(work, source)) == (0, 0)
        assert sorted(done) == numbered(taken_count)
        assert next(source) == taken_count
        assert list(ahead(work, numbered(20))) == [(item, -item) for item in range(20)]
