"""A stop that comes too late for one step of a command, and is meant for the steps that follow."""

import signal
from collections.abc import Callable
from typing import Any, TypeVar

from qa2pack.executor.stop_signals import stop_on_signals

Result = TypeVar("Result")


def stopped_too_late(work: Callable[..., Result]) -> Callable[..., Result]:
    """Return work that is asked to stop right after its last safe point: it ends as if it were not."""

    def worked(*arguments: Any, **options: Any) -> Result:
        result = work(*arguments, **options)
        with stop_on_signals():
            signal.raise_signal(signal.SIGTERM)
        return result

    return worked
