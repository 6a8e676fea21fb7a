"""A delivery is received: each tar is read once, all is checked, and a package is there or nothing."""

import json
import os
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.format.files import Described, open_manifest
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.humanize import utc_time
from qa2pack.pack.api import ApplyOptions, Workers, package_at, receive
from support.deliveries import DAY, OLD_NS, PROJECT, tars
from support.file_systems import folder_elsewhere, small_disk
from support.receiver import FILES, LABELLED, Receiver, files_of, rewrite, spoil
from support.snapshots import snapshot
from support.users import as_ordinary_user, folder_of_everybody

Capsys = pytest.CaptureFixture[str]
BEFORE_S = OLD_NS // 10**9
PACKAGED_AT = utc_time(OLD_NS + 10**15)
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
    assert f"in       {receiver.sidecar.name}, packaged {PACKAGED_AT}" in receiver.type("show", receiver.path).out
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
    shutil.move(receiver.delivery, receiver.folder / "away")
    advice = " ".join(receiver.type("repair", receiver.path).out.split())
    assert f"It was received, in the delivery {PROJECT}_{DAY}.manifest; its origin is not known here." in advice
    assert receiver.type("repair", receiver.path, "--from", receiver.folder / "away").code == 0


def test_sidecar_itself_may_be_named_and_the_package_may_lie_beside_the_tars(receiver: Receiver) -> None:
    receiver.deliver()
    receiver.path = receiver.delivery / PROJECT
    assert receiver.type("receive", receiver.sidecar, receiver.path, "--quiet").code == 0
    assert receiver.type("verify", receiver.path).code == 0


@pytest.mark.parametrize("kind", ["tar", "manifest"])
def test_checksum_file_of_another_tar_or_manifest_is_told_of_what_was_received(receiver: Receiver, kind: str) -> None:
    receiver.deliver()
    path = sorted(receiver.delivery.glob(f"*.{kind}.md5sum"))[0]
    path.write_text(f"{0:032x}  {path.name.removesuffix('.md5sum')}\n")
    ran = receiver.type("receive", receiver.delivery, receiver.path, "--json")
    (problem,) = json.loads(ran.out)["problems"]
    assert (ran.code, problem["code"], problem["path"]) == (3, "changed", str(path))
    assert receiver.type("verify", receiver.path).code == 0
    receiver.path = receiver.folder / "other" / PROJECT
    receiver.path.parent.mkdir()
    ran = receiver.type("receive", receiver.delivery, receiver.path)
    assert "All is as in the manifest of the delivery" in ran.out
    assert f"Not so, beside the tars:\n  changed {path}: expected the md5 of " in ran.out


def test_checksum_files_need_not_come_with_the_tars(receiver: Receiver) -> None:
    receiver.deliver()
    for path in receiver.delivery.glob("*.md5sum"):
        path.unlink()
    assert "All is as in the manifest of the delivery" in receiver.received().out


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


def without_digest_of(record: FolderRecord, name: bytes) -> FolderRecord:
    """Return the record with no digest of one file."""
    if name not in record.names:
        return record
    digests = bytearray(record.digests)
    index = record.names.index(name)
    digests[16 * index : 16 * index + 16] = bytes(16)
    return replace(record, digests=bytes(digests))


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


def test_rollback_of_what_was_received_speaks_of_no_origin(receiver: Receiver) -> None:
    receiver.deliver()
    receiver.received()
    ran = receiver.type("rollback", receiver.path)
    assert "is gone again: there was no package before.\n" in ran.out
    assert "origin" not in ran.out


def test_member_that_is_there_is_left_and_its_tars_are_not_read(receiver: Receiver) -> None:
    receiver.deliver()
    receiver.received()
    before = snapshot(receiver.path)
    for tar in tars(receiver.delivery):
        tar.unlink()
    ran = receiver.received()
    assert "Left as it is, because its manifest has the same content: group_ouss_id/member_ouss_id\n" in ran.out
    assert "Nothing to do" in ran.out
    assert (snapshot(receiver.path), "newer delivery" in ran.out) == (before, False)
    rewrite(receiver, folder_mtime=BEFORE_S)
    told = " ".join(receiver.received().out.split())
    assert f"It came in a newer delivery: {receiver.sidecar.name}, packaged {PACKAGED_AT}" in told
    (newer,) = json.loads(receiver.received("--json").out)["newer"]
    assert newer == {
        "member": "group_ouss_id/member_ouss_id",
        "sidecar": receiver.sidecar.name,
        "signed_at": "",
        "packaged_at": PACKAGED_AT,
    }


