"""Whether two bundles hold the same, from their records alone."""

from dataclasses import replace

import pytest

from qa2pack.manifest.format.header import BundleTask
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import encode_record
from qa2pack.manifest.plan.kept_bundles import have_same_content
from support.generated import record_of

RECORD = record_of(b"cal/t.tgz/T", {b"a": 3, b"table.lock": 4}, digests=b"a" * 16 + NO_DIGEST)


def task_of(record: FolderRecord) -> BundleTask:
    return BundleTask(b"cal/t.tgz", 10**6, False, (encode_record(record),))


def test_bundles_of_equal_records_hold_the_same() -> None:
    assert have_same_content(task_of(RECORD), task_of(RECORD))


def test_placeholder_holds_nothing() -> None:
    assert not have_same_content(task_of(RECORD), replace(task_of(RECORD), is_placeholder=True))


def test_file_of_unknown_content_is_not_the_same() -> None:
    unread = task_of(replace(RECORD, digests=NO_DIGEST * 2))
    assert not have_same_content(unread, unread)


@pytest.mark.parametrize(
    "columns",
    [
        {"sizes": [9, 4]},
        {"sizes": [3, 9]},
        {"mtimes": [RECORD.mtimes[0] + 10**9, RECORD.mtimes[1]]},
        {"modes": [0o755, RECORD.modes[1]]},
        {"modes": [RECORD.modes[0], 0o755]},
        {"digests": b"z" * 16 + NO_DIGEST},
        {"names": [b"b", b"table.lock"]},
        {"path": b"cal/t.tgz/U"},
    ],
    ids=str,
)
def test_what_differs_is_not_the_same(columns: dict[str, object]) -> None:
    assert not have_same_content(task_of(RECORD), task_of(replace(RECORD, **columns)))  # type: ignore[arg-type]


def test_time_of_a_lock_and_parts_of_a_second_do_not_count() -> None:
    mtimes = [RECORD.mtimes[0] // 10**9 * 10**9, RECORD.mtimes[1] + 10**12]
    assert have_same_content(task_of(RECORD), task_of(replace(RECORD, mtimes=mtimes)))
