"""Crash report for a bug of the program: traceback and versions in a file in the temporary folder."""

import os
import platform
import sys
import tempfile
import traceback

from qa2pack.pack import __version__


def save_report(error: BaseException) -> str:
    """Write traceback, versions and command line into a new file and return its path."""
    fd, path = tempfile.mkstemp(prefix="pack-report-", suffix=".txt")
    with os.fdopen(fd, "w", errors="backslashreplace") as file:
        print(f"qa2pack {__version__}, Python {platform.python_version()}, {platform.platform()}", file=file)
        print(f"command: {sys.argv!a}", file=file)
        traceback.print_exception(error, file=file)
    return path