def test_members_that_are_there_are_left_and_the_others_are_added(receiver: Receiver) -> None:
    receiver.deliver("group_ouss_id/member_ouss_id")
    receiver.received()
    sender = receiver.deliver("group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2")
    ran = receiver.received()
    assert "Left as it is" in ran.out
    assert files_of(receiver.path) == files_of(sender)
    assert "All as packaged: 2 members" in receiver.type("verify", receiver.path).out


def test_member_that_differs_is_refused_until_it_is_to_be_replaced(receiver: Receiver) -> None:
    receiver.deliver()
    receiver.received()
    before, old = snapshot(receiver.path), files_of(receiver.path)
    sender = receiver.deliver(files={**FILES, "qa/plot.png": b"another one", "qa/more.png": b"new"})
    ran = receiver.receive()
    assert ran.code == 1
    assert "member-differs" in ran.err
    assert f"pack receive {receiver.sidecar} {receiver.path} --replace\n" in ran.err
    assert f"pack receive {receiver.sidecar} FOLDER\n" in ran.err
    assert "older delivery" not in ran.err
    sidecar = receiver.sidecar.read_bytes()
    rewrite(receiver, folder_mtime=BEFORE_S)
    older = f"found an older delivery, {receiver.sidecar.name}, packaged {utc_time(OLD_NS)}"
    assert older in " ".join(receiver.receive().err.split())
    assert snapshot(receiver.path) == before
    receiver.sidecar.write_bytes(sidecar)
    ran = receiver.received("--replace")
    assert "Replaced: 12 files" in ran.out
    assert files_of(receiver.path) == files_of(sender)
    assert receiver.type("verify", receiver.path).code == 0
    assert f"pack rollback {receiver.path}" in ran.out
    assert receiver.type("rollback", receiver.path).code == 0
    assert files_of(receiver.path) == old
    assert receiver.type("verify", receiver.path).code == 0


def test_one_of_several_members_that_differs_is_replaced_alone(receiver: Receiver) -> None:
    members = ("group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2")
    receiver.deliver(*members)
    receiver.received()
    receiver.deliver(*members, files={**FILES, "qa/plot.png": b"another one"})
    ran = receiver.received("--replace", "--member", "member_ouss_id2", "--json")
    assert [each["member"] for each in json.loads(ran.out)["replaced"]] == [members[1]]
    plots = [receiver.path / "sg_ouss_id" / member / "qa/plot.png" for member in members]
    assert [plot.read_bytes() for plot in plots] == [b"a plot", b"another one"]
    assert "All as packaged: 2 members" in receiver.type("verify", receiver.path).out
    refused = receiver.type("receive", receiver.delivery, receiver.path, "--member", "member_ouss_id3")
    assert "member-unknown: There is no member of this name" in refused.err


def test_what_was_not_kept_of_a_received_package_is_received_again(receiver: Receiver) -> None:
    members = ("group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2")
    receiver.deliver(*members)
    receiver.received()
    command = ("remove", receiver.path, "--member", members[1])
    refused = receiver.type(*command)
    assert f"{' '.join(map(str, ('pack', *command)))} --force --keep-previous\n" in refused.err
    assert "pack plan" not in refused.err
    assert receiver.type(*command, "--force", "--keep-previous=no").code == 0
    refused = receiver.type("rollback", receiver.path)
    assert "previous-gone" in refused.err
    assert "pack plan" not in refused.err
    assert f"pack receive DELIVERY {receiver.path}\n" in refused.err
    receiver.received()
    receiver.deliver(members[0], files={**FILES, "qa/plot.png": b"another one"})
    receiver.received("--replace", "--keep-previous=no")
    refused = receiver.type("rollback", receiver.path)
    assert f"pack receive DELIVERY {receiver.path} --replace\n" in refused.err


def test_what_somebody_put_into_a_member_is_not_replaced(receiver: Receiver) -> None:
    receiver.deliver()
    receiver.received()
    notes = receiver.path / "sg_ouss_id/group_ouss_id/member_ouss_id/qa/notes.txt"
    notes.write_bytes(b"mine")
    receiver.deliver(files={**FILES, "qa/plot.png": b"another one"})
    ran = receiver.receive("--replace")
    assert (ran.code, "extra" in ran.err, "--remove-extra" in ran.err) == (1, True, True)
    assert notes.read_bytes() == b"mine"


