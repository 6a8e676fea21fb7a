"""A second reader of plans and manifests, written from docs/format.md alone, and what it reads compared."""

import os
import struct
from pathlib import Path
from typing import Any

import msgpack
import pytest
import xxhash

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.files import open_manifest, open_plan
from qa2pack.manifest.format.record_codec import decode_record
from support.in_process import Delivery, add_measurement_sets
from support.measurement_sets import Recipe

# The second reader begins here; it knows nothing of the package `manifest`.


def read_stream(data: bytes) -> tuple[Any, list[dict[str, Any]], Any, Any]:
    """Return header, files and folders, notes and trailer of a plan or manifest."""
    assert data[:8] == b"qa2pack\n"
    assert data[-8:] == b"qa2end.\n"
    assert struct.unpack_from("<H", data, 8) == (1,)
    assert xxhash.xxh3_128_digest(data[:-24]) == data[-24:-8]
    frames = list(read_frames(data, 10, len(data) - 40))
    kinds = b"".join(kind for kind, _, _ in frames)
    assert kinds == b"H" + b"F" * (len(frames) - 3) + b"NT"
    assert struct.unpack_from("<QQ", data, len(data) - 40) == (frames[-2][1], frames[-1][1])
    folders = [read_folder(payload) for _, _, payload in frames[1:-2]]
    offsets = {folder["path"]: offset for folder, (_, offset, _) in zip(folders, frames[1:], strict=False)}
    trailer = frames[-1][2]
    assert trailer["folders"] == len(folders)
    assert all(offsets[path] == offset for path, offset in trailer["index"])
    return frames[0][2], folders, frames[-2][2], trailer


def read_frames(data: bytes, offset: int, end: int) -> Any:
    while offset < end:
        kind, length = struct.unpack_from("<cI", data, offset)
        yield kind, offset, msgpack.unpackb(data[offset + 5 : offset + 5 + length])
        offset += 5 + length
    assert offset == end


def read_folder(columns: list[Any]) -> dict[str, Any]:
    path, names, folders, sizes, mtimes, modes, actions, digests, source, sources, _, inodes, ctimes = columns
    listed = names.split(b"\0") if names else []
    count = len(listed)
    origins = sources.split(b"\0") if sources else listed
    values = zip(
        [path + b"/" + name if path else name for name in listed],
        struct.unpack(f"<{count}Q", sizes),
        struct.unpack(f"<{count}q", mtimes),
        struct.unpack(f"<{count}H", modes),
        actions,
        [digests[16 * i : 16 * i + 16] for i in range(count)],
        [source + b"/" + name if source else name for name in origins],
        struct.unpack(f"<{count}Q", inodes),
        struct.unpack(f"<{count}q", ctimes),
        strict=True,
    )
    return {"path": path, "folders": folders.split(b"\0") if folders else [], "files": list(values)}


# Here it ends.


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    """A package with a measurement set that was split, so that every part of the format is in use."""
    folder = tmp_path_factory.mktemp("format")
    delivery = Delivery(folder / "sb1", folder / "2011.0.00229.S")
    (folder / "sb1/X8c").mkdir(parents=True)
    add_measurement_sets(delivery.origin, recipe=Recipe(rows=6, spectra=((4, 2),)))
    (delivery.origin / "X8c/.last").write_bytes(b"left out")
    (delivery.origin / "a\xe9 b.fits").write_bytes(b"a name that receivers refuse")
    delivery.make(Mode.HARD)
    delivery.plan(Mode.COPY)
    return delivery


@pytest.fixture(params=["plan", "manifest"])
def path(made: Delivery, request: pytest.FixtureRequest) -> bytes:
    package = made.package
    return package.plan if request.param == "plan" else package.manifest(b"group_ouss_id/member_ouss_id")


def test_second_reader_reads_the_same_files(path: bytes) -> None:
    _, folders, _, _ = read_stream(Path(os.fsdecode(path)).read_bytes())
    opened = open_manifest(path) if path.endswith(b".manifest") else open_plan(path)
    records = [decode_record(blob) for blob in opened.stream.blobs()]
    assert [folder["path"] for folder in folders] == [record.path for record in records]
    assert [folder["folders"] for folder in folders] == [record.folders for record in records]
    assert [file for folder in folders for file in folder["files"]] == [
        (e.path, e.size, e.state.mtime_ns, e.mode, e.action, e.digest, e.source, e.state.inode, e.state.ctime_ns)
        for record in records
        for e in record.entries()
    ]


def test_second_reader_reads_the_same_header_and_notes(path: bytes) -> None:
    header, _, notes, _ = read_stream(Path(os.fsdecode(path)).read_bytes())
    opened = open_manifest(path) if path.endswith(b".manifest") else open_plan(path)
    assert (header["kind"], header["origin"]) == (opened.header.kind, opened.header.origin)
    assert [tuple(total.values()) for total in notes["totals"]] == [
        (total.role, total.file_count, total.byte_count) for total in opened.notes.totals
    ]
    assert [split["path"] for split in notes["splits"]] == [split.path for split in opened.notes.splits]


def documented(section: str) -> set[str]:
    """Return the keys that the document names in the table of a section."""
    text = (Path(__file__).parent.parent / "docs/format.md").read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {key.strip(" `") for cell in cells for key in cell.split(",")}


def test_document_names_every_key_and_no_other(path: bytes) -> None:
    header, _, notes, _ = read_stream(Path(os.fsdecode(path)).read_bytes())
    assert (
        documented("Header")
        - {
            "is_rebuilt",
            "written",
            "beside",
            "checks",
            "found_texts",
            "delivery",
            "delivery_sets",
            "all_sets",
            "arrived_in",
        }
        == header.keys()
    )
    assert documented("Notes") - {"recalled", "extra", "changed", "trees", "bundles", "opened"} == notes.keys()
    assert documented("Split specs") - {"weights", "adds_spectrum"} == notes["splits"][0]["spec"].keys()


def test_second_reader_finds_the_package_right_by_its_manifest(made: Delivery) -> None:
    manifest = made.package.manifest(b"group_ouss_id/member_ouss_id")
    _, folders, _, _ = read_stream(Path(os.fsdecode(manifest)).read_bytes())
    listed = {os.fsdecode(file[0]): (file[1], file[5]) for folder in folders for file in folder["files"]}
    found = {
        str(file.relative_to(made.member)): (len(data), xxhash.xxh3_128_digest(data))
        for file in made.member.rglob("*")
        if file.is_file()
        for data in [file.read_bytes()]
    }
    assert listed.keys() == found.keys()
    for name in [name for name in listed if name.endswith("/table.lock")]:
        del listed[name], found[name]  # locks are no content
    assert listed == found
