"""Which files of a package the origin does not have any more."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import xxhash

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.plan.origin_files import OriginFiles
from support.generated import record_of
from support.in_process import OF_THE_REDUCTION_NS, Delivery, write

DIGEST = xxhash.xxh3_128_digest(b"123")
GONE = [(b"X8c/a.png", b"qa/a.png", DIGEST)]


@pytest.fixture
def plan(delivery: Delivery) -> Described:
    """A plan, for its origin."""
    write(delivery.origin / "X8c/a.png", b"123")
    return delivery.plan(Mode.COPY)


def packaged(action: Action = Action.COPY, name: bytes = b"a.png", size: int = 3) -> FolderRecord:
    """Return a record of one file of the folder X8c as it was packaged."""
    columns = {"mtimes": [OF_THE_REDUCTION_NS], "digests": DIGEST, "actions": bytes([action]), "source": b"X8c"}
    return record_of(b"qa", {name: size}, **columns)


def gone(plan: Described, *records: FolderRecord) -> Iterable[tuple[bytes, bytes, bytes]]:
    """Return source, path and digest of the files that are gone, the source relative to the origin."""
    origin = plan.header.origin + b"/"
    files = (file for file in OriginFiles(plan).doubtful_of(records) if not file.has_content(file.source))
    return [(file.source.removeprefix(origin), file.path, file.digest) for file in files]


def image(plan: Described) -> Path:
    return Path(os.fsdecode(plan.header.origin)) / "X8c/a.png"


def test_file_that_is_there_as_it_was_packaged_is_not_gone(plan: Described) -> None:
    assert gone(plan, packaged()) == []


@pytest.mark.parametrize("action", Action)
def test_removed_file_is_gone_if_it_came_from_the_origin_and_stayed_there(plan: Described, action: Action) -> None:
    image(plan).unlink()
    expected = GONE if action in (Action.LINK, Action.COPY, Action.KEEP) else []
    assert gone(plan, packaged(action)) == expected


def test_file_of_another_size_is_gone(plan: Described) -> None:
    write(image(plan), b"1234")
    assert gone(plan, packaged()) == GONE


def test_file_of_another_content_is_gone_whatever_its_time(plan: Described) -> None:
    write(image(plan), b"321")
    assert gone(plan, packaged()) == GONE


def test_file_that_only_has_another_time_is_not_gone(plan: Described) -> None:
    os.utime(image(plan), ns=(1, 1))
    assert gone(plan, packaged()) == []


def test_file_that_was_not_read_is_gone_if_it_has_another_time(plan: Described) -> None:
    unread = replace(packaged(), digests=NO_DIGEST)
    assert gone(plan, unread) == []
    os.utime(image(plan), ns=(1, 1))
    assert gone(plan, unread) == [(*GONE[0][:2], NO_DIGEST)]


def test_file_as_it_was_is_not_read(plan: Described) -> None:
    records = [decode_record(blob) for blob in plan.stream.blobs()]
    assert list(OriginFiles(plan).doubtful_of(records)) == []
    script = image(plan).parents[1] / "scriptForImaging.py"
    os.utime(script, ns=(OF_THE_REDUCTION_NS, OF_THE_REDUCTION_NS))  # sets the ctime
    assert [file.path for file in OriginFiles(plan).doubtful_of(records)] == [b"script/scriptForImaging.py"]


def test_symlink_of_the_same_size_and_time_is_not_the_file(plan: Described) -> None:
    image(plan).unlink()
    image(plan).symlink_to("abc")
    os.utime(image(plan), ns=(OF_THE_REDUCTION_NS, OF_THE_REDUCTION_NS), follow_symlinks=False)
    assert gone(plan, packaged()) == GONE


def test_lock_of_a_table_is_never_gone(plan: Described) -> None:
    assert gone(plan, packaged(name=b"table.lock")) == []
