"""Applying plans as a whole: what comes out, what is refused, and that a refused plan leaves no trace."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.errors import OriginChangedError
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.transaction.lock import LockedError, locked_for_writing
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.executor.transaction.recovery import Phase
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.format.files import Described, open_plan, save_durably
from qa2pack.manifest.format.header import SplitTask
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.problem import Code, Refused
from support.faulty_disk import Stopped, StoppingDisk
from support.generated import record_of
from support.in_process import Delivery, add_measurement_sets, make_reduction, write
from support.measurement_sets import Recipe
from support.snapshots import Seen, contents, files, snapshot

SCRIPT = "script/scriptForImaging.py"
TINY = Recipe(rows=6, spectra=((4, 2),))


def rewrite_plan(
    delivery: Delivery, change: Callable[[FolderRecord], FolderRecord] | None = None, **values: object
) -> None:
    """Write the waiting plan again, sound but with other records or another header, as a forger would."""
    plan = open_plan(delivery.package.plan)
    records = [decode_record(blob) for blob in plan.stream.blobs()]
    blobs = [(record.path, encode_record(change(record) if change else record)) for record in records]
    notes = values.pop("notes", plan.notes)
    header = replace(plan.header, **values)  # type: ignore[arg-type]
    save_durably(delivery.package.plan, header, notes, blobs)  # type: ignore[arg-type]


def in_scripts(**columns: object) -> Callable[[FolderRecord], FolderRecord]:
    """Return a change of the record of the script folder."""
    return lambda record: replace(record, **columns) if record.path == b"script" else record  # type: ignore[arg-type]


def refusal(delivery: Delivery, **options: Any) -> list[Code]:
    """Apply, which must be refused without a trace, and return the reasons."""
    before = snapshot(delivery.path.parent)
    with pytest.raises(Refused) as caught:
        delivery.apply(**options)
    assert _lasting(snapshot(delivery.path.parent)) == _lasting(before)
    return [problem.code for problem in caught.value.problems]


def _lasting(seen: dict[str, Seen]) -> dict[str, Seen]:
    """Leave out the lock, and the mtimes of folders, in which a probe came and went."""
    return {
        path: one if one.kind == "file" else replace(one, mtime_ns=0)
        for path, one in seen.items()
        if not path.endswith(".pack/lock")
    }


@pytest.mark.parametrize("mode", [Mode.FAKE, Mode.COPY, Mode.HARD])
def test_package_holds_folders_and_files_only_and_verifies(delivery: Delivery, mode: Mode) -> None:
    delivery.make(mode)
    assert {seen.kind for seen in snapshot(delivery.path).values()} == {"folder", "file"}
    assert delivery.problems() == []


def test_hard_links_share_the_inodes_of_the_origin(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    inodes = {seen.inode for seen in files(delivery.origin).values()}
    assert {path for path, seen in files(delivery.member).items() if seen.inode not in inodes} == {"README"}


def test_copies_share_nothing_and_have_content_and_mtime(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    made, source = files(delivery.member)[SCRIPT], files(delivery.origin)["scriptForImaging.py"]
    assert {seen.nlink for seen in files(delivery.path).values()} == {1}
    assert (made.digest, made.mtime_ns, made.mode) == (source.digest, source.mtime_ns, source.mode)


def test_fake_files_are_empty_and_the_plan_reports_their_sizes(delivery: Delivery) -> None:
    plan = delivery.plan(Mode.FAKE)
    delivery.apply()
    sizes = {path.stat().st_size for path in delivery.path.rglob("*") if path.is_file()}
    assert sizes == {0}
    packaged = [path for path in delivery.origin.rglob("*") if path.is_file() and "notes" not in path.name]
    assert plan.notes.byte_count == sum(path.stat().st_size for path in packaged) + len(plan.header.readme)


@pytest.mark.parametrize("mode", [Mode.FAKE, Mode.COPY, Mode.HARD])
def test_origin_stays_as_it_was(delivery: Delivery, mode: Mode) -> None:
    before = snapshot(delivery.origin)
    delivery.make(mode)
    after = snapshot(delivery.origin)
    assert {path: replace(seen, nlink=0) for path, seen in after.items()} == {
        path: replace(seen, nlink=0) for path, seen in before.items()
    }


def test_readme_ends_in_the_tree_of_the_member(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    lines = (delivery.member / "README").read_text().splitlines()
    assert lines[-1].endswith("|-- calibrated_all.clean.fits")
    assert "|-- 2011.0.00229.S/" in lines


@pytest.mark.parametrize(
    ("append", "member"),
    [
        (Append.MEMBER, "sg_ouss_id/group_ouss_id/member_ouss_id2"),
        (Append.GROUP, "sg_ouss_id/group_ouss_id2/member_ouss_id"),
    ],
)
def test_append_adds_a_member_and_touches_no_other(delivery: Delivery, append: Append, member: str) -> None:
    delivery.make(Mode.COPY)
    before = snapshot(delivery.member)
    other = replace(delivery, origin=make_reduction(delivery.origin.with_name("sb2"), seed=2))
    other.make(Mode.COPY, append=append)
    assert snapshot(delivery.member) == before
    assert contents(delivery.path / member / "qa").keys() == contents(delivery.member / "qa").keys()
    assert delivery.problems() == []


@pytest.mark.parametrize("may_exchange", [True, False])
def test_replacing_leaves_only_the_new_package(delivery: Delivery, may_exchange: bool) -> None:
    delivery.make(Mode.FAKE)
    (delivery.origin / "calibrated_all.clean.fits").unlink()
    delivery.plan(Mode.COPY)
    delivery.apply(may_exchange=may_exchange)
    assert not (delivery.member / "product/calibrated_all.clean.fits").exists()
    assert (delivery.member / SCRIPT).stat().st_size > 0
    assert delivery.problems() == []
    assert sorted(path.name for path in delivery.path.parent.iterdir() if path.is_dir()) == [
        "2011.0.00229.S",
        "2011.0.00229.S.pack",
        "sb1",
    ]


def test_same_plan_twice_is_one_package(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    before = snapshot(delivery.path)
    delivery.make(Mode.HARD)
    after = snapshot(delivery.path)
    assert {path: (seen.kind, seen.digest) for path, seen in after.items() if path != "."} == {
        path: (seen.kind, seen.digest) for path, seen in before.items() if path != "."
    }


def test_nothing_to_apply_is_refused(delivery: Delivery) -> None:
    assert refusal(delivery) == [Code.PLAN_MISSING]
    delivery.make(Mode.FAKE)
    shutil.rmtree(delivery.path)
    assert refusal(delivery) == [Code.PLAN_MISSING]


def test_what_was_applied_is_not_applied_again(delivery: Delivery) -> None:
    delivery.plan(Mode.COPY)
    first = delivery.apply()
    before = _lasting(snapshot(delivery.path.parent))
    second = delivery.apply()
    assert first.done_before_ns is None
    assert second.done_before_ns is not None
    assert second.member == first.member
    assert _lasting(snapshot(delivery.path.parent)) == before


def test_damaged_journal_does_not_let_an_older_apply_pass_for_the_last(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    delivery.make(Mode.COPY)
    folder = Path(os.fsdecode(delivery.package.control), "finished")
    os.truncate(max(folder.iterdir()), 10)
    assert refusal(delivery) == [Code.PLAN_MISSING]


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    ("harm", "code"), [(Path.unlink, Code.PLAN_MISSING), (lambda path: os.truncate(path, 99), Code.PLAN_DAMAGED)]
)
def test_stopped_staging_without_its_plan_is_refused_until_the_plan_is_back(
    delivery: Delivery, is_first: bool, harm: Callable[[Path], None], code: Code
) -> None:
    if not is_first:  # whose journal must not pass for that of this one
        delivery.make(Mode.COPY)
    digest = delivery.plan(Mode.COPY).stream.digest.hex()
    with pytest.raises(Stopped):
        delivery.apply(StoppingDisk("syncfs"))
    plan = Path(os.fsdecode(delivery.package.plan))
    saved = plan.read_bytes()
    harm(plan)
    assert refusal(delivery) == [code]
    assert refusal(delivery, expected=digest) == [code]
    plan.write_bytes(saved)
    assert delivery.apply(expected=digest).resumed is Phase.STAGING
    assert delivery.problems() == []


def test_stopped_staging_without_its_plan_is_not_taken_for_the_expected_one(delivery: Delivery) -> None:
    delivery.plan(Mode.COPY)
    with pytest.raises(Stopped):
        delivery.apply(StoppingDisk("syncfs"))
    os.unlink(delivery.package.plan)
    with pytest.raises(Refused) as caught:
        delivery.apply(expected="0" * 32)
    assert [problem.code for problem in caught.value.problems] == [Code.PLAN_OTHER]
    assert [remedy.commands for remedy in caught.value.remedies] == [("pack rollback PACKAGE",)]  # no plan to look at


UNSAFE: dict[str, Callable[[FolderRecord], FolderRecord]] = {
    "absolute source folder": in_scripts(source=b"/etc"),
    "absolute source": in_scripts(source_names=[b"/etc/passwd", b"scriptForImaging.py"]),
    "source above the origin": in_scripts(source=b"../elsewhere"),
    "source that climbs": in_scripts(source_names=[b"X8c/../../elsewhere", b"scriptForImaging.py"]),
    "name that climbs": in_scripts(names=[b"..", b"scriptForImaging.py"]),
    "name with a slash": in_scripts(names=[b"../escaped", b"scriptForImaging.py"]),
    "folder name that climbs": in_scripts(folders=[b".."]),
    "folder that climbs": in_scripts(path=b"../../../../escaped"),
    "absolute folder": in_scripts(path=b"/tmp/escaped"),
    "folder with an empty part": in_scripts(path=b"script//x"),
}


@pytest.mark.parametrize("change", UNSAFE.values(), ids=UNSAFE)
def test_plan_that_leads_elsewhere_is_refused(
    delivery: Delivery, change: Callable[[FolderRecord], FolderRecord]
) -> None:
    delivery.plan(Mode.COPY)
    rewrite_plan(delivery, change)
    assert set(refusal(delivery)) == {Code.UNSAFE_PATH}


@pytest.mark.parametrize("origin", [b"sb1", b"", b"../sb1"])
def test_plan_whose_origin_depends_on_the_current_folder_is_refused(delivery: Delivery, origin: bytes) -> None:
    delivery.plan(Mode.COPY)
    rewrite_plan(delivery, origin=origin)
    assert Code.UNSAFE_PATH in refusal(delivery)


@pytest.mark.parametrize("where", ["source", "before"])
def test_split_of_a_table_elsewhere_is_refused(delivery: Delivery, where: str) -> None:
    add_measurement_sets(delivery.origin, recipe=TINY)
    notes = delivery.plan(Mode.HARD).notes

    def led_away(task: SplitTask) -> SplitTask:
        if where == "source":
            return replace(task, source=b"/elsewhere")
        return replace(
            task, before=encode_record(replace(decode_record(task.before), source=b"/elsewhere", source_names=()))
        )

    rewrite_plan(delivery, notes=replace(notes, splits=tuple(map(led_away, notes.splits))))
    assert set(refusal(delivery)) == {Code.UNSAFE_PATH}


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD])
def test_plan_cannot_read_through_a_link_that_leads_out_of_the_origin(delivery: Delivery, mode: Mode) -> None:
    """Everything that the plan says of the file is right, only it is reached through a link."""
    secret = write(delivery.origin.with_name("private") / "deep/secret", b"secret")
    (delivery.origin / "door").symlink_to(secret.parents[1])
    status = secret.stat()
    delivery.plan(mode, exclude=("door",))
    secret_record = record_of(
        b"script",
        {b"secret": 6},
        source=b"door/deep",
        inodes=[status.st_ino],
        mtimes=[status.st_mtime_ns],
        ctimes=[status.st_ctime_ns],
        actions=bytes([Action.LINK if mode is Mode.HARD else Action.COPY]),
        digests=NO_DIGEST,
    )
    rewrite_plan(delivery, lambda record: secret_record if record.path == b"script" else record)
    with pytest.raises(OriginChangedError) as caught:
        delivery.apply()
    assert [p.path for p in caught.value.problems] == [os.fsencode(delivery.origin / "door/deep/secret")]
    assert (secret.stat().st_nlink, delivery.path.exists()) == (1, False)


def test_source_that_changed_is_named_once_though_two_files_are_made_of_it(delivery: Delivery) -> None:
    source = write(delivery.origin / "a/file", b"before")
    (delivery.origin / "link").symlink_to("a/file")
    delivery.plan(Mode.COPY, layout="as-is")
    source.write_bytes(b"changed")
    with pytest.raises(OriginChangedError) as caught:
        delivery.apply()
    assert [problem.path for problem in caught.value.problems] == [os.fsencode(source)]


def test_plan_cannot_put_a_link_into_the_package(delivery: Delivery) -> None:
    """A link to a link would let the next folder be written wherever that leads."""
    door = delivery.origin / "door"
    door.symlink_to("/")
    status = door.lstat()
    delivery.plan(Mode.HARD, exclude=("door",))
    link = record_of(
        b"script",
        {b"door": status.st_size},
        source=b"",
        inodes=[status.st_ino],
        mtimes=[status.st_mtime_ns],
        ctimes=[status.st_ctime_ns],
        actions=bytes([Action.LINK]),
        digests=NO_DIGEST,
    )
    rewrite_plan(delivery, lambda record: link if record.path == b"script" else record)
    with pytest.raises(OriginChangedError):
        delivery.apply()
    assert {seen.kind for seen in snapshot(Path(os.fsdecode(delivery.package.control))).values()} == {
        "folder",
        "file",
    }


def reverse(path: Path) -> None:
    write(path, path.read_bytes()[::-1])


def become_another_inode(path: Path) -> None:
    """Put another file of the same size and mtime there; with the same content, too, it would do."""
    new = write(path.with_name("new"), path.read_bytes()[::-1])
    shutil.copystat(path, new)
    new.replace(path)


def become_link_to_itself(path: Path) -> None:
    """Move the file aside and put a link to it in its place."""
    path.rename(path.with_name("real"))
    path.symlink_to("real")


def become_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_link_to_a_twin(path: Path) -> None:
    """Put a link to an exact copy, with all times, in the place of a folder."""
    twin = path.parents[1] / "twin"
    shutil.copytree(path, twin)
    shutil.rmtree(path)
    path.symlink_to(twin)


def become_link_to_the_same(path: Path) -> None:
    """Put a link to the folder itself, moved out of the origin, in its place: every inode stays."""
    path.symlink_to(path.rename(path.parents[1] / "moved away"))


ORIGIN_CHANGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "content": ("scriptForImaging.py", lambda path: write(path, b"x")),
    "content of the same size": ("scriptForImaging.py", reverse),
    "gone": ("scriptForImaging.py", Path.unlink),
    "another inode and content": ("scriptForImaging.py", become_another_inode),
    "link to itself moved away": ("scriptForImaging.py", become_link_to_itself),
    "pipe": ("scriptForImaging.py", become_pipe),
    "folder a link to a twin": ("X8c", become_link_to_a_twin),
    "subfolder a link to a twin": ("X8c/qa2", become_link_to_a_twin),
    "folder a link to the same": ("X8c", become_link_to_the_same),
    "folder gone": ("X8c", shutil.rmtree),
}


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD])
@pytest.mark.parametrize(("name", "change"), ORIGIN_CHANGES.values(), ids=ORIGIN_CHANGES)
def test_origin_that_changed_since_the_plan_is_refused(
    delivery: Delivery, name: str, change: Callable[[Path], object], mode: Mode
) -> None:
    delivery.plan(mode)
    change(delivery.origin / name)
    with pytest.raises(OriginChangedError) as caught:
        delivery.apply()
    assert {problem.code for problem in caught.value.problems} == {Code.ORIGIN_CHANGED}
    assert all(problem.path.startswith(os.fsencode(delivery.origin)) for problem in caught.value.problems)
    assert not delivery.path.exists()


def test_all_changed_sources_are_named(delivery: Delivery) -> None:
    delivery.plan(Mode.HARD)
    for name in ("scriptForImaging.py", "X8c/checklist.txt"):
        write(delivery.origin / name, b"changed")
    with pytest.raises(OriginChangedError) as caught:
        delivery.apply()
    assert [os.fsdecode(problem.path) for problem in caught.value.problems] == [
        str(delivery.origin / "X8c/checklist.txt"),
        str(delivery.origin / "scriptForImaging.py"),
    ]


def test_new_plan_after_a_changed_origin_uses_what_is_staged(delivery: Delivery) -> None:
    delivery.plan(Mode.COPY)
    write(delivery.origin / "scriptForImaging.py", b"changed")
    with pytest.raises(OriginChangedError):
        delivery.apply()
    staged = delivery.path.with_name("2011.0.00229.S.pack") / "staging/tree/sg_ouss_id/group_ouss_id/member_ouss_id"
    before = files(staged)
    delivery.plan(Mode.COPY)
    delivery.apply()
    after = files(delivery.member)
    kept = {path for path, seen in before.items() if after[path].inode == seen.inode}
    assert before.keys() - kept <= {"README"}
    assert (delivery.member / SCRIPT).read_bytes() == b"changed"
    assert delivery.problems() == []


def test_file_linked_by_somebody_else_in_between_is_no_changed_file(delivery: Delivery) -> None:
    delivery.plan(Mode.HARD)
    os.link(delivery.origin / "scriptForImaging.py", delivery.origin.with_name("mine"))
    delivery.apply()
    assert delivery.problems() == []


STALE: dict[str, Callable[[Delivery], object]] = {
    "something stands there now": lambda d: (d.path / "sg_ouss_id/group_ouss_id/member_ouss_id").mkdir(parents=True),
    "something foreign stands there now": lambda d: write(d.path / "file", b""),
}


@pytest.mark.parametrize("change", STALE.values(), ids=STALE)
def test_plan_for_a_destination_that_changed_is_refused(
    delivery: Delivery, change: Callable[[Delivery], object]
) -> None:
    delivery.plan(Mode.FAKE)
    change(delivery)
    assert refusal(delivery) == [Code.PLAN_STALE]


def test_plan_for_members_that_changed_is_refused(delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    delivery.plan(Mode.FAKE, append=Append.MEMBER)
    plan = Path(os.fsdecode(delivery.package.plan))
    kept = plan.read_bytes()
    delivery.apply()
    plan.write_bytes(kept)
    assert refusal(delivery) == [Code.PLAN_STALE]


def test_plan_of_another_package_is_refused(delivery: Delivery) -> None:
    delivery.plan(Mode.FAKE)
    other = replace(delivery, path=delivery.path.with_name("2011.0.00230.S"))
    shutil.copytree(os.fsdecode(delivery.package.control), os.fsdecode(other.package.control))
    assert refusal(other) == [Code.PLAN_STALE]


def test_origin_that_is_gone_is_refused(delivery: Delivery) -> None:
    delivery.plan(Mode.FAKE)
    delivery.origin.rename(delivery.origin.with_name("moved"))
    assert refusal(delivery) == [Code.ORIGIN_MISSING]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[: len(data) // 2], "truncated"),
        (lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:], "damaged"),
        (lambda data: b"PK" + data, "not a plan"),
        (lambda data: data[:8] + b"\x09\x00" + data[10:], "format version 9"),
    ],
)
def test_plan_that_is_not_whole_is_distinguished(
    delivery: Delivery, damage: Callable[[bytes], bytes], words: str
) -> None:
    delivery.plan(Mode.FAKE)
    plan = Path(os.fsdecode(delivery.package.plan))
    plan.write_bytes(damage(plan.read_bytes()))
    with pytest.raises(StreamError, match=words):
        delivery.apply()
    assert not delivery.path.exists()


def test_manifest_is_no_plan(delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    manifest = delivery.package.manifest(b"group_ouss_id/member_ouss_id")
    shutil.copy(os.fsdecode(manifest), os.fsdecode(delivery.package.plan))
    with pytest.raises(StreamError, match="is a manifest, not a plan"):
        delivery.apply()


def test_second_apply_at_the_same_time_is_refused_with_the_reason(delivery: Delivery) -> None:
    delivery.plan(Mode.FAKE)
    with locked_for_writing(lock_path(delivery.package)), pytest.raises(LockedError):
        delivery.apply()
    assert not delivery.path.exists()


def test_expected_plan_may_be_begun_or_applied_already(delivery: Delivery) -> None:
    digest = delivery.plan(Mode.COPY).stream.digest.hex()
    with pytest.raises(Stopped):
        delivery.apply(StoppingDisk("rename"))  # after the commit
    refused_other(delivery)
    assert delivery.apply(expected=digest).resumed is Phase.COMMITTED
    refused_other(delivery)
    assert delivery.apply(expected=digest).done_before_ns is not None


def test_refused_apply_of_another_plan_leaves_a_stopped_one_as_it_is(delivery: Delivery) -> None:
    delivery.plan(Mode.HARD)
    with pytest.raises(Stopped):
        delivery.apply(StoppingDisk("link"))
    control = Path(os.fsdecode(delivery.package.control))
    before = snapshot(control / "staging"), (control / "journal").read_bytes()
    refused_other(delivery)
    assert (snapshot(control / "staging"), (control / "journal").read_bytes()) == before


def refused_other(delivery: Delivery) -> None:
    with pytest.raises(Refused) as caught:
        delivery.apply(expected="0" * 32)
    assert [problem.code for problem in caught.value.problems] == [Code.PLAN_OTHER]


def test_broken_link_call_ends_the_apply_before_anything_is_visible(delivery: Delivery) -> None:
    class Failing(Disk):
        def link(self, source: bytes, name: bytes, *, source_fd: int | None, dir_fd: int) -> None:
            raise OSError("no more links")

    delivery.plan(Mode.HARD)
    with pytest.raises(OSError, match="no more links"):
        delivery.apply(Failing())
    assert not delivery.path.exists()
    delivery.apply()
    assert delivery.problems() == []


def test_manifest_reports_what_was_applied(delivery: Delivery) -> None:
    plan: Described = delivery.plan(Mode.COPY)
    planned = [decode_record(blob) for blob in plan.stream.blobs()]
    delivery.apply()
    applied = open_plan(delivery.package.last_plan)
    assert [decode_record(blob) for blob in applied.stream.blobs()] == planned
