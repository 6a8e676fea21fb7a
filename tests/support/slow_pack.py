"""`pack`, with a little time before each file is opened or removed, so that a signal can fall between two of them.

With QA2PACK_TEST_HOLD=FOLDER it stands still where it first opens something below that folder, until the file
QA2PACK_TEST_HELD, which it makes there, is gone: nobody has to catch the moment. The file holds the process id;
each worker process stands still once.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qa2pack.pack.cli import main

CALL_SECONDS = 0.01


def slowed(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the call with a pause before it."""

    def slow(*args: Any, **options: Any) -> Any:
        time.sleep(CALL_SECONDS)
        return call(*args, **options)

    return slow


def held(call: Callable[..., Any], folder: str, mark: Path) -> Callable[..., Any]:
    """Return the call of `os.open` that stands still once, after it opened the first thing below the folder."""
    left = [mark]

    def hold(*args: Any, **options: Any) -> Any:
        fd = call(*args, **options)
        if left and os.readlink(f"/proc/self/fd/{fd}").startswith(folder + "/"):
            left.clear()
            own = mark.with_name(f"{mark.name}.{os.getpid()}")
            own.write_text(str(os.getpid()))
            own.rename(mark)  # whoever sees it can read it
            while mark.exists():
                time.sleep(CALL_SECONDS)
        return fd

    return hold


if __name__ == "__main__":
    if "QA2PACK_TEST_HOLD" in os.environ:
        os.open = held(os.open, os.environ["QA2PACK_TEST_HOLD"], Path(os.environ["QA2PACK_TEST_HELD"]))
    os.open, os.unlink = slowed(os.open), slowed(os.unlink)
    sys.exit(main())
