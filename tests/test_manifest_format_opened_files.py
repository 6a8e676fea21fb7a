"""What a command has opened is opened again only if it is another file."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from support.hashed_streams import hashed_streams
from support.in_process import Delivery


@pytest.fixture
def plan(delivery: Delivery) -> Path:
    """The file of a plan."""
    delivery.plan(Mode.FAKE)
    return Path(os.fsdecode(delivery.package.plan))


def test_file_with_a_new_name_is_read_there_and_not_hashed_again(plan: Path, tmp_path: Path) -> None:
    opened = OpenedFiles()
    blobs = list(opened.plan(os.fsencode(plan)).stream.blobs())
    os.link(plan, tmp_path / "link")
    plan.unlink()
    with hashed_streams() as counts:
        again = opened.plan(os.fsencode(tmp_path / "link"))
    assert (list(again.stream.blobs()), counts) == (blobs, {})


def test_file_that_was_replaced_is_opened_again(plan: Path, delivery: Delivery) -> None:
    opened = OpenedFiles()
    before = opened.plan(os.fsencode(plan)).stream.digest
    after = delivery.plan(Mode.COPY).stream.digest
    assert before != after == opened.plan(os.fsencode(plan)).stream.digest


def test_damaged_file_is_refused_each_time(plan: Path) -> None:
    data = bytearray(plan.read_bytes())
    data[len(data) // 2] ^= 1
    plan.write_bytes(data)
    opened = OpenedFiles()
    for look in (opened.peek, opened.plan, opened.plan):
        with pytest.raises(StreamError):
            look(os.fsencode(plan))


def test_file_that_is_gone_is_not_there(plan: Path) -> None:
    opened = OpenedFiles()
    opened.plan(os.fsencode(plan))
    plan.unlink()
    with pytest.raises(FileNotFoundError):
        opened.plan(os.fsencode(plan))


def test_header_and_notes_are_read_once(plan: Path) -> None:
    opened = OpenedFiles()
    header = opened.peek_header(os.fsencode(plan), StreamKind.PLAN)
    first, second = (opened.plan(os.fsencode(plan)) for _ in range(2))
    assert first.header is second.header is header
    assert first.notes is second.notes


def test_plan_that_was_opened_is_no_manifest(plan: Path) -> None:
    opened = OpenedFiles()
    opened.plan(os.fsencode(plan))
    with pytest.raises(StreamError, match="is a plan, not a manifest"):
        opened.manifest(os.fsencode(plan))
