"""Receiving that was stopped, by damage, a kill or a power cut, goes on where it was."""

import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.apply import ApplyOptions
from qa2pack.manifest.alma.package import Package
from qa2pack.pack.jobs import receive as job
from qa2pack.pack.jobs.delivery_source import receive_chunk
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.target import target_of
from qa2pack.tarsplit.place.store import Store
from support.deliveries import PROJECT, tars
from support.faulty_disk import ReplaceStoppingDisk, Stopped, StoppingDisk
from support.receiver import Receiver, files_of, paths_in, rewrite, spoil
from support.s3_servers import BUCKET, s3_server

Capsys = pytest.CaptureFixture[str]


def test_damaged_tar_is_named_nothing_is_visible_and_the_same_command_goes_on(delivered: Receiver) -> None:
    tar = tars(delivered.delivery)[-1]
    good = tar.read_bytes()
    spoil(tar, 600)
    ran = delivered.receive()
    assert ran.code == 1
    assert "changed: " in ran.err
    assert str(tar) in ran.err
    assert "the others are not read again" in " ".join(ran.err.split())
    assert not delivered.path.exists()
    assert f"pack apply {delivered.path}" in delivered.type("status", delivered.path).out
    assert "pack plan" not in delivered.type("status", delivered.path).out
    assert f"pack apply {delivered.path}" in delivered.type("verify", delivered.path).err
    tar.write_bytes(good)
    for other in tars(delivered.delivery)[:-1]:
        other.unlink()  # what was read is not needed any more
    delivered.received()
    assert delivered.type("verify", delivered.path).code == 0


def test_damage_where_no_digest_is_known_is_found_by_that_of_the_tar(delivered: Receiver) -> None:
    """The content of a `table.lock` is not in the manifests, and its bytes are among those of the tar."""
    for tar in tars(delivered.delivery):
        with tarfile.open(tar) as archive:
            found = [info for info in archive if info.name.endswith("table.lock")]
        if found:
            spoil(tar, found[0].offset_data + 10)
    assert delivered.receive().code == 1
    assert not delivered.path.exists()


def test_tar_that_is_not_that_of_its_sha256_is_refused(receiver: Receiver) -> None:
    receiver.deliver(checksums=("sha256",))
    wrong = (("sha256", "0" * 64),)
    rewrite(receiver, chunks=lambda sidecar: [replace(row, checksums=wrong) for row in sidecar.chunks])
    ran = receiver.receive()
    assert ran.code == 1
    assert "0" * 64 in ran.err
    assert not receiver.path.exists()


def test_file_with_another_digest_than_the_sidecar_says_is_refused(delivered: Receiver) -> None:
    """The tar is that of the sidecar, whose maker gave it a digest by which nobody could verify the file later."""
    wrong = bytes(range(16))
    rewrite(
        delivered,
        lambda record: replace(record, digests=wrong) if record.path.endswith(b"/ANTENNA") else record,
    )
    ran = delivered.receive()
    assert wrong.hex() in ran.err
    assert not delivered.path.exists()


