"""A delivery is received: each tar is read once, all is checked, and a package is there or nothing."""

import json
import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.apply import ApplyOptions
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.files import Described, open_manifest
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.format.stream import StreamWriter
from qa2pack.pack.jobs import receive as job
from qa2pack.pack.jobs.delivery_source import receive_chunk
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.target import target_of
from qa2pack.tarsplit.sidecar import Sidecar, header_to_wire, notes_to_wire, open_sidecar
from support.commands import Ran, run_here
from support.deliveries import DAY, OLD_NS, PROJECT, cut_up, make_package, tars
from support.faulty_disk import ReplaceStoppingDisk, Stopped, StoppingDisk
from support.file_systems import folder_elsewhere, small_disk
from support.snapshots import snapshot
from support.users import as_ordinary_user, folder_of_everybody

Capsys = pytest.CaptureFixture[str]
FILES: dict[str | bytes, bytes] = {
    "script/scriptForImaging.py": b"print()",
    "script/run.sh": b"#!/bin/sh\n",
    "qa/plot.png": b"a plot",
    "calibrated/a.ms/table.dat": b"a table",
    "calibrated/a.ms/table.lock": bytes(300),
    "calibrated/a.ms/ANTENNA/table.dat": b"another",
    "product/image.fits": bytes(20_000),
    "product/empty": b"",
    b"log/\xff\n": b"a name of any bytes",
    "log/" + "long " * 40: b"a long name",
}
LABELLED = f"sg_ouss_id/group_ouss_id/member_ouss_{DAY}_id"


class Receiver:
    """Who gets a delivery."""

    def __init__(self, folder: Path, capsys: Capsys) -> None:
        self.folder = folder
        self.delivery = folder / "delivery"
        self.path = folder / "there" / PROJECT
        self.path.parent.mkdir()
        self._capsys = capsys

    def deliver(self, *members: str, limit: int = 20 << 10, day: str = "", files: Any = None, **choices: Any) -> Path:
        """Make a package on the other side and cut it."""
        sender = self.folder / "sender"
        shutil.rmtree(sender, ignore_errors=True)
        shutil.rmtree(self.delivery, ignore_errors=True)
        package = make_package(sender / PROJECT, FILES if files is None else files, *members)
        self.delivery.mkdir()
        cut_up(package, self.delivery, limit, label_day=day, **choices)
        return sender / PROJECT

    def receive(self, *options: str | Path) -> Ran:
        """Type the command."""
        return run_here(self._capsys, "receive", self.delivery, self.path, "--jobs", "1", "--quiet", *options)

    def received(self, *options: str | Path) -> Ran:
        """Type it, and it works."""
        ran = self.receive(*options)
        assert ran.code == 0, ran.err
        return ran

    def type(self, *words: str | Path) -> Ran:
        """Type another command."""
        return run_here(self._capsys, *words)

    @property
    def sidecar(self) -> Path:
        return next(self.delivery.glob("*.manifest"))

    @property
    def is_untouched(self) -> bool:
        """Tell whether nothing is visible, and no control folder was left."""
        return os.listdir(self.path.parent) == []


@pytest.fixture
def receiver(tmp_path: Path, capsys: Capsys) -> Receiver:
    """Nothing is delivered yet."""
    return Receiver(tmp_path, capsys)


