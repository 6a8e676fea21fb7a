"""Running a command on a terminal of a given width, and reading what it printed there."""

import os
import pty
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from support.commands import ROOT


def printed_on_terminal(command: Sequence[str], *, columns: int = 80, cwd: Path = Path("/")) -> str:
    """Run a command with stdout and stderr on a terminal and return what it printed; it must end with 0."""
    try:
        terminal, end = pty.openpty()
    except OSError as error:
        pytest.skip(f"there are no terminals to open here: {error.strerror}")
    termios.tcsetwinsize(end, (24, columns))
    printed: list[bytes] = []
    reader = threading.Thread(target=lambda: printed.extend(_read_all(terminal)))
    reader.start()
    try:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": str(columns)}
        subprocess.run(command, stdout=end, stderr=end, env=environment, check=True, timeout=600, cwd=cwd)
    finally:
        os.close(end)
        reader.join()
        os.close(terminal)
    return b"".join(printed).decode()


def type_on_terminal(command: Sequence[str], typed: str, environment: Mapping[str, str], cwd: Path) -> str:
    """Run a command on a terminal on which this is typed, and return what it printed; what is typed must end it."""
    try:
        terminal, end = pty.openpty()
    except OSError as error:
        pytest.skip(f"there are no terminals to open here: {error.strerror}")
    os.write(terminal, typed.encode())
    printed: list[bytes] = []
    reader = threading.Thread(target=lambda: printed.extend(_read_all(terminal)))
    reader.start()
    try:
        subprocess.run(
            command,
            stdin=end,
            stdout=end,
            stderr=end,
            env=environment,
            check=False,
            timeout=600,
            cwd=cwd,
            start_new_session=True,
        )
    finally:
        os.close(end)
        reader.join()
        os.close(terminal)
    return b"".join(printed).decode()


def _read_all(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            return
        if not data:
            return
        yield data
