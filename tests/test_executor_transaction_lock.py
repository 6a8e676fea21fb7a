import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.transaction import lock as lock_module
from qa2pack.executor.transaction.lock import (
    LockedError,
    Wait,
    holder,
    locked_for_reading,
    locked_for_writing,
    when_free,
)
from qa2pack.manifest.fs.control_file import ControlFileError, control_fd

HOLD = """
import sys
from qa2pack.executor.transaction.lock import locked_for_reading, locked_for_writing
lock = {"writing": locked_for_writing, "reading": locked_for_reading}[sys.argv[1]]
with lock(sys.argv[2].encode()):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> bytes:
    return os.fsencode(tmp_path / "lock")


@contextmanager
def held_elsewhere(path: bytes, way: str) -> Iterator["subprocess.Popen[str]"]:
    """Let another process hold the lock."""
    command = [sys.executable, "-c", HOLD, way, os.fsdecode(path)]
    root = os.fspath(Path(__file__).parent.parent)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_writer_keeps_others_out_and_is_named_at_once(path: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waits"))
    with held_elsewhere(path, "writing") as other:
        for lock in (locked_for_writing, locked_for_reading):
            with pytest.raises(LockedError) as caught, lock(path):
                pass
            assert f"process {other.pid} on " in caught.value.holder
        assert holder(path) == caught.value.holder


def test_lock_of_a_killed_process_blocks_nobody(path: bytes) -> None:
    with held_elsewhere(path, "writing") as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
        with locked_for_writing(path):
            pass


def test_readers_share_the_lock_and_keep_writers_out(path: bytes) -> None:
    Path(os.fsdecode(path)).touch()
    with held_elsewhere(path, "reading"):
        with locked_for_reading(path):
            pass
        with pytest.raises(LockedError), locked_for_writing(path):
            pass


def test_reading_what_was_never_locked_makes_no_file(path: bytes) -> None:
    with locked_for_reading(path):
        assert not os.path.lexists(path)


def test_lock_is_given_back_after_an_error(path: bytes) -> None:
    with pytest.raises(ZeroDivisionError), locked_for_writing(path):
        raise ZeroDivisionError
    with locked_for_writing(path):
        pass
    assert holder(path) is None


def test_writer_that_writes_twice_is_locked_out_by_itself(path: bytes) -> None:
    with locked_for_writing(path), pytest.raises(LockedError), locked_for_writing(path):
        pass


def test_wait_ends_after_its_time_and_named_the_holder_once(path: bytes) -> None:
    reported: list[str] = []
    with (
        held_elsewhere(path, "writing") as other,
        pytest.raises(LockedError),
        when_free(locked_for_writing, path, Wait(0.2, reported.append)),
    ):
        pass
    assert [f"process {other.pid} on " in each for each in reported] == [True]


def test_lock_file_that_was_removed_before_it_was_locked_is_no_lock(
    path: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = control_fd
    left = [path]

    def removed_once(*arguments: Any) -> int:
        fd = opened(*arguments)
        if left:
            os.unlink(left.pop())
        return fd

    monkeypatch.setattr(lock_module, "control_fd", removed_once)
    with locked_for_writing(path):
        assert f"process {os.getpid()} on " in str(holder(path))


@pytest.mark.parametrize("left", [b"", b"p", b"process", b"process 1"])
def test_lock_file_of_which_a_full_disk_took_the_first_bytes_is_a_lock(path: bytes, left: bytes) -> None:
    Path(os.fsdecode(path)).write_bytes(left)
    with locked_for_writing(path):
        assert f"process {os.getpid()} on " in str(holder(path))


@pytest.mark.parametrize("content", [b"a", b"\0", b"processes", b"process 1" + b"0" * 400])
def test_file_with_other_content_is_no_lock_and_stays_as_it_is(path: bytes, content: bytes) -> None:
    Path(os.fsdecode(path)).write_bytes(content)
    with pytest.raises(ControlFileError), locked_for_writing(path):
        pass
    assert Path(os.fsdecode(path)).read_bytes() == content