def test_what_is_replaced_is_kept_whatever_its_size(receiver: Receiver) -> None:
    package = package_at(receiver.path)
    for text, is_replacing in ((b"one", False), (b"other", True)):
        receiver.deliver(files={"qa/plot.png": text})
        options = ApplyOptions(keep_limit_bytes=0)
        arrived = receive(receiver.delivery, package, options, Workers(jobs=1), is_replacing=is_replacing)
    assert arrived.applied
    assert arrived.applied.kept_bytes
    assert arrived.replaced == (b"group_ouss_id/member_ouss_id",)


def test_member_that_holds_moved_files_is_not_replaced(receiver: Receiver) -> None:
    origin = receiver.folder / "origin"
    (origin / "data").mkdir(parents=True)
    (origin / "data/a.xml").write_bytes(b"<a/>")
    words = ("--layout", "as-is", "--mode", "move", "--quiet")
    assert receiver.type("package", origin, receiver.path, *words).code == 0
    sender = receiver.folder / "sender" / PROJECT
    (sender / "data").mkdir(parents=True)
    (sender / "data/a.xml").write_bytes(b"<another/>")
    assert receiver.type("adopt", sender, "--layout", "as-is").code == 0
    receiver.delivery.mkdir()
    assert receiver.type("tarsplit", "-n", DAY, sender, "--output", receiver.delivery, "--quiet").code == 0
    ran = receiver.receive("--replace")
    assert (ran.code, "only-copy" in ran.err) == (1, True)
    assert (origin / "data/a.xml").read_bytes() == b"<a/>"


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


def test_two_new_members_of_a_group_that_is_there_are_received_one_by_one(receiver: Receiver) -> None:
    receiver.deliver("group_ouss_id/member_ouss_id")
    receiver.received()
    receiver.deliver("group_ouss_id/member_ouss_id2", "group_ouss_id/member_ouss_id3")
    before = snapshot(receiver.path)
    ran = receiver.receive()
    assert "members-apart" in ran.err
    assert snapshot(receiver.path) == before
    for member in ("member_ouss_id2", "member_ouss_id3"):
        words = f"pack receive {receiver.sidecar} {receiver.path} --member group_ouss_id/{member}"
        assert f"{words}\n" in ran.err
        receiver.received("--member", f"group_ouss_id/{member}")
    assert "All as packaged: 3 members" in receiver.type("verify", receiver.path).out


def test_two_new_members_of_a_new_group_are_added_at_once_and_rolled_back_at_once(receiver: Receiver) -> None:
    receiver.deliver("group_ouss_id/member_ouss_id")
    receiver.received()
    before = files_of(receiver.path)
    receiver.deliver("group_ouss_id2/member_ouss_id", "group_ouss_id2/member_ouss_id2")
    receiver.received()
    assert "All as packaged: 3 members" in receiver.type("verify", receiver.path).out
    assert "made 2 members\n" in receiver.type("rollback", receiver.path).out
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


def test_advice_where_several_deliveries_are_keeps_options_and_leaves_out_other_projects(
    delivered: Receiver, tmp_path: Path
) -> None:
    for name in (f"{delivered.path.name}_again", "2013.1.00001.S_2014-01-01"):
        (delivered.delivery / f"{name}.manifest").write_bytes(b"")
    signers = tmp_path / "known signers"
    signers.write_text("alice@example.org ssh-ed25519 AAAA\n")
    words = ("--layout", "cycle0", "--allowed-signers", signers, "--require-signature")
    ran = delivered.type("receive", delivered.delivery, delivered.path, *words)
    commands = [line.strip() for line in ran.err.splitlines() if line.strip().startswith("pack receive /")]
    assert (ran.code, len(commands)) == (1, 2), ran.err
    assert all(f" --layout cycle0 --allowed-signers '{signers}' --require-signature" in each for each in commands)
    assert "2013.1.00001.S" not in ran.err


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
        receiver.path.parent.chmod(0o555)
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
        assert "--mode" not in ran.err  # which it does not have
        assert os.listdir(disk) == []


def test_package_may_be_on_another_file_system_than_the_tars(receiver: Receiver, tmp_path: Path) -> None:
    sender = receiver.deliver()
    with folder_elsewhere(tmp_path) as folder:
        receiver.path = folder / PROJECT
        receiver.received()
        assert files_of(receiver.path) == files_of(sender)
