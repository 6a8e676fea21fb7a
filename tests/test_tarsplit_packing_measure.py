"""Measuring a folder: the blocks of each entry are exactly those of what is written for it."""

from hypothesis import given
from hypothesis import strategies as st

from qa2pack.manifest.actions import Action
from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES, padded
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.tarsplit.chunk_entries import ChunkPart, Share
from qa2pack.tarsplit.container.framing import framing_of
from qa2pack.tarsplit.made import Made
from qa2pack.tarsplit.packing.measure import measure

MEMBER = b"sg_ouss_id/group_ouss_id/member_ouss_id"
_NAMES = st.binary(min_size=1, max_size=255).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"0"))
_NAMES |= st.integers(0, 99).map(lambda number: b"plot%02d.png" % number)
_SIZES = st.integers(0, 9 << 30) | st.sampled_from([(8 << 30) - 1, 8 << 30, 1 << 45])


def record(path: bytes, names: list[bytes], sizes: list[int]) -> FolderRecord:
    count = len(names)
    return FolderRecord(
        path=path,
        names=names,
        sizes=sizes[:count],
        mtimes=[0] * count,
        modes=[0o644] * count,
        actions=bytes([Action.COPY]) * count,
        digests=bytes(16) * count,
        inodes=[0] * count,
        ctimes=[0] * count,
    )


@given(
    path=st.sampled_from([b"", MEMBER, MEMBER + b"/log", MEMBER + b"/log/" + b"x" * 90]),
    names=st.lists(_NAMES, max_size=4, unique=True).map(sorted),
    sizes=st.lists(_SIZES, min_size=4, max_size=4),
)
def test_blocks_are_those_of_header_and_content(path: bytes, names: list[bytes], sizes: list[int]) -> None:
    made = record(path, names, sizes)
    measured = measure(made, b"2011.01234.S")
    nothing = ChunkPart(b"", (), (), ())
    framing = framing_of(Made(DeliveryForm.TAR, 0), b"2011.01234.S", nothing, folder_mtime=0)
    assert measured.blocks * BLOCK_BYTES == len(framing.before_folder(made))
    headers = framing.before_files(Share(made, False, range(len(made.names))))
    assert [blocks * BLOCK_BYTES for blocks in measured.file_blocks] == [
        len(header) + padded(size) for header, size in zip(headers, made.sizes, strict=True)
    ]


def test_folder_with_table_dat_is_a_table() -> None:
    assert measure(record(MEMBER + b"/raw/X.ms.split", [b"table.dat"], [1]), b"P").is_table
    assert not measure(record(MEMBER + b"/raw/X.ms.split", [b"table.info"], [1]), b"P").is_table


def test_readme_counts_only_in_a_members_own_folder() -> None:
    assert measure(record(MEMBER, [b"A", b"README"], [1, 1]), b"P", is_member=True).readme == 1
    assert measure(record(MEMBER + b"/log", [b"README"], [1]), b"P").readme is None
