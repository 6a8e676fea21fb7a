import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from qa2pack.manifest.fs.file_kind import kind_at, kind_in_words
from support.in_process import write


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one, pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)  # the address of a socket has room for 107 bytes only
        one.bind(path.name)


MAKERS: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: write(path, b""),
    "a folder": Path.mkdir,
    "a link": lambda path: path.symlink_to("else\nwhere"),
    "a named pipe": os.mkfifo,
    "a socket": _socket,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_kind_of_a_file_is_reported_in_words(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    MAKERS[kind](path)
    mode = path.lstat().st_mode
    assert kind_in_words(mode) == kind
    assert kind_at(os.fsencode(path), mode) == (kind if kind != "a link" else "a link to else\\nwhere")


def test_device_is_reported_in_words() -> None:
    assert kind_in_words(os.stat("/dev/null").st_mode) == "a device"
