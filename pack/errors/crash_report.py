"""The report of a fault of the program itself: one file, in the system's folder for temporary files."""

import os
import platform
import sys
import tempfile
import traceback

from qa2pack.pack import __version__


def save_report(error: BaseException) -> str:
    """Write what a developer needs into a new file and return its path."""
    fd, path = tempfile.mkstemp(prefix="pack-report-", suffix=".txt")
    with os.fdopen(fd, "w", errors="backslashreplace") as file:
        print(f"qa2pack {__version__}, Python {platform.python_version()}, {platform.platform()}", file=file)
        print(f"command: {sys.argv!a}", file=file)
        traceback.print_exception(error, file=file)
    return path
