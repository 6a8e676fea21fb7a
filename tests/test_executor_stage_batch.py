"""Staging a batch: idempotent, never in place, and never through links."""

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import xxhash

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.stage.batch import StageBatch, StageResult, make_folders, stage_batch
from qa2pack.executor.stage.context import StagingContext
from qa2pack.executor.stage.folder import FolderStage
from qa2pack.manifest.actions import Action
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.problem import Code
from support.counted_list import Counted
from support.in_process import write
from support.snapshots import files, snapshot

BIG_BYTES = 1 << 20


@pytest.fixture
def context(tmp_path: Path) -> StagingContext:
    for name in ("origin", "tree/member", "partial", "package"):
        (tmp_path / name).mkdir(parents=True)
    return StagingContext(
        disk=Disk(),
        origin=os.fsencode(tmp_path / "origin"),
        package=os.fsencode(tmp_path / "package"),
        device=tmp_path.stat().st_dev,
        tree=os.fsencode(tmp_path / "tree"),
        member=os.fsencode(tmp_path / "tree/member"),
        partial=os.fsencode(tmp_path / "partial"),
        texts={b"README": b"Cycle: 0\n"},
        is_trusting=True,
    )


def origin_of(context: StagingContext) -> Path:
    return Path(os.fsdecode(context.origin))


def member_of(context: StagingContext) -> Path:
    return Path(os.fsdecode(context.member))


def planned(
    context: StagingContext, action: Action, *names: str, path: bytes = b"qa", **columns: object
) -> FolderRecord:
    """Return the record of these files of the origin as a scan would make it."""
    sources = [origin_of(context) / name for name in names]
    stats = [source.stat() for source in sources]
    record = FolderRecord(
        path=path,
        names=[os.fsencode(name) for name in names],
        sizes=[status.st_size for status in stats],
        mtimes=[status.st_mtime_ns for status in stats],
        modes=[status.st_mode & 0o7777 for status in stats],
        actions=bytes([action]) * len(names),
        digests=b"".join(xxhash.xxh3_128_digest(source.read_bytes()) for source in sources),
        inodes=[status.st_ino for status in stats],
        ctimes=[status.st_ctime_ns for status in stats],
    )
    return replace(record, **columns)  # type: ignore[arg-type]


def stage(context: StagingContext, *records: FolderRecord) -> StageResult:
    return stage_batch(StageBatch(context, tuple(map(encode_record, records)), BIG_BYTES))


BOTH = pytest.mark.parametrize("action", [Action.LINK, Action.COPY])


@BOTH
def test_staging_again_changes_nothing(context: StagingContext, action: Action) -> None:
    write(origin_of(context) / "a", b"1")
    record = planned(context, action, "a")
    stage(context, record)
    before = snapshot(member_of(context))
    result = stage(context, record)
    assert snapshot(member_of(context)) == before
    assert (result.problems, result.file_count) == ([], 1)


@BOTH
def test_what_is_not_planned_is_swept(context: StagingContext, action: Action) -> None:
    write(origin_of(context) / "a", b"1")
    write(member_of(context) / "qa/left/over", b"2")
    write(member_of(context) / "qa/stranger", b"3")
    (member_of(context) / "qa/door").symlink_to(origin_of(context))
    write(member_of(context) / "qa/kept/x", b"4")
    stage(context, planned(context, action, "a", folders=[b"kept"]))
    assert sorted(files(member_of(context))) == ["qa/a", "qa/kept/x"]
    assert sorted(files(origin_of(context))) == ["a"]


@BOTH
@pytest.mark.parametrize("wrong", [b"other", b"x" * 100, b""])
def test_wrong_file_that_is_staged_is_made_again_and_not_written_to(
    context: StagingContext, action: Action, wrong: bytes
) -> None:
    write(origin_of(context) / "a", b"right")
    elsewhere = write(origin_of(context) / "elsewhere", wrong)
    (member_of(context) / "qa").mkdir()
    os.link(elsewhere, member_of(context) / "qa/a")
    os.utime(elsewhere, ns=(1, 1))
    stage(context, planned(context, action, "a"))
    assert (member_of(context) / "qa/a").read_bytes() == b"right"
    assert elsewhere.read_bytes() == wrong


def test_copy_that_looks_right_is_read_after_a_restart(context: StagingContext) -> None:
    write(origin_of(context) / "a", b"right")
    record = planned(context, Action.COPY, "a")
    stage(context, record)
    write(member_of(context) / "qa/a", b"wrong")  # as old and as long as the right one
    stage(context, record)
    assert (member_of(context) / "qa/a").read_bytes() == b"wrong"
    stage(replace(context, is_trusting=False), record)
    assert (member_of(context) / "qa/a").read_bytes() == b"right"


def test_copy_that_was_never_finished_is_made_again(context: StagingContext) -> None:
    write(origin_of(context) / "a", b"right")
    (member_of(context) / "qa").mkdir()
    (member_of(context) / "qa/a").write_bytes(b"rig")
    stage(context, planned(context, Action.COPY, "a"))
    assert (member_of(context) / "qa/a").read_bytes() == b"right"


def test_ctime_after_our_own_link_is_reported(context: StagingContext) -> None:
    source = write(origin_of(context) / "a", b"1")
    record = planned(context, Action.LINK, "a")
    ((_, blob),) = stage(context, record).blobs
    assert decode_record(blob).ctimes[0] == source.stat().st_ctime_ns != record.ctimes[0]


