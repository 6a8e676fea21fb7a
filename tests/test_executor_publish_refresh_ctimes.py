"""The ctimes of a manifest when all is done: noted again where our own links changed them, and nowhere else."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.publish.refresh_ctimes import refresh_ctimes
from qa2pack.executor.transaction.journal_records import Publishing
from qa2pack.executor.transaction.paths import TransactionPaths
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.files import open_manifest
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import Entry
from qa2pack.manifest.format.record_codec import decode_record
from support.in_process import Delivery

MEMBER = b"group_ouss_id/member_ouss_id"
SCRIPT = b"script/scriptForImaging.py"


def manifest_of(delivery: Delivery) -> bytes:
    return delivery.package.manifest(MEMBER)


def entries(delivery: Delivery) -> dict[bytes, Entry]:
    blobs = open_manifest(manifest_of(delivery)).stream.blobs()
    return {entry.path: entry for blob in blobs for entry in decode_record(blob).entries()}


def packaged(delivery: Delivery) -> os.stat_result:
    return (delivery.member / os.fsdecode(SCRIPT)).stat()


def age_ctime(delivery: Delivery) -> None:
    """Let another link to the script come and go, which changes its ctime alone."""
    path = delivery.member / os.fsdecode(SCRIPT)
    os.link(path, path.with_name("other"))
    path.with_name("other").unlink()


def refresh(delivery: Delivery, publishing: Publishing) -> None:
    refresh_ctimes(TransactionPaths(delivery.package, "t", publishing, MEMBER), OpenedFiles(), Disk())


@pytest.mark.parametrize("publishing", [Publishing.EXCHANGE, Publishing.TWO_RENAMES])
def test_ctimes_are_noted_after_a_replacement(delivery: Delivery, publishing: Publishing) -> None:
    delivery.make(Mode.HARD)
    before = entries(delivery)
    age_ctime(delivery)
    refresh(delivery, publishing)
    after = entries(delivery)
    assert after[SCRIPT].state.ctime_ns == packaged(delivery).st_ctime_ns != before[SCRIPT].state.ctime_ns
    state = replace(before[SCRIPT].state, ctime_ns=after[SCRIPT].state.ctime_ns)
    assert after == before | {SCRIPT: replace(before[SCRIPT], state=state)}


@pytest.mark.parametrize("publishing", [Publishing.NEW, Publishing.MEMBER, Publishing.GROUP])
def test_manifest_of_what_replaces_nothing_is_not_written_again(delivery: Delivery, publishing: Publishing) -> None:
    delivery.make(Mode.HARD)
    age_ctime(delivery)
    before = os.stat(manifest_of(delivery))
    refresh(delivery, publishing)
    assert os.path.samestat(os.stat(manifest_of(delivery)), before)


def test_ctimes_are_noted_after_a_move(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    age_ctime(delivery)
    refresh(delivery, Publishing.NEW)
    assert entries(delivery)[SCRIPT].state.ctime_ns == packaged(delivery).st_ctime_ns


def test_file_that_is_not_as_it_was_packaged_keeps_its_ctime(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    before = entries(delivery)
    os.utime(delivery.member / os.fsdecode(SCRIPT), ns=(1, 1))
    refresh(delivery, Publishing.EXCHANGE)
    assert entries(delivery) == before


def test_copies_keep_the_ctimes_of_their_sources(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    before = entries(delivery)
    age_ctime(delivery)
    refresh(delivery, Publishing.EXCHANGE)
    assert entries(delivery) == before


def test_what_a_stopped_run_left_of_the_new_manifest_is_replaced(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    left = Path(os.fsdecode(manifest_of(delivery) + b".new"))
    left.write_bytes(b"half")
    age_ctime(delivery)
    refresh(delivery, Publishing.EXCHANGE)
    assert entries(delivery)[SCRIPT].state.ctime_ns == packaged(delivery).st_ctime_ns
    assert not left.exists()
