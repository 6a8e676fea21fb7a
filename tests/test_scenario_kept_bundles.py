"""Bundles of a member that is replaced: an unchanged one is taken over, and any other is written again."""

import errno
import json
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.stage import kept_bundle, stage
from qa2pack.manifest.bundle import encoder
from qa2pack.manifest.format.files import Described, open_manifest, open_plan
from qa2pack.manifest.format.record_codec import decode_record
from support.bundled import IMAGE, TAR, Bundled, Capsys

Monkeypatch = pytest.MonkeyPatch
Change = Callable[[Bundled], object]
OLD_NS = 1_500_000_000_100_000_000
BOTH = [True, True]


@pytest.fixture
def bundled(tmp_path: Path, capsys: Capsys) -> Bundled:
    made = Bundled(tmp_path, capsys)
    lock = made.origin / "b.cal/table.lock"
    lock.write_bytes(lock_of(7))
    for path in made.origin.rglob("*"):
        os.utime(path, ns=(OLD_NS, OLD_NS))
    made.make()
    return made


def lock_of(rows: int, request: bytes = b"\0") -> bytes:
    """Return what casacore writes to a `table.lock`: requests for the lock, and the number of rows."""
    sync = b"\xbe\xbe\xbe\xbe" + bytes(4) + b"\0\0\0\4sync" + (1).to_bytes(4, "big") + rows.to_bytes(4, "big")
    return request.ljust(260, b"\0") + bytes(4) + sync + bytes(20)


def write(path: Path, data: bytes, ns: int = OLD_NS) -> None:
    path.write_bytes(data)
    os.utime(path, ns=(ns, ns))


def inodes(bundled: Bundled) -> list[int]:
    return [(bundled.package / path).stat().st_ino for path in (TAR, IMAGE)]


def kept(bundled: Bundled, *options: str) -> list[bool]:
    """Make the member again; return whether tar and image are those of before, as the plan said."""
    before = inodes(bundled)
    planned = json.loads(bundled.plan("copy", "--json", *options).out)
    assert bundled.run("apply", bundled.package, "--jobs", "1").code == 0
    assert bundled.problems() == [] and bundled.changes == []
    stayed = [old == new for old, new in zip(before, inodes(bundled), strict=True)]
    assert [each["is_kept"] for each in planned["bundles"]] == stayed
    return stayed


def test_unchanged_bundles_are_taken_over(bundled: Bundled) -> None:
    write(bundled.origin / "note.txt", b"changed")
    assert kept(bundled) == BOTH
    assert kept(bundled) == BOTH, "and so are those that were taken over"


def test_bundle_that_is_taken_over_is_counted_as_kept_and_needs_no_space(bundled: Bundled) -> None:
    write(bundled.origin / "note.txt", b"changed")
    sizes = [(bundled.package / path).stat().st_size for path in (TAR, IMAGE)]
    ran = bundled.plan()
    plan = open_plan(os.fsencode(bundled.package.with_name("P.pack") / "plan"))
    assert plan.notes.difference is not None
    assert (plan.notes.difference.kept, plan.notes.difference.kept_bytes) == (2, sum(sizes))
    assert (plan.notes.new_files, plan.notes.new_bytes) == (1, len(b"changed"))
    assert ran.out.count("; unchanged, kept as it is") == 2


def manifest(bundled: Bundled) -> Described:
    (path,) = (bundled.package.with_name("P.pack") / "manifests").iterdir()
    return open_manifest(os.fsencode(path))


def test_manifest_says_nothing_of_it(bundled: Bundled) -> None:
    assert kept(bundled) == BOTH
    opened = manifest(bundled)
    assert [task.earlier for task in opened.notes.bundles] == [None, None]
    found = [path for path in bundled.package.rglob("*") if path.is_file()]
    assert opened.notes.byte_count == sum(path.stat().st_size for path in found)


