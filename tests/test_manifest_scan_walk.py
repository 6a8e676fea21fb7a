import errno
import math
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import AnyStr

import pytest
import xxhash

from qa2pack.manifest.actions import Action
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.at_once import calls_at_once
from qa2pack.manifest.fs.digest import BIG_FILE_BYTES, BUFFER_BYTES
from qa2pack.manifest.fs.meter import Meter, metered
from qa2pack.manifest.fs.safe_open import OpenFile, listed, opened_file, opened_folder
from qa2pack.manifest.problem import Code
from qa2pack.manifest.quantity import Time
from qa2pack.manifest.scan.batches import (
    BatchGroup,
    BigFile,
    FileBatch,
    ScanOptions,
    ScanResult,
    Subtree,
    SubtreeBatch,
)
from qa2pack.manifest.scan.record_builder import Columns
from qa2pack.manifest.scan.walk import scan_batch
from support.counted_list import Counted
from support.in_process import write
from support.opened_files import opened_paths
from support.users import as_ordinary_user, folder_of_everybody


@pytest.fixture(autouse=True)
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """How much a batch scans does not depend on how busy the machine is."""
    monkeypatch.setattr("qa2pack.manifest.scan.walk._BATCH_SECONDS", math.inf)


def options_of(root: Path, **values: object) -> ScanOptions:
    return replace(ScanOptions(os.fsencode(root.resolve()), Action.COPY), **values)  # type: ignore[arg-type]


def scan(options: ScanOptions, *subtrees: Subtree) -> ScanResult:
    """Scan to the end, in this process."""
    whole = ScanResult()
    waiting: list[object] = [SubtreeBatch(options, subtrees or (Subtree(b"", b"raw"),))]
    while waiting:
        result = scan_batch(waiting.pop())  # type: ignore[arg-type]
        waiting.extend(result.more)
        whole.add(result)
    return whole


def records(result: ScanResult) -> dict[bytes, FolderRecord]:
    return {path: decode_record(blob) for path, blob in result.blobs}


def codes(result: ScanResult) -> list[Code]:
    return [problem.code for problem in result.problems]


def test_every_column_says_what_the_file_is(tmp_path: Path) -> None:
    file = write(tmp_path / "sub/a.png", b"content")
    file.chmod(0o640)
    (entry,) = records(scan(options_of(tmp_path)))[b"raw/sub"].entries()
    assert (entry.path, entry.source, entry.size, entry.mode) == (b"raw/sub/a.png", b"sub/a.png", 7, 0o640)
    assert entry.state == state_of(file.stat())
    assert entry.digest == xxhash.xxh3_128_digest(b"content")
    assert entry.action is Action.COPY


def test_every_folder_has_a_record_that_names_its_folders(tmp_path: Path) -> None:
    (tmp_path / "b/empty").mkdir(parents=True)
    write(tmp_path / "a/x", b"1")
    found = records(scan(options_of(tmp_path)))
    assert {path: record.folders for path, record in found.items()} == {
        b"raw": [b"a", b"b"],
        b"raw/a": [],
        b"raw/b": [b"empty"],
        b"raw/b/empty": [],
    }


NAMES = [b"\xff\xfe", b"a\nb", b" ", b"-rf", b"x" * 255, b"\xc3\xa9", b"a'\"`$", b"..."]


