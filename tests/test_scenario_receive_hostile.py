"""Tars and sidecars that somebody made to do harm: nothing is written outside, and nothing is visible."""

import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.tarsplit.sidecar import Sidecar, open_sidecar
from support.deliveries import OLD_NS, PROJECT, tars
from support.receiver import Receiver, paths_in, rewrite
from support.snapshots import snapshot

Capsys = pytest.CaptureFixture[str]


def renamed(old: bytes, new: bytes) -> Callable[[FolderRecord], FolderRecord]:
    """Return a change that gives a file another name."""

    def change(record: FolderRecord) -> FolderRecord:
        return replace(record, names=[new if name == old else name for name in record.names])

    return change


def everything_else(receiver: Receiver) -> Any:
    """Return all that is outside of the package and its control folder."""
    return {
        path: value
        for path, value in snapshot(receiver.folder).items()
        if not str(path).startswith(("there", "delivery"))
    }


HEADERS: dict[str, Callable[[tarfile.TarInfo], None]] = {
    "a name that goes up": lambda info: setattr(info, "name", "../../escaped"),
    "an absolute name": lambda info: setattr(info, "name", "/tmp/escaped"),
    "a name of another member": lambda info: setattr(info, "name", info.name.replace("member_ouss_id", "member_x")),
    "a symlink": lambda info: make_link(info, tarfile.SYMTYPE),
    "a hard link": lambda info: make_link(info, tarfile.LNKTYPE),
    "a device": lambda info: setattr(info, "type", tarfile.CHRTYPE),
    "a fifo": lambda info: setattr(info, "type", tarfile.FIFOTYPE),
    "a folder": lambda info: setattr(info, "type", tarfile.DIRTYPE),
    "a sparse file": lambda info: setattr(info, "type", tarfile.GNUTYPE_SPARSE),
    "more bytes": lambda info: setattr(info, "size", info.size + 1),
    "a bomb": lambda info: setattr(info, "size", 1 << 40),
    "another mode": lambda info: setattr(info, "mode", 0o6777),
}


def make_link(info: tarfile.TarInfo, kind: bytes) -> None:
    """Make the entry a link to a file outside."""
    info.type, info.linkname, info.size = kind, "/etc/passwd", 0


@pytest.mark.parametrize("name", HEADERS)
def test_entry_that_is_another_than_the_sidecar_says_ends_it_and_makes_nothing(
    delivered: Receiver, name: str
) -> None:
    tar = next(tar for tar in tars(delivered.delivery) if any(b"plot.png" in path for path in paths_in(tar)))
    with tarfile.open(tar) as archive:
        info = next(info for info in archive if info.name.endswith("plot.png"))
    before, outside = bytearray(tar.read_bytes()), everything_else(delivered)
    at = info.offset
    HEADERS[name](info)
    before[at : at + 512] = info.tobuf(tarfile.GNU_FORMAT)[:512]
    tar.write_bytes(before)
    ran = delivered.receive()
    assert ran.code == 1
    assert "changed" in ran.err
    assert not delivered.path.exists()
    assert everything_else(delivered) == outside
    assert staged_names(delivered) <= listed_names(delivered)
    assert not any(name == "plot.png" for name in map(os.path.basename, staged_names(delivered)))


def staged_names(receiver: Receiver) -> set[str]:
    """Return the paths of all that is staged."""
    tree = receiver.path.parent / f"{PROJECT}.pack/staging/tree"
    found = set()
    for path in tree.rglob("*"):
        assert not path.is_symlink()
        found.add(os.path.relpath(path, tree))
    return found


def listed_names(receiver: Receiver) -> set[str]:
    """Return the paths that the sidecar lists."""
    found = set()
    for record in map(decode_record, open_sidecar(os.fsencode(receiver.sidecar)).stream.blobs()):
        found |= {os.fsdecode(os.path.join(record.path, name)) for name in (*record.names, *record.folders)}
    return found


