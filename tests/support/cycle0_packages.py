"""Packages of the Cycle 0 layout as texts: what they hold, and what was left out, apart from times, inodes, hosts.

The texts in tests/data/cycle0_packages were written before layouts became data, and are never written again.
"""

import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import xxhash

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.files import Described, open_manifest
from qa2pack.manifest.format.record import DIGEST_BYTES, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.layout.include import parse_include
from qa2pack.manifest.path import shown
from qa2pack.manifest.table_lock import LOCK_NAME
from support.deliveries import cut_up
from support.in_process import Delivery, make_reduction
from support.trees import DATA, make_project229

PACKAGES = DATA / "cycle0_packages"
_CODE = "2011.0.00229.S"
_SCANNED_NS = int(datetime(2012, 6, 20, tzinfo=UTC).timestamp()) * 10**9


def _project229(folder: Path, _: Path) -> Delivery:
    """Both scheduling blocks of the documented project, the second appended as a member."""
    make_project229(folder)
    delivery = Delivery(folder / "IRC10216_setup3_b6_run_x2", folder / _CODE)
    _make(delivery, Mode.FAKE)
    second = Delivery(folder / "IRC10216_setup4_b6_run_x2", folder / _CODE)
    _make(second, Mode.FAKE, append=Append.MEMBER)
    return second


def _casa(folder: Path, reduction: Path) -> Delivery:
    """Both scheduling blocks that CASA made, the second appended as a group."""
    first, *others = (path for path in sorted(reduction.iterdir()) if any(path.glob("*/*.ms.split")))
    delivery = Delivery(first, folder / _CODE)
    _make(delivery, Mode.HARD)
    for other in others:
        delivery = Delivery(other, folder / _CODE)
        _make(delivery, Mode.COPY, append=Append.GROUP)
    return delivery


def _includes(folder: Path, _: Path) -> Delivery:
    """Includes of every role, from every level, with names that meet."""
    origin = make_reduction(folder / "sb1")
    make_reduction(folder / "sb1", uid="uid___A002_X3dc0e7_X528", block="X528", seed=2)
    for name in ("X8c/odd.txt", "X528/odd.txt", "Images/deep/odd.txt", "odd.txt", "Images/odd.log", "X8c/X8c.jpg"):
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        (origin / name).write_bytes(name.encode())
    for role in ("raw", "calibrated", "calibration", "script", "qa", "log", "product"):
        for place in ("", "X8c/", "X528/qa2/", "Images/"):
            (origin / f"{place}for.{role}").parent.mkdir(exist_ok=True)
            (origin / f"{place}for.{role}").write_bytes(f"{place}{role}".encode())
        (origin / f"X8c/qa2/only.{role}").write_bytes(b"alone")
        (origin / f"X528/table.{role}").mkdir()
        (origin / f"X528/table.{role}/table.dat").write_bytes(b"no table")
        (origin / f"uid___A002_X3c9295_X8c.at.{role}").write_bytes(role.encode())
        (origin / f"uid___A002_X1_X2.at.{role}").write_bytes(role.encode())
    roles = ("raw", "calibrated", "calibration", "script", "qa", "log", "product")
    include = [parse_include(f"*.{role}={role}") for role in roles]
    delivery = Delivery(origin, folder / _CODE)
    _make(delivery, Mode.TICKET, include=(*include, parse_include("odd.txt=qa"), parse_include("*odd.log=log")))
    return delivery


def _moved(folder: Path, _: Path) -> Delivery:
    """An execution block alone as the origin, moved."""
    origin = make_reduction(folder / "sb1") / "X8c"
    delivery = Delivery(origin, folder / _CODE)
    _make(delivery, Mode.MOVE)
    return delivery


def _make(delivery: Delivery, mode: Mode, **wishes: object) -> None:
    delivery.plan(mode, now_ns=_SCANNED_NS, **wishes)
    delivery.apply()


# Each function is given an empty folder and the reduction that CASA made.
MAKERS: Mapping[str, Callable[[Path, Path], Delivery]] = {
    "project229": _project229,
    "casa": _casa,
    "includes": _includes,
    "block_alone": _moved,
}


_WITH_CONTENT = ("casa", "block_alone")


def package_text(name: str, folder: Path, casa_reduction: Path) -> str:
    """Make the package of this name in the folder and return its text."""
    delivery = MAKERS[name](folder, casa_reduction)
    package = delivery.package
    lines: list[str] = []
    for manifest in sorted(os.listdir(package.manifests)):
        lines += _member_lines(open_manifest(os.path.join(package.manifests, manifest)), folder)
    lines += _ticket_lines(package.path + b".ticket.tar")
    if name in _WITH_CONTENT:
        lines += _chunk_lines(package, folder / "out")
    return "\n".join(lines) + "\n"


def _member_lines(member: Described, folder: Path) -> Iterator[str]:
    """Yield README, one line for each folder of the member, and the notes."""
    header, notes = member.header, member.notes
    yield f"{header.member.decode()}, {header.mode}"
    yield from (f"  | {line}" for line in header.readme.decode().splitlines())
    for blob in member.stream.blobs():
        yield "  " + _record_line(decode_record(blob))
    yield from (f"  total {total.role} {total.file_count}" for total in notes.totals)
    yield from (f"  left out {shown(left.path)} {left.is_tree}: {left.reason}" for left in notes.left_out)
    for problem in notes.warnings:
        words = f"{problem.code} {shown(problem.path)}; {problem.expected}; {problem.found}"
        yield f"  {words.replace(str(folder), 'FOLDER')}"
    yield from (f"  split {shown(task.path)} {task.spec.keep} {task.spec.drop}" for task in notes.splits)


def _record_line(record: FolderRecord) -> str:
    """Return the line of a folder: few files by name, many as a digest of their names, sizes, sources and actions."""
    # What casacore writes anew holds its version; a lock has no content but a number of rows.
    digests = [
        ""
        if record.actions[index] == Action.SPLIT or name == LOCK_NAME
        else record.digests[index * DIGEST_BYTES :][:DIGEST_BYTES].hex()
        for index, name in enumerate(record.names)
    ]
    sources = record.source_names or record.names
    sizes = [0 if name == LOCK_NAME else size for name, size in zip(record.names, record.sizes, strict=True)]
    columns = [record.names, sizes, record.modes, bytes(record.actions), digests, sources, record.folders]
    parts = [f"{len(record.names)} files", f"{len(record.folders)} folders"]
    if len(record.names) <= 12 and not record.path.count(b"/") > 1:
        parts.append(" ".join(map(shown, record.names)))
    digest = xxhash.xxh3_128_hexdigest(repr((columns, _relative(record.source))).encode())
    return f"{shown(record.path) or '.'}: {', '.join(parts)}; {digest}"


def _relative(source: bytes) -> bytes:
    return b"elsewhere" if source.startswith(b"/") else source


def _chunk_lines(package: Package, output: Path) -> Iterator[str]:
    output.mkdir()
    cut_up(package, output)
    for path in sorted(output.iterdir()):
        if path.name.endswith(".manifest.md5sum"):
            continue  # came later: the sidecar has had a checksum file of its own only since then
        yield path.name
        if path.suffix == ".tar":
            yield from _tar_lines(os.fsencode(path))


def _ticket_lines(path: bytes) -> Iterator[str]:
    yield "ticket files"
    yield from _tar_lines(path)


def _tar_lines(path: bytes) -> Iterator[str]:
    with tarfile.open(os.fsdecode(path)) as tar:
        for member in tar:
            if member.name.count("/") < 6:
                yield f"  {shown(member.name)} {member.size} {member.mode:o} {member.type.decode()}"
