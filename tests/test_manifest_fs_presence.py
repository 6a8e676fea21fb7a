"""Whether something stands at a path: nothing but absence is taken for it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qa2pack.manifest.fs.presence import (
    is_file,
    is_folder,
    is_link,
    is_plain_file,
    is_plain_folder,
    is_there,
    leads_anywhere,
    real_path,
    resolved,
)

LOOKS = (is_there, is_link, is_plain_folder, is_plain_file, is_folder, is_file, leads_anywhere)


@pytest.mark.parametrize("look", [*LOOKS, resolved])
@pytest.mark.parametrize("name", ["nothing", "file/below"])
def test_nothing_is_there(tmp_path: Path, look: Callable[[bytes], object], name: str) -> None:
    (tmp_path / "file").touch()
    assert not look(os.fsencode(tmp_path / name))


@pytest.mark.parametrize("look", [*LOOKS, resolved, real_path])
@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_error_is_raised(monkeypatch: pytest.MonkeyPatch, look: Callable[[bytes], object], code: int) -> None:
    def failing(path: bytes, **_: object) -> os.stat_result:
        raise OSError(code, os.strerror(code), path)

    monkeypatch.setattr(os, "lstat", failing)
    monkeypatch.setattr(os, "stat", failing)
    with pytest.raises(OSError, match=os.strerror(code)):
        look(b"/somewhere")


def test_kinds_are_distinguished(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for name, target in (("to-folder", "folder"), ("to-file", "file"), ("to-nothing", "nothing"), ("loop", "loop")):
        (tmp_path / name).symlink_to(target)
    seen = {path.name: "".join(str(int(look(os.fsencode(path)))) for look in LOOKS) for path in tmp_path.iterdir()}
    assert seen == {
        "folder": "1010101",
        "file": "1001011",
        "to-folder": "1100101",
        "to-file": "1100011",
        "to-nothing": "1100000",
        "loop": "1100000",
    }


def test_real_path_is_that_of_the_system_where_nothing_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "to-nothing").symlink_to("nothing/below")
    for name in ("file", "file/below", "nothing/below", "loop", "loop/below", "to-nothing", "to-nothing/../x"):
        path = os.fsencode(tmp_path / name)
        assert real_path(path) == os.path.realpath(path)
