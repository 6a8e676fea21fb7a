"""Stop signals in child processes that were forked while the handlers of their parent were set."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from qa2pack.executor.stop_signals import stop_on_signals, stops_observed


@pytest.fixture
def child() -> Iterator[int]:
    """A forked child that waits, as a worker does that was just started."""
    receiver, sender = os.pipe()
    with stop_on_signals():
        child = os.fork()
        if child == 0:
            os.write(sender, b"!")
            while True:
                signal.pause()
        os.read(receiver, 1)
        yield child
    os.close(receiver)
    os.close(sender)


def test_child_without_handlers_of_its_own_is_ended_by_sigterm(child: int) -> None:
    os.kill(child, signal.SIGTERM)
    for _ in range(1000):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        time.sleep(0.01)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child took it for a request to stop")
    assert os.WTERMSIG(status) == signal.SIGTERM


def test_ctrl_c_does_not_end_a_child(child: int) -> None:
    os.kill(child, signal.SIGINT)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_stop_of_one_step_is_a_stop_of_the_steps_that_follow() -> None:
    with stops_observed():
        with stop_on_signals() as stop:
            assert not stop.is_requested
            signal.raise_signal(signal.SIGTERM)
        with stop_on_signals() as stop:
            assert stop.is_requested
    with stop_on_signals() as stop:
        assert not stop.is_requested
