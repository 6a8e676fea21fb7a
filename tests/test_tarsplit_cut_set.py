"""Shares of delivery sets in the folders of a delivery."""

from qa2pack.manifest.bundle.gzip_format import largest_gzip_bytes
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.format.delivery_row import DeliveryRow
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.tarsplit.contents import Selected
from qa2pack.tarsplit.cut_set import MeasuredSet, part_limit
from qa2pack.tarsplit.packing.partition import Fill

ROW = DeliveryRow("rest", b"rest_{part}_of_{parts}.tar", ("**",), 20_480)


def folder(path: bytes, sets: list[int], folder_set: int) -> Selected:
    count = len(sets)
    record = FolderRecord(
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
    return Selected(record, sets, folder_set)


def test_sizes_and_places_are_those_of_its_share() -> None:
    measured = MeasuredSet()
    measured.add(folder(b"a", [0, 1, 1, 0, 1], 0), 1, 7, 100, project=b"P", is_member=False)
    measured.add(folder(b"b", [1, 0], 1), 1, 8, 105, project=b"P", is_member=False)
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