def swap_two(data: bytes, infos: list[tarfile.TarInfo]) -> bytes:
    """Return the tar with two entries in the other order."""
    one, two = infos[:2]
    start, middle, end = one.offset, two.offset, two.offset_data + -(-two.size // 512) * 512
    return data[:start] + data[middle:end] + data[start:middle] + data[end:]


def twice_one(data: bytes, infos: list[tarfile.TarInfo]) -> bytes:
    """Return the tar with the first entry in place of the second, too."""
    one, two = infos[:2]
    entry = data[one.offset : two.offset]
    end = two.offset_data + -(-two.size // 512) * 512
    return (data[: two.offset] + entry + data[end:]).ljust(len(data), b"\0")[: len(data)]


def lack_one(data: bytes, infos: list[tarfile.TarInfo]) -> bytes:
    """Return the tar without the first entry, as long as before."""
    return (data[: infos[0].offset] + data[infos[1].offset :]).ljust(len(data), b"\0")


@pytest.mark.parametrize("change", [swap_two, twice_one, lack_one])
def test_entries_in_another_order_twice_or_missing_are_refused(
    delivered: Receiver, change: Callable[[bytes, list[tarfile.TarInfo]], bytes]
) -> None:
    tar = tars(delivered.delivery)[0]
    with tarfile.open(tar) as archive:
        infos = [info for info in archive if info.isfile() and info.size]
    tar.write_bytes(change(tar.read_bytes(), infos))
    assert delivered.receive().code == 1
    assert not delivered.path.exists()
    assert staged_names(delivered) <= listed_names(delivered)


def first_file_named(name: bytes) -> Callable[[FolderRecord], FolderRecord]:
    """Return a change that gives the plot this name."""
    return renamed(b"plot.png", name)


def lead_nowhere(record: FolderRecord) -> FolderRecord:
    """Return the record without the folder of the plots."""
    return replace(record, folders=[name for name in record.folders if name != b"qa"])


def lead_elsewhere(record: FolderRecord) -> FolderRecord:
    """Return the record of a table with another name for its subtable."""
    return replace(record, folders=[name.replace(b"ANTENNA", b"ANTENNB") for name in record.folders])


def with_sizes(record: FolderRecord) -> FolderRecord:
    """Return the record with plots that are very large."""
    return replace(record, sizes=[1 << 50 for _ in record.names]) if record.path.endswith(b"qa") else record


def in_place_of_a_folder(record: FolderRecord) -> FolderRecord:
    """Return the record of the plots with the name of a file for their folder."""
    if b"README" in record.names:
        return replace(record, folders=[b"README", *(name for name in record.folders if name != b"calibrated")])
    return record


def rewritten(change: Callable[[FolderRecord], FolderRecord]) -> Callable[[Receiver], None]:
    """Return what writes a sidecar with records as somebody else would like them."""
    return lambda receiver: rewrite(receiver, change)


def rewritten_chunks(change: Callable[[Sidecar], Any]) -> Callable[[Receiver], None]:
    """Return what writes a sidecar with chunks as somebody else would like them."""
    return lambda receiver: rewrite(receiver, chunks=change)


def of_members(*paths: bytes) -> Callable[[Receiver], None]:
    """Return what writes a sidecar of other members."""
    return lambda receiver: rewrite(receiver, members=tuple((path, path) for path in paths))


_MEMBER = b"sg_ouss_id/group_ouss_id/member_ouss_id"
# How the sidecar is written, and a word of what is told of it.
SIDECARS: dict[str, tuple[Callable[[Receiver], None], str]] = {
    "a name that goes up": (rewritten(first_file_named(b"../../../../../../escaped")), ""),
    "the name ..": (rewritten(first_file_named(b"..")), "unsafe path"),
    "an absolute name": (rewritten(first_file_named(b"/tmp/escaped")), ""),
    "a folder that goes up": (
        rewritten(lambda record: replace(record, path=b"../x") if record.path.endswith(b"/qa") else record),
        "",
    ),
    "a file with the name of a folder": (rewritten(in_place_of_a_folder), "a file and a folder of one name"),
    "a folder that is missing": (
        rewritten(lambda record: replace(record, folders=[b"z"]) if record.path.endswith(b"/script") else record),
        "a folder that is missing: ",
    ),
    "a folder to which none leads": (rewritten(lead_nowhere), "a folder to which none leads"),
    "a folder of another name": (rewritten(lead_elsewhere), "a folder to which none leads"),
    "a mode that no tar has": (
        rewritten(lambda record: replace(record, modes=[0o4755] * len(record.names))),
        "a mode that no tar has",
    ),
    "a time that no tar has": (
        rewritten(lambda record: replace(record, mtimes=[OLD_NS] * len(record.names))),
        "a time that no tar has",
    ),
    "a size that the chunk does not have": (rewritten(with_sizes), "a chunk of another size"),
    "a chunk of another size": (
        rewritten_chunks(lambda it: [replace(row, byte_count=row.byte_count + 10240) for row in it.chunks]),
        "a chunk of another size",
    ),
    "a chunk twice": (
        rewritten_chunks(lambda it: [replace(row, name=it.chunks[0].name) for row in it.chunks]),
        "two chunks of one name",
    ),
    "a chunk elsewhere": (rewritten_chunks(lambda it: [replace(row, name=b"../x") for row in it.chunks]), ""),
    "a span behind the end": (
        rewritten_chunks(lambda it: [replace(row, files=((0, 10**6),)) for row in it.chunks]),
        "what the records do not",
    ),
    "no member": (of_members(), "no member, or one twice"),
    "a member twice": (of_members(_MEMBER, _MEMBER), "no member, or one twice"),
    "a member elsewhere": (of_members(b"../x"), ""),
    "a member with the folder of another": (of_members(_MEMBER.partition(b"/")[2]), "that has another folder"),
    "another member": (of_members(b"sg_ouss_id/group_ouss_id/member_x"), "something beside the members"),
    "a member in another one": (of_members(b"sg_ouss_id", b"sg_ouss_id/group_ouss_id"), "a member in another one"),
}


@pytest.mark.parametrize("name", SIDECARS)
def test_sidecar_that_no_program_writes_is_refused_before_anything_is_written(delivered: Receiver, name: str) -> None:
    outside = everything_else(delivered)
    write, words = SIDECARS[name]
    write(delivered)
    ran = delivered.receive()
    assert ran.code == 1
    assert "manifest-damaged" in ran.err
    assert words in " ".join(ran.err.split())
    assert "Have the .manifest delivered again." in ran.err
    assert delivered.is_untouched
    assert everything_else(delivered) == outside


def test_folder_that_no_member_of_cycle0_has_is_refused(delivered: Receiver) -> None:
    """With it the package would not be known as one afterwards."""

    def change(record: FolderRecord) -> FolderRecord:
        folders = [b"qb" if name == b"qa" else name for name in record.folders]
        return replace(
            record, folders=folders, path=record.path.removesuffix(b"/qa") + b"/qb" * record.path.endswith(b"/qa")
        )

    rewrite(delivered, change)
    ran = delivered.receive()
    assert "something that no member has" in ran.err
    assert delivered.is_untouched


def test_file_that_is_in_no_tar_is_refused_before_anything_is_written(delivered: Receiver) -> None:
    """A tar is as long with an empty file as without it: its size is rounded up."""
    row = open_sidecar(os.fsencode(delivered.sidecar)).chunks[0]
    start, end = row.files[-1]
    shorter = replace(row, files=(*row.files[:-1], (start, end - 1)))
    rewrite(delivered, chunks=lambda sidecar: [shorter, *sidecar.chunks[1:]])
    ran = delivered.receive()
    assert "an entry is in no chunk" in ran.err
    assert delivered.is_untouched