def test_any_name_that_linux_allows_survives(tmp_path: Path) -> None:
    for name in NAMES:
        write(tmp_path / os.fsdecode(name), name)
    (record,) = records(scan(options_of(tmp_path))).values()
    assert record.names == sorted(NAMES)
    assert [record.digest(i) for i in range(len(NAMES))] == [xxhash.xxh3_128_digest(name) for name in sorted(NAMES)]


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_file_of_any_size_is_hashed_whole(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    write(tmp_path / "a", data)
    (record,) = records(scan(options_of(tmp_path))).values()
    assert record.digest(0) == xxhash.xxh3_128_digest(data)


def test_big_file_is_left_for_others_and_hashed_whole(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(BIG_FILE_BYTES)
    first = scan_batch(SubtreeBatch(options_of(tmp_path), (Subtree(b"", b"raw"),)))
    (big,) = first.more
    assert isinstance(big, BigFile)
    assert records(first)[b"raw"].digests == NO_DIGEST
    assert scan_batch(big).digests == [(b"raw", b"big", xxhash.xxh3_128_digest(bytes(BIG_FILE_BYTES)))]


def test_big_file_that_changes_before_it_is_hashed_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(BIG_FILE_BYTES)
    (big,) = scan_batch(SubtreeBatch(options_of(tmp_path), (Subtree(b"", b"raw"),))).more
    with path.open("r+b") as file:
        file.write(b"x")
    assert isinstance(big, BigFile)
    (problem,) = scan_batch(big).problems
    assert (problem.code, problem.expected, problem.found) == (Code.ORIGIN_CHANGED, big.state, state_of(path.stat()))


def test_time_that_no_record_can_hold_is_named(tmp_path: Path) -> None:
    path, last_ns = write(tmp_path / "far", b"x"), 2**63 - 1
    os.utime(path, ns=(0, last_ns + 10**18))
    found_ns = path.stat().st_mtime_ns
    if found_ns <= last_ns:
        pytest.skip("this file system has no such times")
    (problem,) = scan(options_of(tmp_path)).problems
    assert (problem.code, problem.expected, problem.found) == (
        Code.UNREADABLE,
        Time(last_ns, "a time up to"),
        Time(found_ns),
    )


def test_without_hashing_no_file_is_opened(tmp_path: Path) -> None:
    write(tmp_path / "a", b"content")
    with opened_paths() as opened:
        (record,) = records(scan(options_of(tmp_path, is_hashing=False))).values()
    assert record.digests == NO_DIGEST
    assert [path for path in opened if os.path.basename(path) == b"a"] == []


def test_files_are_read_as_they_lie_on_the_disk_and_listed_by_name(tmp_path: Path) -> None:
    names = [f"{number * 7 % 30:02}" for number in range(30)]
    for name in names:
        write(tmp_path / name, name.encode())
    by_inode = sorted(names, key=lambda name: (tmp_path / name).stat().st_ino)
    assert by_inode != sorted(names), "a file system that gives out numbers by name"
    with opened_paths() as opened:
        (record,) = records(scan(options_of(tmp_path))).values()
    read = [os.path.basename(path).decode() for path in opened]
    assert [name for name in read if name in names] == by_inode
    assert record.names == sorted(map(str.encode, names))
    assert [entry.digest for entry in record.entries()] == [xxhash.xxh3_128_digest(name) for name in record.names]


def test_batch_that_is_too_much_leaves_the_rest_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qa2pack.manifest.scan.walk.BATCH_FILES", 3)
    for number in range(20):
        write(tmp_path / f"{number:02}/x", b"1")
        write(tmp_path / f"{number:02}/sub/y", b"1")
    options = options_of(tmp_path)
    first = scan_batch(SubtreeBatch(options, (Subtree(b"", b"raw"),)))
    assert (first.file_count, len(first.more)) == (3, 4)
    result = scan(options)
    assert result.file_count == 40
    assert len({path for path, _ in result.blobs}) == len(result.blobs) == 41


def test_batch_is_small_where_many_calls_wait(tmp_path: Path) -> None:
    """Other workers are idle while the first one has all of a tree, which takes a second there and not a tenth."""
    for folder in range(60):
        for number in range(30):
            write(tmp_path / f"{folder:02}/{number}", b"1")
    batch = SubtreeBatch(options_of(tmp_path), (Subtree(b"", b"raw"),))
    whole = scan_batch(batch)
    assert (whole.file_count, len(whole.more)) == (1800, 0)
    with calls_at_once(32):
        first = scan_batch(batch)
    assert 512 <= first.file_count < 1024 and len(first.more) == 4


def test_group_of_folders_is_small_where_many_calls_wait(tmp_path: Path) -> None:
    """They are scanned at the same time, by one worker, and share what it may scan."""
    for folder in range(40):
        for number in range(64):
            write(tmp_path / f"{folder:02}/{number // 16}/{number}", b"1")
    options = options_of(tmp_path)
    names = [f"{folder:02}".encode() for folder in range(40)]
    batch = BatchGroup(tuple(SubtreeBatch(options, (Subtree(name, name),)) for name in names))
    whole = scan_batch(batch)
    assert (whole.file_count, len(whole.more)) == (2560, 0)
    with calls_at_once(32):
        first = scan_batch(batch)
    assert 512 <= first.file_count < 1024 and first.more


def test_batch_whose_time_is_up_leaves_the_rest_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in range(20):
        write(tmp_path / f"{folder:02}/x", b"1")
    monkeypatch.setattr("qa2pack.manifest.scan.walk._BATCH_SECONDS", 0.0)
    first = scan_batch(SubtreeBatch(options_of(tmp_path), (Subtree(b"", b"raw"),)))
    assert (len(first.blobs), len(first.more)) == (1, 4)
    assert scan(options_of(tmp_path)).file_count == 20


@pytest.mark.parametrize("count", [1, 32])
def test_stop_is_looked_for_within_a_folder_of_small_files(tmp_path: Path, count: int) -> None:
    for number in range(1200):
        write(tmp_path / str(number), b"1")
    looks: list[int] = []
    with calls_at_once(count), metered(Meter(looks.append)):
        assert scan(options_of(tmp_path)).file_count == 1200
    assert len(looks) >= (9 if count == 1 else 2)


def test_excluded_and_omitted_names_are_passed_over(tmp_path: Path) -> None:
    for name in ("a.last", "kept", "sub/a.last", "sub/omitted", "omitted"):
        write(tmp_path / name, b"1")
    result = scan(options_of(tmp_path, exclude=("*.last",)), Subtree(b"", b"raw", frozenset([b"omitted"])))
    assert {path: record.names for path, record in records(result).items()} == {
        b"raw": [b"kept"],
        b"raw/sub": [b"omitted"],
    }


def test_link_to_a_file_inside_is_its_content(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/real", b"content")
    (tmp_path / "table").mkdir()
    (tmp_path / "table/a").symlink_to("../elsewhere/real")
    (record,) = records(scan(options_of(tmp_path), Subtree(b"table", b"raw"))).values()
    assert (record.names, record.source_path(0)) == ([b"a"], b"elsewhere/real")
    assert record.digest(0) == xxhash.xxh3_128_digest(b"content")


def test_link_to_a_folder_inside_is_its_content(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/real", b"content")
    (tmp_path / "table").mkdir()
    (tmp_path / "table/sub").symlink_to(tmp_path / "elsewhere")
    found = records(scan(options_of(tmp_path), Subtree(b"table", b"raw")))
    assert found[b"raw"].folders == [b"sub"]
    assert found[b"raw/sub"].source_path(0) == b"elsewhere/real"


@pytest.mark.parametrize(
    ("target", "code"),
    [("nowhere", Code.LINK_DANGLING), ("a", Code.LINK_LOOP), (".", Code.LINK_LOOP), ("/etc", Code.LINK_OUTSIDE)],
)
def test_link_that_cannot_be_packaged_is_a_problem(tmp_path: Path, target: str, code: Code) -> None:
    (tmp_path / "a").symlink_to(target)
    result = scan(options_of(tmp_path))
    assert [(problem.code, problem.path) for problem in result.problems] == [(code, os.fsencode(tmp_path / "a"))]


def test_link_that_leads_below_a_file_leads_to_nothing(tmp_path: Path) -> None:
    write(tmp_path / "file", b"content")
    (tmp_path / "a").symlink_to("file/below")
    assert codes(scan(options_of(tmp_path))) == [Code.LINK_DANGLING]


def test_link_into_a_folder_that_may_not_be_searched_is_no_loop() -> None:
    with folder_of_everybody() as everybody:
        write(everybody / "closed/real", b"content")
        write(everybody / "origin/z", b"content")
        (everybody / "origin/a").symlink_to("../closed/real")
        (everybody / "closed").chmod(0)
        with as_ordinary_user():
            result = scan(options_of(everybody / "origin", follow_outside=True))
    (problem,) = result.problems
    found = (problem.code, problem.path, problem.found)
    assert found == (Code.UNREADABLE, os.fsencode(everybody / "origin/a"), "Permission denied")
    assert records(result)[b"raw"].names == [b"z"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.EIO, errno.ENOENT])
def test_link_that_cannot_be_read_is_a_problem_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    link = write(tmp_path / "b", b"content").with_name("a")
    link.symlink_to("b")
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path / "sub/c", b"content")
    read = os.readlink

    def readlink(path: AnyStr, *, dir_fd: int | None = None) -> AnyStr:
        if os.fsencode(path) == os.fsencode(link):
            raise OSError(number, os.strerror(number), path)
        return read(path, dir_fd=dir_fd)

    monkeypatch.setattr("os.readlink", readlink)
    result = scan(options_of(tmp_path))
    assert [(problem.code, problem.path, problem.found) for problem in result.problems] == [
        (Code.UNREADABLE, os.fsencode(link), os.strerror(number)),
        (Code.SPECIAL_FILE, os.fsencode(tmp_path / "pipe"), ""),
    ]
    found = records(result)
    assert (found[b"raw"].names, found[b"raw/sub"].names) == ([b"b"], [b"c"])


def test_folders_that_link_to_each_other_are_a_loop(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / one).mkdir()
        (tmp_path / one / "to").symlink_to(f"../{other}")
    assert set(codes(scan(options_of(tmp_path)))) == {Code.LINK_LOOP}


def test_link_that_leads_outside_is_followed_only_if_allowed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside/real", b"content")
    (tmp_path / "origin").mkdir()
    (tmp_path / "origin/a").symlink_to(outside)
    (record,) = records(scan(options_of(tmp_path / "origin", follow_outside=True))).values()
    assert record.source_path(0) == os.fsencode(outside)
    assert codes(scan(options_of(tmp_path / "origin"))) == [Code.LINK_OUTSIDE]


def test_pipe_and_socket_are_problems_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.fspath(tmp_path / "socket"))
        assert codes(scan(options_of(tmp_path))) == [Code.SPECIAL_FILE, Code.SPECIAL_FILE]


def test_file_that_is_longer_than_its_size_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/proc/version")  # the kernel says that it has no bytes
    result = scan(options_of(tmp_path, follow_outside=True))
    assert codes(result) == [Code.ORIGIN_CHANGED]


def test_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    result = scan(options_of(tmp_path), Subtree(b"gone", b"raw"))
    assert [(p.code, p.path) for p in result.problems] == [(Code.UNREADABLE, os.fsencode(tmp_path / "gone"))]


def test_single_files_meet_in_one_folder(tmp_path: Path) -> None:
    write(tmp_path / "X1/qa2/b", b"b")
    write(tmp_path / "a", b"a")
    batch = FileBatch(options_of(tmp_path), b"qa", (b"U__b", b"a"), (b"X1/qa2/b", b"a"))
    (record,) = records(scan_batch(batch)).values()
    assert [(entry.path, entry.source) for entry in record.entries()] == [
        (b"qa/U__b", b"X1/qa2/b"),
        (b"qa/a", b"a"),
    ]


def test_single_file_that_vanished_is_a_problem_and_not_in_the_record(tmp_path: Path) -> None:
    write(tmp_path / "a", b"a")
    result = scan_batch(FileBatch(options_of(tmp_path), b"qa", (b"a", b"b"), (b"a", b"gone")))
    assert codes(result) == [Code.UNREADABLE]
    assert records(result)[b"qa"].names == [b"a"]


def test_counts_are_by_role(tmp_path: Path) -> None:
    write(tmp_path / "a", b"12")
    write(tmp_path / "sub/b", b"345")
    result = scan_batch(SubtreeBatch(options_of(tmp_path), (Subtree(b"", b"calibration/U"),)))
    assert result.counts == {b"calibration": (2, 5)}
    assert result.devices == {tmp_path.stat().st_dev: os.fsencode(tmp_path / "a")}


def test_path_longer_than_the_system_takes_at_once_is_scanned_and_reported(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):  # 20 * 250 is beyond PATH_MAX
        os.mkdir("d" * 250, dir_fd=folder)
        deeper = os.open("d" * 250, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = deeper
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    result = scan(options_of(tmp_path))
    assert (result.file_count, set(codes(result))) == (1, {Code.PATH_TOO_LONG})


def test_files_that_are_not_small_do_not_let_a_folder_begin_again(tmp_path: Path) -> None:
    names = Counted(b"%03d" % number for number in range(60))
    for name in names:
        os.truncate(write(tmp_path / name.decode(), b""), BUFFER_BYTES)
    columns = Columns(options_of(tmp_path), b"", b"", None, ScanResult())
    names.taken = 0
    with opened_folder(os.fsencode(tmp_path)) as fd:
        columns.add_files(names, (), fd)
    columns.finish(())
    assert names.taken < 10 * len(names)


@pytest.mark.parametrize("calls", [1, 4])
@pytest.mark.parametrize("is_hashing", [True, False])
@pytest.mark.parametrize(("make", "kind"), [(os.mkfifo, "a named pipe"), (os.mkdir, "a folder")])
def test_file_in_whose_place_something_else_comes_during_the_scan_has_changed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], None],
    kind: str,
    is_hashing: bool,
    calls: int,
) -> None:
    options = options_of(tmp_path, action=Action.COPY if is_hashing else Action.DUMMY, is_hashing=is_hashing)
    names = ("a.fits", "b.txt", "c.png", "table.lock")
    for name in names:
        write(tmp_path / name, b"content")
    _replace_after_listing(monkeypatch, [tmp_path / "a.fits", tmp_path / "table.lock"], make)
    with calls_at_once(calls):
        result = scan(options)
    assert sorted((problem.code, problem.path, problem.expected, problem.found) for problem in result.problems) == [
        (Code.ORIGIN_CHANGED, os.fsencode(tmp_path / name), "a file", kind) for name in ("a.fits", "table.lock")
    ]
    assert records(result)[b"raw"].names == [b"b.txt", b"c.png"]


def test_pipe_in_place_of_a_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "a", b"content")
    _replace_after_listing(monkeypatch, [file], os.mkfifo)
    writers: list[int] = []

    def opened(name: bytes, *, dir_fd: int | None = None) -> OpenFile:
        writers.append(os.open(file, os.O_RDWR | os.O_NONBLOCK))
        os.write(writers[0], b"content")
        return opened_file(name, dir_fd=dir_fd)

    monkeypatch.setattr("qa2pack.manifest.scan.record_builder.opened_file", opened)
    assert codes(scan(options_of(tmp_path))) == [Code.ORIGIN_CHANGED]
    assert os.read(writers[0], 99) == b"content"
    os.close(writers[0])


def _replace_after_listing(monkeypatch: pytest.MonkeyPatch, files: list[Path], make: Callable[[Path], None]) -> None:
    def list_and_replace(fd: int) -> "list[tuple[bytes, os.DirEntry[str]]]":
        entries = listed(fd)
        for file in files:
            file.unlink()
            make(file)
        return entries

    monkeypatch.setattr("qa2pack.manifest.scan.walk.listed", list_and_replace)
