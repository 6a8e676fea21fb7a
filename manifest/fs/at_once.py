"""At once: calls for many files that are under way at the same time, for file systems that answer late.

Where each call waits a millisecond for a server, a worker that makes one call after the other only waits. Code that
looks at many files asks for them with `each`. It is a loop; but within `calls_at_once` threads help with it. Python
releases its lock during a call, so they wait together. Results come in the order of the items: what is made of them
does not depend on how many helped. `ahead` is the same for items that come one after the other.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from itertools import islice
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Item = TypeVar("Item")
Result = TypeVar("Result")

_ITEMS_PER_HELPER = 16  # within the work on an item of another call: most threads are busy with the others

_AHEAD = 4  # times as many items as are worked on at the same time: they do not all take as long

_COUNT: ContextVar[int] = ContextVar("calls at once", default=1)
_HELPERS: ContextVar["Executor | None"] = ContextVar("helpers", default=None)


@contextmanager
def calls_at_once(count: int) -> Iterator[None]:
    """Let `each` inside work on so many items at the same time; also in processes that are forked inside."""
    token = _COUNT.set(count)
    try:
        yield
    finally:
        _COUNT.reset(token)


def at_once() -> int:
    """Return how many items `each` works on at the same time; 1 where file systems answer soon."""
    return _COUNT.get()


def each(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return the results of the work on each item, in the order of the items.

    The work on an item must not change what that on another one looks at; it may itself call `each`. When it raises
    for an item, no further item is begun, those that were begun are finished, and one of the errors is raised. On
    return no thread is left, so that processes can be forked.
    """
    count = min(_COUNT.get(), len(items))
    if count <= 1:
        return [work(item) for item in items]
    pool = _HELPERS.get()
    if pool is not None:
        return _shared(work, items, pool, min(count - 1, len(items) // _ITEMS_PER_HELPER))
    from concurrent.futures import ThreadPoolExecutor  # its import takes as long as a small package

    with ThreadPoolExecutor(_COUNT.get() - 1) as pool:
        token = _HELPERS.set(pool)
        try:
            return _shared(work, items, pool, count - 1)
        finally:
            _HELPERS.reset(token)


def ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Yield each item with the result of the work on it, as `each`, before which that on some further ones is done.

    No more than those are in memory. Where file systems answer soon no item is worked on before its turn.
    """
    count = at_once()
    if count == 1:
        yield from ((item, work(item)) for item in items)
        return
    source = iter(items)
    while some := list(islice(source, _AHEAD * count)):
        yield from zip(some, each(work, some), strict=True)


def _shared(
    work: Callable[[Item], Result], items: Sequence[Item], pool: "Executor", helper_count: int
) -> list[Result]:
    """Do the work in this thread and in helpers of the pool.

    Helpers that have not begun when this thread finds nothing left are not waited for: no thread waits for one that
    waits itself. Where no more threads can be started (`ulimit -u`) those that there are do all of it.
    """
    from concurrent.futures import Future

    results: list[Result | None] = [None] * len(items)
    left = deque(range(len(items)))

    def help_out() -> None:
        while True:
            try:
                index = left.popleft()
            except IndexError:
                return
            try:
                results[index] = work(items[index])
            except BaseException:
                left.clear()
                raise

    # Futures of our own: a pool that cannot start a thread returns none, although the work is in its queue by then,
    # and one of its other threads may begin it.
    helpers: list[Future[None]] = []
    with suppress(RuntimeError):  # no more threads
        for _ in range(helper_count):
            helpers.append(Future())
            pool.submit(copy_context().run, _fulfil, helpers[-1], help_out)
    try:
        help_out()
    finally:
        begun = [helper for helper in helpers if not helper.cancel()]
        errors = [error for helper in begun if (error := helper.exception())]
    if errors:
        raise errors[0]
    return cast("list[Result]", results)


def _fulfil(helper: "Future[None]", help_out: Callable[[], None]) -> None:
    """Let a helper do its work, unless it was cancelled before it began."""
    if helper.set_running_or_notify_cancel():
        try:
            help_out()
        except BaseException as error:
            helper.set_exception(error)
        else:
            helper.set_result(None)
