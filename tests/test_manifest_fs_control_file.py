import os
import signal
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from qa2pack.executor.transaction.journal import JournalDamagedError, read_journal
from qa2pack.executor.transaction.lock import locked_for_reading, locked_for_writing
from qa2pack.manifest.format.files import open_manifest, open_plan, save_durably
from qa2pack.manifest.format.header import Notes
from qa2pack.manifest.format.stream import Stream, StreamError, open_stream, peek_stream
from qa2pack.manifest.fs.control_file import LARGE_BYTES, ControlFileError, control_fd, read_control, read_named
from qa2pack.tarsplit.output_files import locked_part, new_part
from support.generated import header_of


def put(kind: str, path: Path) -> bytes:
    match kind:
        case "link":
            (path.parent / "precious").write_text("precious")
            path.symlink_to("precious")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
        case "device":
            path.symlink_to("/dev/zero")
    return os.fsencode(path)


KINDS = pytest.mark.parametrize("kind", ["link", "pipe", "folder", "socket", "device"])


@KINDS
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_APPEND])
def test_only_a_regular_file_is_opened_and_nothing_is_waited_for(kind: str, flags: int, tmp_path: Path) -> None:
    with pytest.raises(ControlFileError, match="not a regular file"):
        control_fd(put(kind, tmp_path / "x"), flags)


def test_a_file_beyond_the_bound_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    os.truncate(tmp_path / "x", 1 << 40)
    with pytest.raises(ControlFileError, match=r"1\.0 TiB"):
        read_control(os.fsencode(tmp_path / "x"), limit_bytes=10)


def test_a_file_within_the_bound_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"0123456789")
    assert read_control(os.fsencode(tmp_path / "x"), limit_bytes=10) == b"0123456789"


@KINDS
def test_lock_that_is_no_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = put(kind, tmp_path / "lock")
    with pytest.raises(ControlFileError), locked_for_writing(path):
        pass
    with pytest.raises(ControlFileError), locked_for_reading(path):
        pass


def test_lock_that_is_another_name_of_a_file_does_not_empty_it(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    os.link(precious, tmp_path / "lock")
    with pytest.raises(ControlFileError, match="another name"), locked_for_writing(os.fsencode(tmp_path / "lock")):
        pass
    assert precious.read_text() == "precious"


def test_lock_with_other_content_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("notes of mine")
    with pytest.raises(ControlFileError, match="another kind"), locked_for_writing(os.fsencode(tmp_path / "lock")):
        pass
    assert (tmp_path / "lock").read_text() == "notes of mine"


def test_lock_of_a_process_that_was_killed_is_taken(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("process 12 on here\n")
    with locked_for_writing(os.fsencode(tmp_path / "lock")):
        assert str(os.getpid()) in (tmp_path / "lock").read_text()


@KINDS
def test_journal_that_is_no_file_is_damaged(kind: str, tmp_path: Path) -> None:
    with pytest.raises(JournalDamagedError, match="not a regular file"):
        read_journal(put(kind, tmp_path / "journal"))


@KINDS
def test_manifest_that_is_no_file_is_damaged(kind: str, tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="not a regular file"):
        open_manifest(put(kind, tmp_path / "x.manifest"))


@KINDS
def test_unfinished_tar_that_is_no_file_is_not_written_to(kind: str, tmp_path: Path) -> None:
    path = put(kind, tmp_path / "x.tar.part").removesuffix(b".part")
    with pytest.raises(ControlFileError), new_part(path):
        pass
    with pytest.raises(ControlFileError), locked_part(path):
        pass


@pytest.mark.parametrize("kind", ["link", "pipe", "socket", "device"])
def test_plan_is_written_where_something_else_is_left_of_a_stopped_run(kind: str, tmp_path: Path) -> None:
    put(kind, tmp_path / "x.new")
    save_durably(os.fsencode(tmp_path / "x"), header_of(tmp_path), Notes(), ())
    assert open_plan(os.fsencode(tmp_path / "x")).header.origin == os.fsencode(tmp_path)


@KINDS
@pytest.mark.parametrize("opens", [open_stream, peek_stream])
def test_stream_that_is_no_file_is_damaged(kind: str, opens: Callable[[bytes], Stream], tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="not a regular file"):
        opens(put(kind, tmp_path / "x.manifest"))


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_refused_file_does_not_stay_open(kind: str, tmp_path: Path) -> None:
    put(kind, tmp_path / "file")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ControlFileError):
        control_fd(os.fsencode(tmp_path / "file"))
    assert len(os.listdir("/proc/self/fd")) == before


def test_name_that_is_taken_is_called_that_whatever_took_it(tmp_path: Path) -> None:
    put("folder", tmp_path / "file")
    with pytest.raises(FileExistsError):
        control_fd(os.fsencode(tmp_path / "file"), os.O_WRONLY | os.O_CREAT | os.O_EXCL)


def test_file_with_more_than_its_size_said_is_read_up_to_the_limit() -> None:
    """Files of /proc have the size 0, as a file that others still write has an old one."""
    path = b"/proc/self/status"
    assert read_control(path, limit_bytes=1 << 16).startswith(b"Name:")
    assert b"Threads:" in read_control(path, limit_bytes=1 << 16)
    with pytest.raises(ControlFileError, match="more than the 10 B that are read"):
        read_control(path, limit_bytes=10)


def test_small_file_takes_no_memory_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"small")
    tracemalloc.start()
    read_control(os.fsencode(path), limit_bytes=LARGE_BYTES)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_file_that_the_user_names_may_be_a_link_or_what_a_command_prints(tmp_path: Path) -> None:
    assert read_named(put("link", tmp_path / "x"), limit_bytes=10) == b"precious"
    reading, writing = os.pipe()
    os.write(writing, b"printed")
    os.close(writing)
    assert read_named(b"/proc/self/fd/%d" % reading, limit_bytes=10) == b"printed"
    os.close(reading)


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "device"])
def test_nothing_else_that_the_user_names_is_waited_for(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ControlFileError, match=f"a (named )?{kind}, not a regular file"):
        read_named(put(kind, tmp_path / "x"), limit_bytes=10)


def test_command_that_prints_without_end_is_read_up_to_the_limit() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"1234")
    with pytest.raises(ControlFileError, match="more than the 3 B that are read"):
        read_named(b"/proc/self/fd/%d" % reading, limit_bytes=3)
    os.close(reading)
    os.close(writing)


@pytest.mark.usefixtures("interrupted")
def test_signal_while_a_pipe_is_read_ends_the_wait() -> None:
    for _ in range(30):  # most of them reach the command while it takes in what was written
        reading, writing = os.pipe()
        is_over = Event()

        def write(fd: int, is_over: Event) -> None:
            with open(fd, "wb", buffering=0) as pipe:
                pipe.write(bytes(200_000))
                signal.raise_signal(signal.SIGINT)
                is_over.wait(300)

        writer = Thread(target=write, args=(writing, is_over))
        with pytest.raises(KeyboardInterrupt):
            writer.start()
            read_named(b"/dev/fd/%d" % reading, limit_bytes=1 << 20)
        assert writer.is_alive()
        is_over.set()
        writer.join()
        os.close(reading)