@pytest.mark.parametrize("call", ["rename", "replace"])
def test_what_was_stopped_after_the_commit_is_finished_without_the_tars(
    delivered: Receiver, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    stopping = (
        StoppingDisk(call)
        if call == "rename"
        else ReplaceStoppingDisk(Package(os.fsencode(delivered.path)).last_plan)
    )
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr("qa2pack.pack.jobs.apply.Disk", lambda: stopping)
        target = target_of(str(delivered.path))
        job.receive(target, os.fsencode(delivered.delivery), Workers(jobs=1), ApplyOptions())
    for tar in tars(delivered.delivery):
        tar.unlink()
    got = json.loads(delivered.received("--json").out)
    assert (len(got["received"]), got["resumed_phase"]) == (1, "committed" if call == "rename" else "published")
    assert delivered.type("verify", delivered.path).code == 0
    assert "the last apply is finished" in delivered.type("status", delivered.path).out


class PlotStoppingDisk(StoppingDisk):
    """Stops before it creates the plot, which is behind most files of a tar."""

    def __init__(self) -> None:
        super().__init__("stop")

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call, or stop."""
        is_plot = name == "create" and args[:1] == (b"plot.png",)
        return super().around("stop" if is_plot else name, call, *args, **options)


def stop_before_the_plot(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, address: str = "") -> None:
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr("qa2pack.pack.jobs.apply.Disk", PlotStoppingDisk)
        target = target_of(str(receiver.path))
        job.receive(target, os.fsencode(address or receiver.delivery), Workers(jobs=1), ApplyOptions())


def spoil_before_the_plot(tar: Path) -> None:
    """Make unreadable what was staged of the tar."""
    with tarfile.open(tar) as archive:
        beginning = next(info.offset for info in archive if info.name.endswith("/qa"))
    with tar.open("r+b") as file:
        file.write(bytes(beginning))


@pytest.fixture
def stopped(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """The only tar of a delivery was staged up to the plot."""
    receiver.deliver(limit=4 << 20)
    stop_before_the_plot(receiver, monkeypatch)
    return receiver


def staged_file(receiver: Receiver, name: str) -> Path:
    """Return a file of the only member, which is staged."""
    return receiver.path.parent / f"{PROJECT}.pack/staging/tree/sg_ouss_id/group_ouss_id/member_ouss_id" / name


def tear(path: Path) -> None:
    """Leave of a file what a power cut may leave: its size and mtime, and no content."""
    status = path.stat()
    path.write_bytes(bytes([1]) * status.st_size)
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))


def test_files_that_are_staged_of_a_tar_are_not_read_again(stopped: Receiver) -> None:
    inode = staged_file(stopped, "product/image.fits").stat().st_ino
    spoil_before_the_plot(*tars(stopped.delivery))
    stopped.received()
    assert files_of(stopped.path) == files_of(stopped.folder / "sender" / PROJECT)
    assert (stopped.path / "sg_ouss_id/group_ouss_id/member_ouss_id/product/image.fits").stat().st_ino == inode


def test_receive_from_s3_goes_on_where_it_was_stopped(delivered: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, read = tars(delivered.delivery)
    folder, store = os.fsencode(delivered.delivery), Store(f"s3://{BUCKET}/out")
    with s3_server(monkeypatch) as proxy:
        store.take(folder, os.listdir(folder))
        stop_before_the_plot(delivered, monkeypatch, store.address)
        gets = [path.rpartition("/")[2] for method, path in proxy.requests if (method, path[-4:]) == ("GET", ".tar")]
        assert gets == [read.name, begun.name]
        spoil_before_the_plot(begun)
        store.take(folder, [os.fsencode(begun.name)])
        store.remove([os.fsencode(read.name)])
        ran = delivered.type("receive", store.address, delivered.path, "--jobs", "1")
        assert ran.code == 0, ran.err
    assert files_of(delivered.path) == files_of(delivered.folder / "sender" / PROJECT)
    assert delivered.type("verify", delivered.path).code == 0


@pytest.mark.parametrize("name", ["product/image.fits", "calibrated/a.ms/table.lock"])
def test_staged_file_that_a_power_cut_tore_is_read_again(stopped: Receiver, name: str) -> None:
    tear(staged_file(stopped, name))
    stopped.received()
    assert files_of(stopped.path) == files_of(stopped.folder / "sender" / PROJECT)
    assert stopped.type("verify", stopped.path).code == 0


def test_torn_file_costs_no_more_than_what_is_behind_it(stopped: Receiver) -> None:
    tear(staged_file(stopped, "product/image.fits"))
    spoil(tars(stopped.delivery)[0], 10)  # nobody could read that
    stopped.received()


def test_damage_behind_what_is_staged_of_a_tar_is_found(stopped: Receiver) -> None:
    (tar,) = tars(stopped.delivery)
    with tarfile.open(tar) as archive:
        spoil(tar, next(info.offset_data for info in archive if info.name.endswith("run.sh")))
    assert "run.sh" in stopped.receive().err
    assert not stopped.path.exists()


def test_rollback_after_damage_leaves_nothing(delivered: Receiver) -> None:
    spoil(tars(delivered.delivery)[0])
    assert delivered.receive().code == 1
    assert delivered.type("rollback", delivered.path).code == 0
    assert not (delivered.path.parent / f"{PROJECT}.pack/staging").exists()
    assert not delivered.path.exists()
    assert f"origin   {delivered.delivery}" in delivered.type("status", delivered.path).out
    assert delivered.type("show", "--plan", delivered.path).code == 0


def test_apply_goes_on_too(delivered: Receiver) -> None:
    delivered.deliver("group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2")
    tar = tars(delivered.delivery)[-1]
    good = tar.read_bytes()
    spoil(tar)
    assert delivered.receive().code == 1
    tar.write_bytes(good)
    ran = delivered.type("apply", delivered.path, "--quiet")
    assert ran.code == 0
    assert ran.out.count("Packaged: 11 files") == 2
    assert delivered.type("verify", delivered.path).code == 0


def test_delivery_that_became_another_one_is_not_mixed_with_what_was_read(delivered: Receiver) -> None:
    spoil(tars(delivered.delivery)[0])
    assert delivered.receive().code == 1
    delivered.deliver(files={"qa/other.png": b"another"})
    assert "another" in delivered.type("apply", delivered.path, "--quiet").err
    sender = delivered.folder / "sender" / PROJECT
    delivered.received()  # what it read before is begun anew
    assert files_of(delivered.path) == files_of(sender)
    assert delivered.type("verify", delivered.path).code == 0


def chunks_read(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, *options: str) -> list[str]:
    """Receive, and return the tars that were read."""
    read: list[str] = []

    def watched(batch: Any) -> Any:
        read.append(os.fsdecode(batch.check.row.name))
        return receive_chunk(batch)

    monkeypatch.setattr("qa2pack.pack.jobs.delivery_source.receive_chunk", watched)
    receiver.receive(*options)
    return sorted(read)


def test_tars_that_were_read_are_not_read_again(delivered: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [tar.name for tar in tars(delivered.delivery)]
    spoil(tars(delivered.delivery)[0])
    assert chunks_read(delivered, monkeypatch) == names
    spoil(tars(delivered.delivery)[0])
    assert chunks_read(delivered, monkeypatch) == names[:1]
    assert delivered.type("verify", delivered.path).code == 0


def test_after_a_restart_of_the_system_all_are_read_again(
    delivered: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [tar.name for tar in tars(delivered.delivery)]
    spoil(tars(delivered.delivery)[0])
    chunks_read(delivered, monkeypatch)
    spoil(tars(delivered.delivery)[0])
    monkeypatch.setattr("qa2pack.executor.apply.running_boot", lambda: "another boot")
    target = target_of(str(delivered.path))
    read: list[bytes] = []

    def watched(batch: Any) -> Any:
        read.append(batch.check.row.name)
        return receive_chunk(batch)

    monkeypatch.setattr("qa2pack.pack.jobs.delivery_source.receive_chunk", watched)
    job.receive(target, os.fsencode(delivered.delivery), Workers(jobs=1), ApplyOptions(boot="another boot"))
    assert sorted(map(os.fsdecode, read)) == names
    assert delivered.type("verify", delivered.path).code == 0


def test_only_tars_with_files_of_new_members_are_read(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.deliver("group_ouss_id/member_ouss_id")
    receiver.received()
    receiver.deliver("group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2")
    needed = [tar.name for tar in tars(receiver.delivery) if b"member_ouss_id2/" in b"".join(paths_in(tar))]
    assert len(needed) < len(tars(receiver.delivery))
    assert chunks_read(receiver, monkeypatch) == needed