def files_of(folder: Path) -> dict[bytes, bytes]:
    """Return the content of every file below the folder."""
    return {
        os.path.relpath(os.fsencode(path), os.fsencode(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# the straight case


def test_received_package_is_the_delivered_one(receiver: Receiver) -> None:
    sender = receiver.deliver()
    ran = receiver.received()
    assert files_of(receiver.path) == files_of(sender)
    assert sorted(path.relative_to(receiver.path) for path in receiver.path.rglob("*")) == sorted(
        path.relative_to(sender) for path in sender.rglob("*")
    )
    assert "Received: 11 files" in ran.out
    assert f"All is as in the manifest of the delivery, of {len(tars(receiver.delivery))} tars." in ran.out


def test_modes_and_times_are_those_of_the_tar(receiver: Receiver, tmp_path: Path) -> None:
    receiver.deliver()
    old = os.umask(0o077)
    try:
        receiver.received()
    finally:
        os.umask(old)
    for tar in tars(receiver.delivery):
        with tarfile.open(tar) as archive:
            for info in archive:
                status = os.lstat(receiver.path.parent / info.name)
                assert (status.st_mode & 0o7777, status.st_mtime_ns) == (info.mode, info.mtime * 10**9), info.name


def test_other_commands_work_on_it_from_then_on(receiver: Receiver) -> None:
    receiver.deliver(day=DAY)
    receiver.received()
    assert "All as packaged: 1 member, 11 files" in receiver.type("verify", receiver.path).out
    assert "the last apply is finished" in receiver.type("status", receiver.path).out
    shown = json.loads(receiver.type("show", receiver.path, "--json").out)
    assert [(each["member"], each["is_adopted"], each["mode"]) for each in shown["members"]] == [
        (f"group_ouss_id/member_ouss_{DAY}_id", True, "copy")
    ]
    assert receiver.type("readme", receiver.path, "--set-field", "Project code=X").code == 0
    assert receiver.type("verify", receiver.path).code == 0


def test_it_can_be_cut_again_into_the_same_tars(receiver: Receiver, tmp_path: Path) -> None:
    receiver.deliver()
    receiver.received()
    again = tmp_path / "again"
    again.mkdir()
    assert receiver.type("tarsplit", "-n", DAY, receiver.path, "--output", again, "--size", "20480").code == 0
    assert receiver.type("verify", "--chunks", receiver.delivery, receiver.path).code == 0
    first, second = tars(receiver.delivery)[1], tars(again)[1]  # the first has the times of the folders
    assert first.read_bytes() == second.read_bytes()


def test_number_of_rows_of_a_table_is_kept_in_the_manifest(receiver: Receiver) -> None:
    lock = bytes(264) + b"\xbe\xbe\xbe\xbe" + bytes(4) + b"\x00\x00\x00\x04sync" + bytes([0, 0, 0, 1, 0, 0, 0, 7])
    receiver.deliver(files={"calibrated/a.ms/table.lock": lock, "calibrated/a.ms/table.dat": b"x"})
    receiver.received()
    path = receiver.path / "sg_ouss_id/group_ouss_id/member_ouss_id/calibrated/a.ms/table.lock"
    path.write_bytes(lock[:-1] + b"\x08")
    assert "table.lock" in receiver.type("verify", receiver.path).out


def test_damage_after_it_is_found(receiver: Receiver) -> None:
    receiver.deliver()
    receiver.received()
    image = receiver.path / "sg_ouss_id/group_ouss_id/member_ouss_id/product/image.fits"
    image.write_bytes(b"x" * 20_000)
    ran = receiver.type("verify", receiver.path)
    assert ran.code == 3
    assert "changed sg_ouss_id/group_ouss_id/member_ouss_id/product/image.fits" in ran.out


def test_sidecar_itself_may_be_named_and_the_package_may_lie_beside_the_tars(receiver: Receiver) -> None:
    receiver.deliver()
    receiver.path = receiver.delivery / PROJECT
    assert receiver.type("receive", receiver.sidecar, receiver.path, "--quiet").code == 0
    assert receiver.type("verify", receiver.path).code == 0


def test_json_names_the_members(receiver: Receiver) -> None:
    receiver.deliver("group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2")
    got = json.loads(receiver.received("--json").out)
    names = ["group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2"]
    assert [each["member"] for each in got["received"]] == names
    assert (got["same"], got["chunk_count"]) == ([], len(tars(receiver.delivery)))


def test_ordinary_user_receives_what_another_one_delivered(capsys: Capsys) -> None:
    with folder_of_everybody() as folder:
        receiver = Receiver(folder, capsys)
        receiver.deliver()
        receiver.path.parent.chmod(0o777)
        with as_ordinary_user() as user:
            receiver.received()
            assert receiver.type("verify", receiver.path).code == 0
            assert os.stat(receiver.path).st_uid == user


def test_several_processes_read_several_tars(receiver: Receiver) -> None:
    sender = receiver.deliver()
    assert len(tars(receiver.delivery)) > 1
    assert receiver.type("receive", receiver.delivery, receiver.path, "--jobs", "2", "--quiet").code == 0
    assert files_of(receiver.path) == files_of(sender)


# what is in a package besides files


def manifest_of(receiver: Receiver) -> Described:
    """Return the manifest of the only member."""
    (path,) = (receiver.path.parent / f"{PROJECT}.pack/manifests").iterdir()
    return open_manifest(os.fsencode(path))


def test_placeholders_stay_placeholders(receiver: Receiver) -> None:
    receiver.deliver()
    rewrite(receiver, lambda record: without_digest_of(record, b"empty"))
    receiver.received()
    manifest = manifest_of(receiver)
    assert manifest.header.mode is Mode.TICKET
    products = decode_record(manifest.stream.find(b"product") or b"")
    assert [Action(action) for action in products.actions] == [Action.DUMMY, Action.CARRY]
    assert receiver.type("verify", receiver.path).code == 0
    assert "placeholders" in receiver.type("tarsplit", "-n", DAY, receiver.path).err


def test_tree_of_no_known_layout_gets_no_ticket_files(receiver: Receiver, tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    (origin / "data").mkdir(parents=True)
    (origin / "data" / "a.xml").write_bytes(b"<a/>")
    (origin / "README").write_bytes(b"of somebody else")
    sender = tmp_path / "sender" / PROJECT
    sender.parent.mkdir()
    assert receiver.type("package", origin, sender, "--layout", "as-is", "--mode", "copy", "--quiet").code == 0
    receiver.delivery.mkdir()
    assert receiver.type("tarsplit", "-n", DAY, sender, "--output", receiver.delivery, "--quiet").code == 0
    receiver.received()
    assert files_of(receiver.path) == files_of(sender)
    assert sorted(os.listdir(receiver.path.parent)) == [PROJECT, f"{PROJECT}.pack"]
    assert receiver.type("verify", receiver.path).code == 0


def test_layout_that_is_given_is_remembered_and_its_tree_is_asked_for(receiver: Receiver) -> None:
    receiver.deliver()
    assert "other-tree" in receiver.receive("--layout", "alma-pipeline").err
    assert receiver.is_untouched
    receiver.received("--layout", "cycle0")
    assert manifest_of(receiver).header.layout == "cycle0"


# several deliveries


def test_second_delivery_adds_its_member_and_leaves_the_first(receiver: Receiver) -> None:
    receiver.deliver(day=DAY)
    receiver.received()
    first = snapshot(receiver.path / LABELLED)
    receiver.deliver("group_ouss_id/member_ouss_id2")
    ran = receiver.received()
    assert snapshot(receiver.path / LABELLED) == first
    assert "member_ouss_id2" in ran.out
    assert "All as packaged: 2 members" in receiver.type("verify", receiver.path).out
    assert receiver.type("rollback", receiver.path).code == 0
    assert "All as packaged: 1 member" in receiver.type("verify", receiver.path).out


def test_member_that_is_there_is_left_and_its_tars_are_not_read(receiver: Receiver) -> None:
    receiver.deliver()
    receiver.received()
    before = snapshot(receiver.path)
    for tar in tars(receiver.delivery):
        tar.unlink()
    ran = receiver.received()
    assert "Left as it is, because its manifest has the same content: group_ouss_id/member_ouss_id\n" in ran.out
    assert "Nothing to do" in ran.out
    assert snapshot(receiver.path) == before


def test_members_that_are_there_are_left_and_the_others_are_added(receiver: Receiver) -> None:
    receiver.deliver("group_ouss_id/member_ouss_id")
    receiver.received()
    sender = receiver.deliver("group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2")
    ran = receiver.received()
    assert "Left as it is" in ran.out
    assert files_of(receiver.path) == files_of(sender)
    assert "All as packaged: 2 members" in receiver.type("verify", receiver.path).out


def test_member_that_differs_is_refused_with_what_to_do(receiver: Receiver) -> None:
    receiver.deliver()
    receiver.received()
    before = snapshot(receiver.path)
    receiver.deliver(files=FILES | {"qa/plot.png": b"another one"})
    ran = receiver.receive()
    assert ran.code == 1
    assert "member-differs" in ran.err
    assert f"pack receive {receiver.sidecar} FOLDER\n" in ran.err
    assert snapshot(receiver.path) == before


def test_one_of_several_members_that_differs_can_be_removed(receiver: Receiver) -> None:
    receiver.deliver("group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2")
    receiver.received()
    sender = receiver.deliver("group_ouss_id/member_ouss_id2", files=FILES | {"qa/plot.png": b"another one"})
    assert f"pack remove {receiver.path} --member group_ouss_id/member_ouss_id2 --force" in receiver.receive().err
    words = ("remove", receiver.path, "--member", "group_ouss_id/member_ouss_id2", "--force")
    assert receiver.type(*words).code == 0
    receiver.received()
    there = files_of(receiver.path)
    assert there.items() >= files_of(sender).items()


def test_member_without_a_manifest_is_adopted_first(receiver: Receiver) -> None:
    receiver.deliver()
    receiver.received()
    shutil.rmtree(receiver.path.parent / f"{PROJECT}.pack")
    for ticket in receiver.path.parent.glob("*.ticket.*"):
        ticket.unlink()
    ran = receiver.receive()
    assert "manifest-missing" in ran.err
    assert f"Make its manifest, then give the same command again:\n        pack adopt {receiver.path}" in ran.err
    assert receiver.type("adopt", receiver.path).code == 0
    assert "Left as it is" in receiver.received().out


def test_two_new_members_of_a_group_that_is_there_are_refused(receiver: Receiver) -> None:
    receiver.deliver("group_ouss_id/member_ouss_id")
    receiver.received()
    receiver.deliver("group_ouss_id/member_ouss_id2", "group_ouss_id/member_ouss_id3")
    before = snapshot(receiver.path)
    assert "members-apart" in receiver.receive().err
    assert snapshot(receiver.path) == before


def test_two_new_members_of_a_new_group_are_added_at_once_and_rolled_back_at_once(receiver: Receiver) -> None:
    receiver.deliver("group_ouss_id/member_ouss_id")
    receiver.received()
    before = files_of(receiver.path)
    receiver.deliver("group_ouss_id2/member_ouss_id", "group_ouss_id2/member_ouss_id2")
    receiver.received()
    assert "All as packaged: 3 members" in receiver.type("verify", receiver.path).out
    assert receiver.type("rollback", receiver.path).code == 0
    assert files_of(receiver.path) == before
    assert receiver.type("verify", receiver.path).code == 0


def test_members_of_several_deliveries_are_rolled_back_one_after_the_other(receiver: Receiver) -> None:
    receiver.deliver("group_ouss_id/member_ouss_id")
    receiver.received()
    before = files_of(receiver.path.parent)
    receiver.deliver("group_ouss_id2/member_ouss_id", "group_ouss_id2/member_ouss_id2")
    receiver.received()
    receiver.deliver("group_ouss_id3/member_ouss_id")
    receiver.received()
    assert receiver.type("rollback", receiver.path).code == 0
    assert receiver.type("rollback", receiver.path, "--further").code == 0
    after = files_of(receiver.path.parent)
    kept = [path for path in before if b".pack/" not in path or b"manifests/" in path]
    assert {path: after.get(path) for path in kept} == {path: before[path] for path in kept}
    assert [path for path in after if b"group_ouss_id2" in path and b".pack/finished" not in path] == []
    assert receiver.type("verify", receiver.path).code == 0


# before anything is written


@pytest.fixture
def delivered(receiver: Receiver) -> Receiver:
    """A delivery of one member is there."""
    receiver.deliver()
    return receiver


def test_tar_that_is_missing_is_refused_before_anything_is_written(delivered: Receiver) -> None:
    tars(delivered.delivery)[1].unlink()
    ran = delivered.receive()
    assert (ran.code, delivered.is_untouched) == (1, True)
    assert "missing" in ran.err
    assert "give the same command again" in ran.err


def test_tar_that_is_still_transferred_is_named(delivered: Receiver) -> None:
    tar = tars(delivered.delivery)[1]
    tar.rename(tar.with_name(tar.name + ".part"))
    ran = delivered.receive()
    assert f"found {tar.name}.part" in ran.err
    assert delivered.is_untouched


@pytest.mark.parametrize(("change", "code"), [(-512, "truncated"), (512, "grown")])
def test_tar_of_another_size_is_refused_before_anything_is_written(
    delivered: Receiver, change: int, code: str
) -> None:
    tar = tars(delivered.delivery)[1]
    os.truncate(tar, tar.stat().st_size + change)
    ran = delivered.receive()
    assert (ran.code, delivered.is_untouched) == (1, True)
    assert code in ran.err


def test_symlink_in_place_of_a_tar_is_refused(delivered: Receiver) -> None:
    tar = tars(delivered.delivery)[1]
    tar.rename(delivered.folder / "elsewhere")
    tar.symlink_to(delivered.folder / "elsewhere")
    assert "wrong-type" in delivered.receive().err
    assert delivered.is_untouched


def test_package_of_another_name_is_refused(delivered: Receiver) -> None:
    delivered.path = delivered.path.with_name("2013.1.00001.S")
    ran = delivered.receive()
    assert "delivery-other" in ran.err
    assert f"pack receive DELIVERY {delivered.path.with_name(PROJECT)}" in ran.err
    assert delivered.is_untouched


def test_folder_without_a_sidecar_and_a_tar_are_refused(delivered: Receiver) -> None:
    tar = tars(delivered.delivery)[0]
    ran = delivered.type("receive", tar, delivered.path)
    assert f"pack receive {delivered.delivery} {delivered.path}" in ran.err
    delivered.sidecar.unlink()
    assert "delivery-missing" in delivered.receive().err
    assert delivered.is_untouched


def test_manifest_of_a_package_is_no_delivery(delivered: Receiver) -> None:
    delivered.received()
    (manifest,) = (delivered.path.parent / f"{PROJECT}.pack/manifests").iterdir()
    ran = delivered.type("receive", manifest, delivered.path)
    assert "not-a-delivery-manifest" in ran.err
    assert "Name the folder with the tars of the delivery" in ran.err


def test_folder_with_two_deliveries_is_refused_with_both(delivered: Receiver) -> None:
    other = shutil.copy(delivered.sidecar, delivered.delivery / f"{PROJECT}_2013-01-01.manifest")
    ran = delivered.receive()
    for path in (delivered.sidecar, Path(other)):
        assert f"pack receive {path} {delivered.path}" in ran.err
    assert delivered.is_untouched


def test_folder_with_other_files_is_refused(delivered: Receiver) -> None:
    delivered.path.mkdir()
    (delivered.path / "precious").write_bytes(b"mine")
    ran = delivered.receive()
    assert "not-a-package" in ran.err
    assert (delivered.path / "precious").read_bytes() == b"mine"


def test_empty_folder_becomes_the_package(delivered: Receiver) -> None:
    delivered.path.mkdir()
    delivered.received()
    assert delivered.type("verify", delivered.path).code == 0


def test_place_that_may_not_be_written_is_refused(capsys: Capsys) -> None:
    with folder_of_everybody() as folder:
        receiver = Receiver(folder, capsys)
        receiver.deliver()
        receiver.path.parent.chmod(0o755)
        with as_ordinary_user():
            ran = receiver.receive()
        assert (ran.code, receiver.is_untouched) == (1, True)
        assert "not-writable" in ran.err


def test_folder_that_does_not_exist_is_refused(delivered: Receiver) -> None:
    delivered.path = delivered.path.parent / "no such" / PROJECT
    assert "destination-missing" in delivered.receive().err


def test_other_unfinished_transaction_is_in_the_way(delivered: Receiver) -> None:
    spoil(tars(delivered.delivery)[1])
    assert delivered.receive().code == 1
    other = delivered.delivery
    delivered.delivery = delivered.folder / "other"
    shutil.copytree(other, delivered.delivery)
    delivered.type("receive", delivered.delivery, delivered.path)
    assert delivered.type("status", delivered.path).code == 0


def test_disk_that_is_too_small_is_refused_before_anything_is_written(receiver: Receiver) -> None:
    receiver.deliver(files={"product/image.fits": bytes(2_000_000)}, limit=4 << 20)
    with small_disk(receiver.path.parent) as disk:
        ran = receiver.receive()
        assert "no-space" in ran.err
        assert os.listdir(disk) == []


def test_package_may_be_on_another_file_system_than_the_tars(receiver: Receiver, tmp_path: Path) -> None:
    sender = receiver.deliver()
    with folder_elsewhere(tmp_path) as folder:
        receiver.path = folder / PROJECT
        receiver.received()
        assert files_of(receiver.path) == files_of(sender)


# damage, and going on


def spoil(tar: Path, at: int = -3000) -> None:
    """Change one byte."""
    data = bytearray(tar.read_bytes())
    data[at] ^= 1
    tar.write_bytes(data)


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


@pytest.fixture
def stopped(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """The only tar of a delivery was staged up to the plot."""
    receiver.deliver(limit=4 << 20)
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr("qa2pack.pack.jobs.apply.Disk", PlotStoppingDisk)
        target = target_of(str(receiver.path))
        job.receive(target, os.fsencode(receiver.delivery), Workers(jobs=1), ApplyOptions())
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
    (tar,) = tars(stopped.delivery)
    with tarfile.open(tar) as archive:
        beginning = next(info.offset for info in archive if info.name.endswith("/qa"))
    with tar.open("r+b") as file:
        file.write(bytes(beginning))  # nobody could read that
    stopped.received()
    assert files_of(stopped.path) == files_of(stopped.folder / "sender" / PROJECT)
    assert (stopped.path / "sg_ouss_id/group_ouss_id/member_ouss_id/product/image.fits").stat().st_ino == inode


@pytest.mark.parametrize("name", ["product/image.fits", "calibrated/a.ms/table.lock"])
def test_staged_file_that_a_power_cut_tore_is_read_again(stopped: Receiver, name: str) -> None:
    tear(staged_file(stopped, name))
    stopped.received()
    assert files_of(stopped.path) == files_of(stopped.folder / "sender" / PROJECT)
    assert stopped.type("verify", stopped.path).code == 0


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


def paths_in(tar: Path) -> list[bytes]:
    """Return the paths of the files in a tar."""
    with tarfile.open(tar) as archive:
        return [os.fsencode(info.name) for info in archive if info.isfile()]


# tars and sidecars that somebody made to do harm


def rewrite(
    receiver: Receiver,
    change: Callable[[FolderRecord], FolderRecord] = lambda record: record,
    *,
    chunks: Callable[[Sidecar], Any] = lambda sidecar: sidecar.chunks,
    **header: Any,
) -> None:
    """Write the sidecar anew, with records, chunks or fields of the header as somebody else would like them."""
    sidecar = open_sidecar(os.fsencode(receiver.sidecar))
    blobs = [encode_record(change(decode_record(blob))) for blob in sidecar.stream.blobs()]
    built = BytesIO()
    writer = StreamWriter(built, header_to_wire(replace(sidecar.header, **header)))
    for blob in blobs:
        writer.folder(unsafe_path(blob), blob)
    writer.close(notes_to_wire(sidecar.fingerprint, chunks(sidecar)))
    receiver.sidecar.write_bytes(built.getvalue())


def unsafe_path(blob: bytes) -> bytes:
    """Return the path of a record, whatever it is."""
    from qa2pack.manifest.format.record_codec import record_path

    return record_path(blob)


def without_digest_of(record: FolderRecord, name: bytes) -> FolderRecord:
    """Return the record with no digest of one file."""
    if name not in record.names:
        return record
    digests = bytearray(record.digests)
    index = record.names.index(name)
    digests[16 * index : 16 * index + 16] = bytes(16)
    return replace(record, digests=bytes(digests))


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
