"""`pack`, with a little time before each file is opened or removed, so that a signal can fall between two of them."""

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from qa2pack.pack.cli import main

CALL_SECONDS = 0.01


def slowed(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the call with a pause before it."""

    def slow(*args: Any, **options: Any) -> Any:
        time.sleep(CALL_SECONDS)
        return call(*args, **options)

    return slow


if __name__ == "__main__":
    os.open, os.unlink = slowed(os.open), slowed(os.unlink)
    sys.exit(main())