@BOTH
def test_two_names_of_one_inode_are_both_staged(context: StagingContext, action: Action) -> None:
    write(origin_of(context) / "a", b"1")
    os.link(origin_of(context) / "a", origin_of(context) / "b")
    result = stage(context, planned(context, action, "a", "b"))
    assert (result.problems, sorted(files(member_of(context)))) == ([], ["qa/a", "qa/b"])


def test_link_to_a_source_whose_content_changed_unseen_is_refused(context: StagingContext) -> None:
    source = write(origin_of(context) / "a", b"12")
    record = planned(context, Action.LINK, "a")
    write(source, b"21")  # same size, same mtime, same inode
    (problem,) = stage(context, record).problems
    assert (problem.code, problem.path) == (Code.ORIGIN_CHANGED, os.fsencode(source))
    assert files(member_of(context)) == {}


class _Replacing(Disk):
    """A disk on which another program puts another file at the name of a source, just before that is linked."""

    def link(self, source: bytes, name: bytes, *, source_fd: int | None, dir_fd: int) -> None:
        os.close(os.open(b"new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=source_fd))
        os.replace(b"new", source, src_dir_fd=source_fd, dst_dir_fd=source_fd)
        super().link(source, name, source_fd=source_fd, dir_fd=dir_fd)


def test_source_that_is_replaced_before_it_is_linked_is_refused(context: StagingContext) -> None:
    source = write(origin_of(context) / "a", b"12")
    record = planned(context, Action.LINK, "a")
    (problem,) = stage(replace(context, disk=_Replacing()), record).problems
    assert (problem.code, problem.path) == (Code.ORIGIN_CHANGED, os.fsencode(source))
    assert files(member_of(context)) == {}


def test_problem_of_one_file_does_not_keep_the_others(context: StagingContext) -> None:
    for name in ("a", "b", "c"):
        write(origin_of(context) / name, b"1")
    record = planned(context, Action.COPY, "a", "b", "c")
    (origin_of(context) / "b").unlink()
    result = stage(context, record)
    assert [problem.path for problem in result.problems] == [os.fsencode(origin_of(context) / "b")]
    assert sorted(files(member_of(context))) == ["qa/a", "qa/c"]


def test_placeholder_is_empty_and_its_source_is_not_looked_at(context: StagingContext) -> None:
    write(origin_of(context) / "a", b"12")
    record = planned(context, Action.DUMMY, "a", digests=NO_DIGEST)
    (origin_of(context) / "a").unlink()
    result = stage(context, record)
    assert ((member_of(context) / "qa/a").read_bytes(), result.byte_count, result.problems) == (b"", 0, [])


def test_generated_text_is_written(context: StagingContext) -> None:
    write(origin_of(context) / "README", b"")
    stage(context, planned(context, Action.WRITE, "README", path=b""))
    assert (member_of(context) / "README").read_bytes() == b"Cycle: 0\n"


def test_big_copies_are_left_to_others_and_small_ones_and_links_are_not(context: StagingContext) -> None:
    for name, size in (("big", BIG_BYTES), ("small", BIG_BYTES - 1)):
        write(origin_of(context) / name, b"x" * size)
    first = stage(
        context, planned(context, Action.COPY, "big", "small"), planned(context, Action.LINK, "big", path=b"log")
    )
    assert sorted(files(member_of(context))) == ["log/big", "qa/small"]
    (left,) = first.more
    assert stage_batch(left).blobs == []  # its folder's record was reported already
    assert (member_of(context) / "qa/big").stat().st_size == BIG_BYTES


def test_part_does_not_sweep_what_others_stage_in_the_same_folder(context: StagingContext) -> None:
    for name in ("one", "two"):
        write(origin_of(context) / name, b"x" * BIG_BYTES)
    for batch in stage(context, planned(context, Action.COPY, "one", "two")).more:
        stage_batch(batch)
    assert sorted(files(member_of(context))) == ["qa/one", "qa/two"]


def test_folder_that_is_there_as_a_file_is_an_error(context: StagingContext) -> None:
    write(member_of(context) / "qa", b"")
    with pytest.raises(FileExistsError):
        make_folders(context.disk, context.member, b"qa")


def test_folders_above_are_made_too_and_distinguished(context: StagingContext) -> None:
    assert make_folders(context.disk, context.member, b"a/b/c") is True
    assert make_folders(context.disk, context.member, b"a/b/c") is False
    assert make_folders(context.disk, context.member, b"a/b") is False


def test_closer_looks_do_not_begin_again_at_the_start_of_the_folder(context: StagingContext) -> None:
    names = Counted(b"%03d" % number for number in range(100))
    for name in names:
        write(origin_of(context) / name.decode(), name)
    record = planned(context, Action.LINK, *map(bytes.decode, names), ctimes=[0] * len(names), names=names)
    make_folders(context.disk, context.member, record.path)
    names.taken = index = 0
    with ExitStack() as stack:
        folder = FolderStage(context, record, stack, is_new=True)
        while (index := folder.stage_links(index)) < len(names):
            folder.stage((index,))
            index += 1
    assert folder.file_count == len(names)
    assert names.taken < 10 * len(names)
