"""The tar that grows: what is summed while it is written is what then is in the file."""

import hashlib
from functools import partial
from pathlib import Path

import pytest

from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES, padded
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.fs.digest import digest_of_bytes
from qa2pack.tarsplit.checksums import threaded_sums
from qa2pack.tarsplit.chunk_entries import ChunkPart
from qa2pack.tarsplit.container.framing import framing_of
from qa2pack.tarsplit.container.writer import ContainerWriter, Output, OutputFailedError
from qa2pack.tarsplit.made import Made
from qa2pack.tarsplit.output_files import write_all
from qa2pack.tarsplit.packing.partition import tar_bytes

FRAMING = framing_of(Made(DeliveryForm.TAR, 0), b"P", ChunkPart(b"", (), (), ()), folder_mtime=0)


def write_blocks(
    path: str | Path, block_counts: list[int], checksums: tuple[str, ...] = ("md5", "sha256")
) -> list[str]:
    """Write contents of so many blocks each, every block with other bytes, and return the checksums."""
    with open(path, "wb", buffering=0) as file, threaded_sums(checksums) as sums:
        out = ContainerWriter(Output(partial(write_all, file.fileno()), sums), FRAMING)
        written = 0
        for number, count in enumerate(block_counts):
            out.add_header(bytes([number]) * BLOCK_BYTES)
            size = 0
            for _ in range(count):
                block = out.free_block()
                block[:] = bytes([written % 251]) * len(block)
                out.add_block(block)
                written += 1
                size += len(block)
            out.end_content(size)
        blocks = sum(block_counts) * padded(len(out.free_block())) // BLOCK_BYTES + len(block_counts)
        out.finish(tar_bytes(blocks))
        return [sums.result(name) for name in (*checksums, "xxh128")]


@pytest.mark.parametrize("block_counts", [[12], [1] * 8, [3, 1, 2, 5]])
def test_blocks_are_summed_before_their_memory_is_used_again(tmp_path: Path, block_counts: list[int]) -> None:
    sums = write_blocks(tmp_path / "tar", block_counts)
    data = (tmp_path / "tar").read_bytes()
    assert sums == [hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest(), digest_of_bytes(data).hex()]


def test_without_slow_checksums_the_quick_one_is_right(tmp_path: Path) -> None:
    assert write_blocks(tmp_path / "tar", [2], ()) == [digest_of_bytes((tmp_path / "tar").read_bytes()).hex()]


def test_full_disk_is_distinguished_from_a_source_that_cannot_be_read() -> None:
    with pytest.raises(OutputFailedError, match="No space left"):
        write_blocks("/dev/full", [1])


def test_tar_of_another_size_than_was_computed_is_never_finished(tmp_path: Path) -> None:
    with (tmp_path / "tar").open("wb", buffering=0) as file, threaded_sums(()) as sums:
        out = ContainerWriter(Output(partial(write_all, file.fileno()), sums), FRAMING)
        out.add_file(bytes(BLOCK_BYTES), b"content")
        with pytest.raises(RuntimeError, match="were computed"):
            out.finish(tar_bytes(19))
