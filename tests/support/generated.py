"""Strategies for whatever plans and manifests are made of."""

import os
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import DestinationKind
from qa2pack.manifest.format.header import Header, StreamKind
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import encode_record
from qa2pack.manifest.format.stream import StreamWriter
from qa2pack.manifest.path import sort_key

NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in {b".", b".."}
)
PATHS = st.lists(NAMES, max_size=3).map(b"/".join)
SOURCES = st.tuples(st.sampled_from([b"", b"/"]), st.lists(NAMES, min_size=1, max_size=3).map(b"/".join)).map(
    b"".join
)
NANOSECONDS = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.integers(0, 2**64 - 1)


@st.composite
def records(draw: st.DrawFn, path: bytes | None = None) -> FolderRecord:
    """Any record, also with extreme numbers and any action."""
    names = draw(st.lists(NAMES, unique=True, max_size=5).map(sorted))

    def column(values: st.SearchStrategy[int]) -> Sequence[int]:
        return draw(st.lists(values, min_size=len(names), max_size=len(names)))

    return FolderRecord(
        path=draw(PATHS) if path is None else path,
        names=names,
        folders=draw(st.lists(NAMES, unique=True, max_size=3).map(sorted)),
        sizes=column(NUMBERS),
        mtimes=column(NANOSECONDS),
        modes=column(st.integers(0, 0o7777)),
        actions=bytes(column(st.sampled_from([int(action) for action in Action]))),
        digests=draw(st.binary(min_size=16 * len(names), max_size=16 * len(names))),
        source=draw(st.one_of(st.just(b""), SOURCES)),
        source_names=draw(st.one_of(st.just([]), st.lists(SOURCES, min_size=len(names), max_size=len(names)))),
        device=draw(NUMBERS),
        inodes=column(NUMBERS),
        ctimes=column(NANOSECONDS),
    )


@st.composite
def members(draw: st.DrawFn, max_size: int = 5) -> list[FolderRecord]:
    """The records of a member, in the order of a stream."""
    paths = draw(st.lists(PATHS, unique=True, max_size=max_size))
    return [draw(records(path)) for path in sorted(paths, key=sort_key)]


def plain(record: FolderRecord) -> FolderRecord:
    """Return the record with columns that compare equal whatever sequence they are."""
    values = {name: getattr(record, name) for name in FolderRecord.__slots__}
    columns: dict[str, Any] = {
        name: tuple(value) for name, value in values.items() if not isinstance(value, int | bytes)
    }
    return replace(record, **columns)


def record_of(path: bytes = b"", sizes: dict[bytes, int] | None = None, **columns: object) -> FolderRecord:
    """Return a record of copied files with these names and sizes, everything else alike for all."""
    sizes = sizes or {}
    count = len(sizes)
    values: dict[str, object] = {
        "path": path,
        "names": sorted(sizes),
        "sizes": [sizes[name] for name in sorted(sizes)],
        "mtimes": [5] * count,
        "modes": [0o644] * count,
        "actions": bytes([Action.COPY]) * count,
        "digests": bytes(range(1, 17)) * count,
        "inodes": list(range(1, count + 1)),
        "ctimes": [7] * count,
    }
    return FolderRecord(**(values | columns))  # type: ignore[arg-type]


def stream_bytes(
    written: Sequence[FolderRecord], header: dict[str, object] | None = None, notes: dict[str, object] | None = None
) -> bytes:
    """Return a whole stream."""
    file = BytesIO()
    writer = StreamWriter(file, header or {"kind": "manifest"})
    for record in written:
        writer.folder(record.path, encode_record(record))
    writer.close(notes or {})
    return file.getvalue()


def header_of(origin: Path, kind: StreamKind = StreamKind.PLAN, **values: object) -> Header:
    """Return a header of the first member of a new package."""
    fields: dict[str, object] = {
        "kind": kind,
        "project": b"2011.0.00229.S",
        "member": b"group_ouss_id/member_ouss_id",
        "mode": Mode.HARD,
        "append": Append.NOTHING,
        "origin": os.fsencode(origin),
        "scanned_ns": 10**18,
        "layout": "cycle0",
        "may_leave": False,
        "standing": DestinationKind.ABSENT,
        "base": (),
        "readme": b"Cycle: 0\n",
        "host": "here",
        "user": "reducer",
        "program": "qa2pack",
    }
    return Header(**(fields | values))  # type: ignore[arg-type]
