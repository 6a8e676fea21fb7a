"""Shares of delivery sets in the folders of a delivery."""

from qa2pack.manifest.bundle.gzip_format import largest_gzip_bytes
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.format.delivery_row import DeliveryRow
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.tarsplit.cut_set import MeasuredSet, part_limit
from qa2pack.tarsplit.packing.partition import Fill
from qa2pack.tarsplit.selection import SetShare

ROW = DeliveryRow("rest", b"rest_{part}_of_{parts}.tar", ("**",), 20_480)


def folder(path: bytes, count: int) -> FolderRecord:
    return FolderRecord(
        path=path,
        names=[b"%d" % number for number in range(count)],
        sizes=[100] * count,
        mtimes=[0] * count,
        modes=[0o644] * count,
        actions=bytes(count),
        digests=bytes(16 * count),
        inodes=[0] * count,
        ctimes=[0] * count,
    )


def test_sizes_and_places_are_those_of_its_share() -> None:
    measured = MeasuredSet()
    a, b = SetShare(1, [1, 2, 4], has_folder=False), SetShare(1, [0], has_folder=True)
    measured.add(folder(b"a", 5), a, 7, 100, project=b"P", is_member=False)
    measured.add(folder(b"b", 2), b, 8, 105, project=b"P", is_member=False)
    (planned,) = measured.chunks(ROW, b"P", Fill.ORDER, level=6)
    assert planned.name == b"rest_001_of_001.tar"
    assert planned.chunk.folders == ((8, 9),), "the other folder is in another set"
    assert planned.chunk.files == ((101, 103), (104, 106))
    assert planned.chunk.blocks == 1 + 4 * 2
    assert planned.entry_count == 5


def test_part_of_a_compressed_set_is_within_the_limit_whatever_is_in_it() -> None:
    row = DeliveryRow("rest", b"{part}_of_{parts}.tgz", ("**",), 10_000_000, DeliveryForm.TGZ)
    assert largest_gzip_bytes(part_limit(row)) <= row.limit_bytes < largest_gzip_bytes(part_limit(row)) + 1000
    assert part_limit(ROW) == ROW.limit_bytes
