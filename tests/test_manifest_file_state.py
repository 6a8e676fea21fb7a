from dataclasses import astuple, replace
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Action
from qa2pack.manifest.file_state import FileState, fields_of, state_of, untouched_of
from qa2pack.manifest.format.record import FolderRecord
from support.in_process import write

STATE = FileState(size=1, mtime_ns=2, ctime_ns=3, inode=4, device=5)
COUNTED = {
    "written": {"size", "mtime_ns"},
    "identity": {"size", "mtime_ns", "inode"},
    "untouched": {"size", "mtime_ns", "inode", "ctime_ns"},
    "but_ctime": {"size", "mtime_ns", "inode", "device"},
}


@pytest.mark.parametrize("comparison", COUNTED)
def test_comparison_counts_these_fields_and_no_others(comparison: str) -> None:
    changed = {name: replace(STATE, **{name: 9}) for name in ("size", "mtime_ns", "ctime_ns", "inode", "device")}
    noticed = {name for name, state in changed.items() if getattr(state, comparison) != getattr(STATE, comparison)}
    assert noticed == COUNTED[comparison]


def test_fast_forms_say_the_same_as_the_state(tmp_path: Path) -> None:
    status = write(tmp_path / "file", b"content").stat()
    state = state_of(status)
    record = FolderRecord(
        b"raw",
        names=(b"file",),
        sizes=(state.size,),
        mtimes=(state.mtime_ns,),
        ctimes=(state.ctime_ns,),
        inodes=(state.inode,),
        device=state.device,
        modes=(0o644,),
        actions=bytes((Action.LINK,)),
        digests=bytes(16),
    )
    assert untouched_of(status) == state.untouched == record.untouched(0)
    assert fields_of(status) == astuple(state)
    assert list(record.state_fields()) == [astuple(state)]
    assert record.state(0) == state
