"""The values that stand in the golden files of tests/data/golden, and what today's program makes of them."""

import os
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.transaction.journal import create_journal
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.casa.column_split import SplitSpec
from qa2pack.manifest.format.files import write_records
from qa2pack.manifest.format.header import (
    Difference,
    Header,
    LeftOut,
    Notes,
    Relink,
    SplitTask,
    StreamKind,
    TableNote,
    Total,
)
from qa2pack.manifest.format.record_codec import encode_record
from qa2pack.manifest.problem import Code, Problem
from support.deliveries import DAY, PROJECT, cut_up, make_package
from support.generated import header_of, record_of, stream_bytes
from support.in_process import Delivery, make_reduction
from support.journals import BEGIN, REST

GOLDEN = Path(__file__).resolve().parents[1] / "data" / "golden"
RECORDS = (
    record_of(folders=[b"qa", b"script"]),
    record_of(b"qa", {b"a.png": 3, b"\xff \n.png": 2**40}, source=b"X8c/qa2"),
    record_of(
        b"script",
        {b"one.py": 1, b"two.py": 2},
        actions=bytes([Action.LINK, Action.MOVE]),
        source_names=[b"a/one.py", b"/elsewhere/two.py"],
        device=7,
    ),
)
_SPEC = SplitSpec(
    keep="DATA",
    drop=("MODEL_DATA",),
    written=(b"table.dat",),
    placeholders=(b"table.f3",),
    dropped=(b"table.f3", b"table.f3_TSM0"),
    sizes=((b"table.dat", 4),),
)
_BEFORE = encode_record(record_of(b"raw/u.ms", {b"table.dat": 5}, source=b"u.ms"))
NOTES = Notes(
    totals=(Total("qa", 2, 2**40 + 3), Total("script", 2, 3)),
    new_files=2,
    new_bytes=2**40 + 3,
    left_out=(LeftOut(b"old", "no rule of layout cycle0 takes it", is_tree=True),),
    warnings=(Problem(Code.W_EMPTY, b"empty.fits", "some bytes", "0"),),
    splits=(SplitTask(b"raw/u.ms", b"u.ms", _SPEC, _BEFORE, 4096),),
    tables=(TableNote(b"u.ms", "DATA", bytes(16), ("DATA", "MODEL_DATA"), _SPEC),),
    relinks=(Relink(b"log/a.log", b"/P/old", b"/P/new"),),
    difference=Difference(1, 2, 3, 4, 5, 6),
)


def header(kind: StreamKind) -> Header:
    """Return the header of the golden plan or manifest."""
    return header_of(Path("/data/sb1"), kind, base=((b"group_ouss_id/other", bytes(16)),), mode=Mode.MOVE)


def _described(kind: StreamKind) -> bytes:
    file = BytesIO()
    write_records(file, header(kind), NOTES, ((record.path, encode_record(record)) for record in RECORDS))
    return file.getvalue()


def _plan(_: Path) -> bytes:
    return _described(StreamKind.PLAN)


def _manifest(_: Path) -> bytes:
    return _described(StreamKind.MANIFEST)


def _stream(_: Path) -> bytes:
    return stream_bytes(RECORDS, {"kind": "manifest"}, {"totals": [1, 2]})


def _journal(folder: Path) -> bytes:
    path = os.fsencode(folder / "journal")
    journal = create_journal(path, BEGIN, Disk())
    for record in REST:
        journal.append(record)
    journal.close()
    return (folder / "journal").read_bytes()


def _sidecar(folder: Path) -> bytes:
    package = make_package(folder / PROJECT, {f"product/{number}.fits": bytes(3000) for number in range(5)})
    (folder / "out").mkdir()
    cut_up(package, folder / "out", 20_000, checksums=("md5", "sha256", "xxh128"))
    return (folder / "out" / f"{PROJECT}_{DAY}.manifest").read_bytes()


def _ticket_names(folder: Path) -> bytes:
    Delivery(make_reduction(folder / "sb1"), folder / "2011.0.00229.S").make(Mode.COPY)
    lines = []
    for path in sorted(folder.glob("*.ticket.*")):
        if path.suffix == ".tar":
            with tarfile.open(path) as tar:
                names = tar.getnames()
        else:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        lines += [path.name, *(f"  {name}" for name in names)]
    return ("\n".join(lines) + "\n").encode()


# Each function is given an empty folder.
WRITERS: Mapping[str, Callable[[Path], bytes]] = {
    "plan": _plan,
    "manifest": _manifest,
    "stream": _stream,
    "journal": _journal,
    "delivery.manifest": _sidecar,
    "tickets.txt": _ticket_names,
}