@pytest.mark.parametrize(
    "change",
    [
        lambda made: write(made.origin / "a.cal/sub/inner", b"X" * 15_000),
        lambda made: write(made.origin / "a.cal/sub/inner", b"a.cal/sub/inner" * 1000, OLD_NS + 10**9),
        lambda made: (made.origin / "a.cal/sub/inner").chmod(0o755),
        lambda made: (made.origin / "a.cal/sub/inner").unlink(),
        lambda made: write(made.origin / "a.cal/new", b""),
        lambda made: (made.origin / "a.cal/new").mkdir(),
        lambda made: write(made.origin / "b.cal/table.lock", lock_of(7) + b"x"),
    ],
    ids=["content", "time", "mode", "gone", "new", "new folder", "size of a lock"],
)
def test_bundle_with_a_change_is_written_again_and_the_other_is_not(bundled: Bundled, change: Change) -> None:
    change(bundled)
    assert kept(bundled) == [False, True]


@pytest.mark.parametrize(
    "change",
    [
        lambda made: os.utime(made.origin / "b.cal/big", ns=(OLD_NS, OLD_NS + 800_000_000)),
        lambda made: (made.origin / "b.cal/big").chmod(0o600),
        lambda made: write(made.origin / "b.cal/table.lock", lock_of(7, b"wanted"), OLD_NS + 10**12),
    ],
    ids=["part of a second", "mode that a tar does not keep", "lock of the same rows"],
)
def test_what_a_bundle_does_not_hold_does_not_count(bundled: Bundled, change: Change) -> None:
    change(bundled)
    assert kept(bundled) == BOTH


def test_lock_that_tells_other_rows_has_its_bundle_written_again(bundled: Bundled) -> None:
    write(bundled.origin / "b.cal/table.lock", lock_of(8))
    before = inodes(bundled)
    assert bundled.plan().code == bundled.run("apply", bundled.package, "--jobs", "1").code == 0
    assert [old == new for old, new in zip(before, inodes(bundled), strict=True)] == [False, True]
    assert bundled.problems() == []


@pytest.mark.parametrize(("options", "stayed"), [(["--rehash"], False), (["--compression", "9"], False)])
def test_bundles_are_written_again_where_that_is_asked_for(
    bundled: Bundled, options: list[str], stayed: bool
) -> None:
    assert kept(bundled, *options) == [stayed] * 2


def test_tar_stays_whatever_the_level(bundled: Bundled) -> None:
    bundled.layout.write_text(bundled.layout.read_text().replace("all.tgz", "all.tar"))
    bundled.make()
    planned = json.loads(bundled.plan("copy", "--compression", "9", "--json").out)["bundles"]
    assert [(each["path"], each["is_kept"]) for each in planned] == [("cal/all.tar", True), (str(IMAGE), False)]


def test_bundle_of_another_encoder_is_taken_over(bundled: Bundled, monkeypatch: Monkeypatch) -> None:
    monkeypatch.setattr(encoder, "engine", lambda: zlib)
    assert kept(bundled) == BOTH


@pytest.mark.parametrize("mode", ["hard", "move"])
def test_bundles_are_taken_over_in_other_modes(bundled: Bundled, mode: str) -> None:
    before = inodes(bundled)
    bundled.make(mode)
    assert inodes(bundled) == before


def test_bundles_stay_when_placeholders_replace_them_and_come_back(bundled: Bundled) -> None:
    bundled.make("fake")
    assert [(bundled.package / path).stat().st_size for path in (TAR, IMAGE)] == [0, 0]
    bundled.make("copy")
    assert all((bundled.package / path).stat().st_size for path in (TAR, IMAGE))


@pytest.mark.parametrize("path", [TAR, IMAGE])
def test_bundle_that_is_not_as_packaged_is_written_again(bundled: Bundled, path: Path) -> None:
    os.utime(bundled.package / path, (1, 1))
    before = inodes(bundled)
    assert bundled.plan().code == bundled.run("apply", bundled.package, "--jobs", "1").code == 0
    assert [old == new for old, new in zip(before, inodes(bundled), strict=True)] == [path != TAR, path != IMAGE]
    assert bundled.problems() == []


