"""Rows of locks: the number of rows that the `table.lock` of a folder tells, put into the record of the folder."""

from contextlib import suppress

from qa2pack.manifest.actions import Action
from qa2pack.manifest.format.record import NO_DIGEST, with_digests
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.fs.lock_file import read_lock
from qa2pack.manifest.fs.safe_open import opened_folder
from qa2pack.manifest.path import join
from qa2pack.manifest.table_lock import LOCK_NAME, digest_of_rows, row_count_of


def with_row_count(blob: bytes, member: bytes) -> bytes:
    """Return the encoded record of a folder with the number of rows that its `table.lock` tells, if it has one.

    Args:
        member: the folder of the member, to which the path of the record is relative.
    """
    if LOCK_NAME not in blob:
        return blob
    record = decode_record(blob)
    if LOCK_NAME not in record.names:
        return blob
    index = record.names.index(LOCK_NAME)
    if record.actions[index] == Action.DUMMY:
        return blob
    row_count = None
    # Nobody had to read it before: one that this user may not read was linked like the others.
    with suppress(PermissionError), opened_folder(join(member, record.path)) as fd:
        row_count = row_count_of(read_lock(LOCK_NAME, dir_fd=fd))
    digest = NO_DIGEST if row_count is None else digest_of_rows(row_count)
    return encode_record(with_digests(record, {index: digest}))
