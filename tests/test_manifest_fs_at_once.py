import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

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


@pytest.fixture
def few_threads(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    """Let no more threads than the parameter says be started, as where the system has no more (`ulimit -u`)."""
    left, start = [None] * request.param, threading.Thread.start

    def started(self: threading.Thread) -> None:
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        start(self)

    monkeypatch.setattr(threading.Thread, "start", started)
    return int(request.param)


@pytest.mark.parametrize("few_threads", [0, 1, 3], indirect=True)
def test_results_are_complete_and_in_order_where_no_more_threads_can_be_started(few_threads: int) -> None:
    seen = set[int]()

    def inner(item: int) -> int:
        seen.add(threading.get_ident())
        time.sleep(0.0001)
        return item * 3

    def outer(item: int) -> list[int]:
        return each(inner, range(item, item + 60))

    alone = each(outer, numbered(30))
    seen.clear()
    with calls_at_once(8):
        assert each(outer, numbered(30)) == alone
    assert 1 <= len(seen) <= few_threads + 1


@pytest.mark.parametrize("few_threads", [0, 1], indirect=True)
def test_error_is_raised_and_ends_the_work_where_no_more_threads_can_be_started(few_threads: int) -> None:
    begun = []

    def work(item: int) -> None:
        begun.append(item)
        raise OSError(5, f"after {few_threads} threads")

    with calls_at_once(8), pytest.raises(OSError, match=f"after {few_threads} threads"):
        each(work, numbered(1000))
    assert len(begun) <= few_threads + 1


def test_helper_that_began_although_no_thread_was_started_for_it_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What could not be started is in the queue of the pool; a thread that has nothing left may take it there."""
    submit, helper_has_begun, callers = ThreadPoolExecutor.submit, threading.Event(), list[int]()

    def outer(item: int) -> list[int]:
        if item:
            return []
        callers.append(threading.get_ident())
        return each(inner, numbered(48)).copy()  # as it is on return

    def inner(item: int) -> int:
        if threading.get_ident() not in callers:
            helper_has_begun.set()
            time.sleep(0.1)
        return item * 7

    def submitted(*arguments: object) -> object:
        future: object = submit(*arguments)  # type: ignore[arg-type]
        if not callers:
            return future
        assert helper_has_begun.wait(SECONDS)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", submitted)
    with calls_at_once(3):
        assert each(outer, numbered(2)) == [[item * 7 for item in range(48)], []]