def test_damaged_bundle_with_a_lock_is_written_again(bundled: Bundled) -> None:
    bundled.layout.write_text(bundled.layout.read_text().replace("all.tgz", "all.tar"))
    bundled.make()
    tar = bundled.package / "cal/all.tar"
    before = tar.stat()
    tar.write_bytes(tar.read_bytes().replace(b"b.cal/bigb.cal/big", b"b.cal/bigX.cal/big", 1))
    os.utime(tar, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert bundled.plan().code == bundled.run("apply", bundled.package, "--jobs", "1").code == 0
    assert bundled.problems() == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EIO, errno.EXDEV])
def test_bundle_is_written_where_there_are_no_hard_links(
    bundled: Bundled, monkeypatch: Monkeypatch, number: int
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    before = inodes(bundled)
    assert bundled.plan().code == 0
    monkeypatch.setattr(Disk, "link", refuse)
    assert bundled.run("apply", bundled.package, "--jobs", "1").code == 0
    assert not set(before) & set(inodes(bundled))
    assert bundled.problems() == []


@pytest.mark.parametrize("number", [errno.EIO, errno.EPERM])
def test_disk_that_fails_while_a_bundle_is_compared_is_told(
    bundled: Bundled, monkeypatch: Monkeypatch, number: int
) -> None:
    """A bundle that would be written again instead hides that the disk fails."""

    def fail(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    before = inodes(bundled)
    assert bundled.plan().code == 0
    with monkeypatch.context() as failing:
        failing.setattr(kept_bundle, "look_into", fail)
        assert bundled.run("apply", bundled.package, "--jobs", "1").code == 4
    assert inodes(bundled) == before
    assert bundled.run("apply", bundled.package, "--jobs", "1").code == 0
    assert inodes(bundled) == before
    assert bundled.problems() == []


def test_apply_that_goes_on_keeps_what_it_took_over(bundled: Bundled, monkeypatch: Monkeypatch) -> None:
    write(bundled.origin / "b.cal/table.lock", lock_of(7), OLD_NS + 10**12)  # a time that the tar does not have
    before = inodes(bundled)
    assert bundled.plan().code == 0
    with monkeypatch.context() as stopping:
        stopping.setattr(stage, "_write_manifest", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        assert bundled.run("apply", bundled.package, "--jobs", "1").code == 4
    assert bundled.run("apply", bundled.package, "--jobs", "1").code == 0
    assert inodes(bundled) == before
    assert bundled.problems() == []
    (record,) = (record for record in map(decode_record, manifest(bundled).stream.blobs()) if record.path == b"cal")
    assert list(record.mtimes) == [(bundled.package / TAR).stat().st_mtime_ns]


@pytest.mark.parametrize(("first", "second"), [("fake", "copy"), ("copy", "fake")])
def test_placeholder_and_bundle_of_an_empty_folder_are_not_taken_for_each_other(
    tmp_path: Path, capsys: Capsys, first: str, second: str
) -> None:
    made = Bundled(tmp_path, capsys)
    shutil.rmtree(made.origin / "a.cal")
    (made.origin / "b.cal/big").unlink()
    for mode in (first, second):
        made.make(mode)
    assert ((made.package / TAR).stat().st_size > 0) is (second == "copy")
    assert not any(each["is_kept"] for each in json.loads(made.plan(first, "--json").out)["bundles"])


def test_rollback_brings_back_the_same_bundles(bundled: Bundled) -> None:
    before = inodes(bundled)
    write(bundled.origin / "note.txt", b"changed")
    assert kept(bundled) == BOTH
    assert bundled.run("rollback", bundled.package).code == 0
    assert inodes(bundled) == before
    assert bundled.problems() == []
