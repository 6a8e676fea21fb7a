import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from qa2pack.manifest.actions import Action
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.problem import Code
from qa2pack.manifest.progress import Silent
from qa2pack.manifest.scan.batches import BigFile, ScanOptions, Subtree, SubtreeBatch
from qa2pack.manifest.scan.collect import gather
from qa2pack.manifest.scan.gathered import Gathered
from support.in_process import write


class Counting(Silent):
    def __init__(self) -> None:
        self.files = 0
        self.bytes = 0

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        self.files += file_count
        self.bytes += byte_count


class Noting(InlineEngine):
    """Notes the order in which batches are run."""

    def __init__(self) -> None:
        self.order: list[object] = []

    def run(self, work: Callable[..., object], batches: deque[object]) -> Iterator[object]:  # type: ignore[override]
        while batches:
            self.order.append(batches[0])
            yield work(batches.popleft())


def gathered(
    root: Path, *sources: bytes, engine: InlineEngine | None = None, progress: Silent | None = None
) -> Gathered:
    options = ScanOptions(os.fsencode(root), Action.COPY, names=load_layout("cycle0").name_rules)
    batches = [SubtreeBatch(options, (Subtree(source, source),)) for source in sources]
    return gather(batches, phase="scan", engine=engine or InlineEngine(), progress=progress or Silent())


def test_all_batches_end_in_one_sorted_spool(tmp_path: Path) -> None:
    write(tmp_path / "b/y", b"12")
    write(tmp_path / "a/x", b"345")
    progress = Counting()
    found = gathered(tmp_path, b"b", b"a", progress=progress)
    assert [path for path, _ in found.spool.sorted_blobs()] == [b"a", b"b"]
    assert (found.counts, progress.files, progress.bytes) == ({b"a": (1, 3), b"b": (1, 2)}, 2, 5)
    found.spool.close()


def test_big_files_go_first_and_the_biggest_before_all(tmp_path: Path) -> None:
    for name, mib in (("a/small", 33), ("a/huge", 35), ("a/large", 34)):
        write(tmp_path / name, b"")
        os.truncate(tmp_path / name, mib << 20)
    for number in range(5):  # together as much as is read at once: then others get the rest
        write(tmp_path / f"a/{number}", b"")
        os.truncate(tmp_path / f"a/{number}", 31 << 20)
    write(tmp_path / "b/y", b"1")
    engine = Noting()
    found = gathered(tmp_path, b"a", b"b", engine=engine)
    assert [b.name if isinstance(b, BigFile) else b"" for b in engine.order] == [
        b"",
        b"huge",
        b"large",
        b"small",
        b"",
    ]
    records = [decode_record(blob) for _, blob in found.spool.sorted_blobs()]
    assert all(record.digest(i) != NO_DIGEST for record in records for i in range(len(record.names)))
    found.spool.close()


def test_problems_and_warnings_are_sorted_by_path(tmp_path: Path) -> None:
    for folder in ("b", "a"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "gone link").symlink_to("nowhere")
        write(tmp_path / folder / "a b", b"1")
    found = gathered(tmp_path, b"b", b"a")
    assert [(p.code, p.path) for p in found.problems] == [
        (Code.LINK_DANGLING, os.fsencode(tmp_path / folder / "gone link")) for folder in ("a", "b")
    ]
    assert [warning.path for warning in found.warnings] == [b"a/a b", b"b/a b"]
    found.spool.close()
