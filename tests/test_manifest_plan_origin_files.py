"""Which files of a package the origin does not have any more."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.plan.origin_files import gone_files
from support.generated import record_of
from support.in_process import OF_THE_REDUCTION_NS, Delivery, write

GONE = [(b"X8c/a.png", b"qa/a.png", b"d" * 16)]


@pytest.fixture
def plan(delivery: Delivery) -> Described:
    """A plan, for its origin."""
    write(delivery.origin / "X8c/a.png", b"123")
    return delivery.plan(Mode.COPY)


def packaged(action: Action = Action.COPY, name: bytes = b"a.png", size: int = 3) -> FolderRecord:
    """Return a record of one file of the folder X8c as it was packaged."""
    columns = {"mtimes": [OF_THE_REDUCTION_NS], "digests": b"d" * 16, "actions": bytes([action]), "source": b"X8c"}
    return record_of(b"qa", {name: size}, **columns)


def gone(plan: Described, *records: FolderRecord) -> Iterable[tuple[bytes, bytes, bytes]]:
    """Return source, path and digest of the files that are gone, the source relative to the origin."""
    origin = plan.header.origin + b"/"
    return [(source.removeprefix(origin), path, digest) for source, path, digest in gone_files(plan, records)]


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


def test_file_of_another_time_is_gone(plan: Described) -> None:
    os.utime(image(plan), ns=(1, 1))
    assert gone(plan, packaged()) == GONE


def test_symlink_of_the_same_size_and_time_is_not_the_file(plan: Described) -> None:
    image(plan).unlink()
    image(plan).symlink_to("abc")
    os.utime(image(plan), ns=(OF_THE_REDUCTION_NS, OF_THE_REDUCTION_NS), follow_symlinks=False)
    assert gone(plan, packaged()) == GONE


def test_lock_of_a_table_is_never_gone(plan: Described) -> None:
    assert gone(plan, packaged(name=b"table.lock")) == []
