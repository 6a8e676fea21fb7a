"""Deliveries, and the packages that are made of them, are the same however many calls are under way at once."""

import errno
import os
from pathlib import Path

import pytest

from qa2pack.executor.apply import ApplyOptions
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.stage import received_tree
from qa2pack.manifest.fs import at_once
from qa2pack.manifest.fs.at_once import calls_at_once
from qa2pack.pack.jobs import receive as job
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.target import target_of
from support.calls_at_once import AT_ONCE, Counted, Late
from support.deliveries import MEMBER, PROJECT, check, cut_up, extract, make_package
from support.receiver import Receiver, files_of

Capsys = pytest.CaptureFixture[str]
FILES: dict[str | bytes, bytes] = {
    **{f"calibration/plots/{number:02}.png": b"%d" % number * number for number in range(40)},
    "calibration/more/a.png": b"a",
    "product/image.fits": bytes(300 << 10),  # too large to be read ahead
}


@pytest.fixture
def delivered(tmp_path: Path, capsys: Capsys) -> Receiver:
    receiver = Receiver(tmp_path, capsys)
    receiver.deliver(files=FILES, limit=1 << 20)
    return receiver


def test_delivery_is_the_same_when_small_files_are_read_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make_package(tmp_path / PROJECT, FILES)
    found = []
    for name, count in (("alone", 1), ("together", AT_ONCE)):
        (tmp_path / name).mkdir()
        ahead = Counted()
        monkeypatch.setattr(at_once, "each", ahead)
        with calls_at_once(count):
            assert not cut_up(package, tmp_path / name).problems
        assert max(ahead.counts, default=0) == (0 if count == 1 else 4 * AT_ONCE)
        found.append(files_of(tmp_path / name))
    assert found[0] == found[1]


@pytest.mark.parametrize("number", [0, 17, 39])
def test_first_file_that_is_not_as_packaged_stops_the_chunk_also_when_later_ones_are_read_ahead(
    tmp_path: Path, number: int
) -> None:
    package = make_package(tmp_path / PROJECT, FILES)
    plots = tmp_path / PROJECT / MEMBER / "calibration/plots"
    (plots / "39.png").unlink()
    os.truncate(plots / f"{number:02}.png", 1) if number != 39 else None
    (tmp_path / "out").mkdir()
    with calls_at_once(AT_ONCE):
        (problem,) = cut_up(package, tmp_path / "out").problems
    assert problem.path == os.fsencode(plots / f"{number:02}.png")
    assert not list((tmp_path / "out").glob("*.tar"))


def receive(receiver: Receiver) -> None:
    job.receive(target_of(str(receiver.path)), os.fsencode(receiver.delivery), Workers(jobs=1), ApplyOptions())


def states_of(root: Path) -> dict[str, tuple[int, int, int]]:
    """Return mode, mtime and size of everything below a folder."""
    found = {str(path.relative_to(root)): path.lstat() for path in sorted(root.rglob("*"))}
    return {path: (s.st_mode, s.st_mtime_ns, s.st_size * path.endswith("g")) for path, s in found.items()}


def test_received_package_is_the_same_when_small_files_are_written_at_once(
    delivered: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(delivered)
    alone = files_of(delivered.path), states_of(delivered.path)
    delivered.path.parent.rename(tmp_path / "alone")
    delivered.path.parent.mkdir()
    written = Counted()
    monkeypatch.setattr(received_tree, "each", written)
    monkeypatch.setattr("qa2pack.pack.jobs.engines.call_count", Late())
    receive(delivered)
    assert (files_of(delivered.path), states_of(delivered.path)) == alone
    assert max(written.counts) > 40, "files of several folders are written at once"
    assert delivered.type("verify", delivered.path).code == 0


def test_tree_that_was_unpacked_is_compared_with_as_many_calls_at_once_as_its_file_system_needs(
    delivered: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract(delivered.delivery, delivered.folder / "unpacked")
    unpacked = delivered.folder / "unpacked" / PROJECT
    late = Late()
    monkeypatch.setattr("qa2pack.pack.jobs.engines.call_count", late)
    ran = delivered.type("verify", unpacked, "--manifest", delivered.sidecar)
    assert ran.code == 0, ran.err
    assert late.measured == [unpacked]


def test_checksum_files_are_compared_with_several_calls_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    cut_up(make_package(tmp_path / PROJECT, FILES), tmp_path / "out", limit=20 << 10)
    first, second, *_, last = sorted((tmp_path / "out").glob("*.tar.md5sum"))
    first.unlink()
    second.write_text("another")
    last.write_bytes(last.read_bytes() + b"more")
    alone = check(tmp_path / "out")
    assert [os.fsdecode(problem.path) for problem in alone] == [first.name, second.name, last.name]
    compared = Counted()
    monkeypatch.setattr("qa2pack.tarsplit.check.each", compared)
    with calls_at_once(AT_ONCE):
        assert check(tmp_path / "out") == alone
    assert compared.counts == [len(list((tmp_path / "out").glob("*.tar")))]


class Full(Disk):
    """A disk on which some files cannot be made."""

    def __init__(self, name: bytes) -> None:
        self._name = name

    def create(self, name: bytes, *, dir_fd: int | None = None, mode: int = 0o666) -> int:
        """Create a file, unless it is this one."""
        if name == self._name:
            raise OSError(errno.ENOSPC, "no more", name)
        return super().create(name, dir_fd=dir_fd, mode=mode)


@pytest.mark.parametrize("name", [b"00.png", b"20.png", b"39.png", b"a.png"])
def test_receiving_that_failed_while_many_files_were_written_at_once_goes_on(
    delivered: Receiver, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    monkeypatch.setattr("qa2pack.pack.jobs.engines.call_count", Late())
    with monkeypatch.context() as patch, pytest.raises(OSError, match="no more"):
        patch.setattr("qa2pack.pack.jobs.apply.Disk", lambda: Full(name))
        receive(delivered)
    assert not delivered.path.exists()
    receive(delivered)
    assert files_of(delivered.path) == files_of(delivered.folder / "sender" / PROJECT)
    assert delivered.type("verify", delivered.path).code == 0
