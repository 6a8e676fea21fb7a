"""Plans, packages and findings are the same, byte for byte, however many calls are under way at once."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa2pack.executor.io.disk import Disk
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.fs import digest
from qa2pack.manifest.fs.at_once import calls_at_once
from qa2pack.manifest.layout.survey import survey
from qa2pack.manifest.progress import Silent
from qa2pack.manifest.scan import link_and_owner_checks, record_builder, walk
from qa2pack.manifest.scan.batches import FileBatch, ScanBatch, ScanOptions, Subtree, SubtreeBatch
from qa2pack.manifest.scan.collect import gather
from qa2pack.manifest.scan.gathered import Gathered
from qa2pack.manifest.verify import member
from support.calls_at_once import Counted
from support.commands import run_redirected
from support.in_process import Delivery, age, write
from support.snapshots import contents

TABLE = ["table.dat", "table.f0", "table.info", "table.lock"]
NAMES = st.sampled_from(["a", "A", "b.fits", "c.gz", ".hidden", "x.last", *TABLE])
FOLDERS = st.sampled_from(["", "d", "d/e", "t.ms", "t.ms/SUB", ".h", "D"])
KINDS = st.sampled_from(
    ["file", "empty", "executable", "set-uid", "hard link", "link", "link to folder", "dangling", "pipe"]
)
MODES = {"executable": 0o755, "set-uid": 0o4755}
TREES = st.dictionaries(st.tuples(FOLDERS, NAMES), KINDS, min_size=1, max_size=25)


@pytest.fixture(autouse=True)
def small_limits() -> Iterator[None]:
    """Files of some bytes count as big, and batches end after a few files."""
    digest.aligned_buffer()  # of this thread, which later tests need in its real size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_builder, "BIG_FILE_BYTES", 40)
        patch.setattr(digest, "BUFFER_BYTES", 30)
        patch.setattr(walk, "BATCH_FILES", 4)
        patch.setattr(link_and_owner_checks, "_NO_LIMIT_BELOW", 1)
        yield


def make_tree(root: Path, tree: dict[tuple[str, str], str]) -> None:
    for number, ((folder, name), kind) in enumerate(sorted(tree.items())):
        path = root / folder / name
        if path.exists() or path.is_symlink():
            continue
        first = write(root / "first", b"first")
        path.parent.mkdir(parents=True, exist_ok=True)
        match kind:
            case "hard link":
                path.hardlink_to(first)
            case "link":
                path.symlink_to(first)
            case "link to folder":
                path.symlink_to(root)
            case "dangling":
                path.symlink_to("nowhere")
            case "pipe":
                os.mkfifo(path)
            case _:
                write(path, b"" if kind == "empty" else b"%d" % number * (number * 2))
                path.chmod(MODES.get(kind, 0o640))


class Read(Silent):
    """Counts what was scanned and read."""

    def __init__(self) -> None:
        self.counts = (0, 0)

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        self.counts = (self.counts[0] + file_count, self.counts[1] + byte_count)


def scanned(options: ScanOptions, names: list[bytes]) -> tuple[Any, ...]:
    """Return all that a plan is made of."""
    batches: list[ScanBatch] = [
        SubtreeBatch(options, (Subtree(b"", b"raw", frozenset({b"a"})),)),
        SubtreeBatch(options, (Subtree(b"", b"whole"), Subtree(b"", b"again"))),
        FileBatch(options, b"raw", tuple(b"single-" + name for name in names), tuple(names)),
    ]
    read = Read()
    gathered = gather(batches, phase="scan", engine=InlineEngine(), progress=read)
    with closing(gathered.spool) as spool:
        return (list(spool.sorted_blobs()), read.counts, *values_of(gathered))


def values_of(gathered: Gathered) -> list[Any]:
    lists: list[list[Any]] = [gathered.relinks, gathered.foreign, gathered.references]
    same: list[Any] = [
        gathered.problems,
        gathered.warnings,
        gathered.counts,
        gathered.sums,
        gathered.linked,
        gathered.holes,
    ]
    return [
        *same,
        gathered.new_files,
        gathered.new_bytes,
        set(gathered.devices),
        *(sorted(map(repr, found)) for found in lists),
    ]


@given(TREES, st.sampled_from([2, 3, 32]), st.sampled_from([Action.LINK, Action.COPY, Action.MOVE]), st.booleans())
def test_plan_does_not_depend_on_how_many_are_looked_at_at_once(
    tree: dict[tuple[str, str], str], count: int, action: Action, is_hashing: bool
) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        make_tree(root, tree)
        options = ScanOptions(os.fsencode(root), action, is_hashing, exclude=("x.last",), foreign=(".h*",))
        names = [os.fsencode(name) for name in sorted(os.listdir(root)) if not (root / name).is_dir()]
        alone = scanned(options, names)
        with calls_at_once(count):
            assert scanned(options, names) == alone
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(walk, "BATCH_FILES", 4000)
            assert scanned(options, names) == alone


@given(TREES, st.sampled_from([2, 3, 32]))
def test_survey_does_not_depend_on_how_many_are_looked_at_at_once(
    tree: dict[tuple[str, str], str], count: int
) -> None:
    with TemporaryDirectory() as folder:
        make_tree(Path(folder), tree)
        alone = survey(os.fsencode(folder), opaque=lambda name: name == b"D")
        with calls_at_once(count):
            assert survey(os.fsencode(folder), opaque=lambda name: name == b"D") == alone


def test_plan_that_knows_an_earlier_one_is_the_same_when_many_are_looked_at_at_once(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path / f"origin/SB/{number % 7}/{number}.png", b"%d" % number)
    age(tmp_path / "origin")
    delivery = Delivery(tmp_path / "origin", tmp_path / "package")
    delivery.plan(Mode.COPY, layout="as-is")
    write(tmp_path / "origin/SB/3/new.png", b"new")
    write(tmp_path / "origin/SB/4/4.png", b"changed")

    def planned() -> tuple[Any, ...]:
        made = delivery.made(Mode.COPY, layout="as-is", now_ns=1)
        with closing(made.gathered.spool) as spool:
            return list(spool.sorted_blobs()), replace(made.notes), made.header

    alone = planned()
    with calls_at_once(5):
        assert planned() == alone
    shutil.rmtree(delivery.package.control)
    with calls_at_once(5):
        assert planned()[0] == alone[0]


def changed(delivery: Delivery) -> None:
    """Change a package in every way that verify finds."""
    member = Path(os.fsdecode(delivery.package.path))
    write(member / "SB/0/0.png", b"other")
    (member / "SB/1/1.png").unlink()
    (member / "SB/2/2.png").unlink()
    (member / "SB/2/2.png").symlink_to("9.png")
    write(member / "SB/2/extra", b"")
    shutil.rmtree(member / "SB/3")
    (member / "SB/4/4.png").unlink()
    (member / "SB/4/4.png").mkdir()
    write(member / "SB/5/5.png", b"6")


def packaged(tmp_path: Path, mode: Mode) -> Delivery:
    for number in range(40):
        write(tmp_path / f"origin/SB/{number % 7}/{number}.png", b"%d" % number)
    (tmp_path / "origin/SB/6/again.png").hardlink_to(tmp_path / "origin/SB/6/6.png")
    age(tmp_path / "origin")
    delivery = Delivery(tmp_path / "origin", tmp_path / "package")
    delivery.make(mode, layout="as-is")
    return delivery


@pytest.mark.parametrize("is_quick", [True, False])
def test_verify_finds_the_same_in_the_same_order_when_many_are_looked_at_at_once(
    tmp_path: Path, is_quick: bool
) -> None:
    delivery = packaged(tmp_path, Mode.COPY)
    changed(delivery)
    alone = delivery.problems(is_quick=is_quick)
    assert len(alone) > 5
    with calls_at_once(5):
        assert delivery.problems(is_quick=is_quick) == alone


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY, Mode.FAKE])
def test_package_is_the_same_when_many_files_are_made_at_once(tmp_path: Path, mode: Mode) -> None:
    alone = contents(Path(os.fsdecode(packaged(tmp_path / "alone", mode).package.path)))
    with calls_at_once(5):
        delivery = packaged(tmp_path / "together", mode)
        assert contents(Path(os.fsdecode(delivery.package.path))) == alone
        assert delivery.problems() == []


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY])
def test_apply_that_failed_while_many_files_were_made_at_once_goes_on(tmp_path: Path, mode: Mode) -> None:
    alone = contents(Path(os.fsdecode(packaged(tmp_path / "alone", mode).package.path)))
    for number in range(0, 40, 13):
        root = tmp_path / f"failed{number}"
        shutil.copytree(tmp_path / "alone/origin", root / "origin", copy_function=shutil.copy2)
        delivery = Delivery(root / "origin", root / "package")
        (root / "origin/SB/6/again.png").unlink()
        (root / "origin/SB/6/again.png").hardlink_to(root / "origin/SB/6/6.png")
        delivery.plan(mode, layout="as-is")
        with calls_at_once(5):
            with pytest.raises(OSError, match="no more"):
                delivery.apply(Full(number))
            assert not delivery.path.exists()
            delivery.apply()
        assert contents(delivery.path) == alone
        assert delivery.problems() == []


class Full(Disk):
    """A disk on which the file of this number can neither be made nor linked."""

    def __init__(self, number: int) -> None:
        self._names = (b"%d.png" % number,)

    def link(self, source: bytes, name: bytes, *, source_fd: int | None, dir_fd: int) -> None:
        self._check(name)
        super().link(source, name, source_fd=source_fd, dir_fd=dir_fd)

    def create(self, name: bytes, *, dir_fd: int | None = None, mode: int = 0o666) -> int:
        self._check(name)
        return super().create(name, dir_fd=dir_fd, mode=mode)

    def _check(self, name: bytes) -> None:
        if name in self._names:
            raise OSError(errno.ENOSPC, "no more", name)


@pytest.mark.parametrize("words", [("status",), ("report", "-o", "page.html")])
def test_status_and_report_of_a_package_compare_it_with_as_many_calls_at_once_as_its_file_system_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    for number in range(40):
        write(tmp_path / f"origin/{number % 7}/{number}.png", b"%d" % number)
    delivery = Delivery(tmp_path / "origin", tmp_path / "package")
    delivery.make(Mode.COPY, layout="as-is")
    compared, measured = Counted(), []

    def late(path: bytes) -> bool:
        measured.append(path)
        return True

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(member, "each", compared)
    monkeypatch.setattr("qa2pack.manifest.fs.latency.answers_late", late)
    ran = run_redirected(words[0], delivery.path, *words[1:])
    assert ran.code == 0, ran.err
    assert measured == [os.fsencode(delivery.path)]
    assert compared.counts[0] == 8, "all folders"
