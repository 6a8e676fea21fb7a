"""Packages whose manifests are signed: by whom, what is told, and where signatures go when the package changes."""

import json
import os
import shutil
import subprocess
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.transaction.lock import locked_for_reading
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.layout.include import parse_include
from qa2pack.manifest.signature.signature import NOBODY, Standing, Verifier
from qa2pack.manifest.verify.signatures import signatures_of
from support.commands import Ran, run_here
from support.faulty_disk import DiscardStoppingDisk, Fault, FaultyDisk, Stopped
from support.forgery import twins
from support.in_process import Delivery, write
from support.signatures import ALICE, Key, exchange_what_was_checked, make_key, sign_by_hand, sign_package
from support.tools import needs_root
from support.two_members import FIRST, SECOND, make_two, other_reduction

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def made(delivery: Delivery) -> Delivery:
    """A package of one member."""
    delivery.make(Mode.COPY)
    return delivery


def run(capsys: Capsys, verb: str, *words: str | Path) -> Ran:
    return run_here(capsys, verb, *words, "--jobs", "1", "--quiet")


def sign(capsys: Capsys, path: Path, key: Key, *options: str) -> Ran:
    return run(capsys, "sign", path, "--key", key.path, *options)


def fields(capsys: Capsys, verb: str, *words: str | Path) -> Any:
    return json.loads(run(capsys, verb, *words, "--json").out)


def standings(capsys: Capsys, path: Path, *options: str | Path) -> list[str]:
    return [each["standing"] for each in fields(capsys, "verify", path, *options)["signatures"]]


def manifests(path: Path) -> Path:
    return path.with_name(f"{path.name}.pack") / "manifests"


def flat(text: str) -> str:
    return " ".join(text.split())


def signed_names(path: Path) -> list[str]:
    return sorted(each.name for each in manifests(path).glob("*.sig"))


# --- who signed


@pytest.mark.parametrize("name", ["back\\slash\nline.fits", "table.lock"])
def test_names_that_are_escaped_in_the_list_of_sums_or_not_in_it_are_signed(
    capsys: Capsys, delivery: Delivery, key: Key, signers: Path, name: str
) -> None:
    write(delivery.origin / name, b"1")
    delivery.make(Mode.COPY, include=(parse_include(f"*{name[-5:]}=product"),))
    assert (delivery.member / "product" / name).exists()
    assert sign(capsys, delivery.path, key).code == 0
    ran = run(capsys, "verify", delivery.path, "--allowed-signers", signers, "--require-signature")
    assert (ran.code, ran.err) == (0, "")


def test_signer_and_time_of_the_scan_are_told(capsys: Capsys, made: Delivery, key: Key, signers: Path) -> None:
    ran = sign(capsys, made.path, key)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[0] == f"Signed: {FIRST}, by {key.fingerprint}"
    ran = run(capsys, "verify", made.path, "--allowed-signers", signers, "--require-signature")
    (found,) = fields(capsys, "verify", made.path, "--allowed-signers", signers)["signatures"]
    assert (found["standing"], found["principal"], found["key"]) == ("known", ALICE, key.fingerprint)
    line = f"Member sg_ouss_id/{FIRST}: signed by {ALICE}, {key.fingerprint}; it says of itself: {found['dated']}"
    assert (ran.code, ran.out.splitlines()[1:]) == (0, [line])


def test_users_own_settings_say_whose_signature_is_wanted_and_a_file_beside_cannot_drop_that(
    capsys: Capsys, made: Delivery, tmp_path: Path, signers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    (tmp_path / "settings/qa2pack").mkdir(parents=True)
    own = tmp_path / "settings/qa2pack/pack.toml"
    own.write_text(f'allowed-signers = "{signers}"\nrequire-signature = true\n')
    for verb in ("verify", "report"):
        assert run(capsys, verb, made.path).code == 3
    beside = made.path.with_name("pack.toml")
    for line in ("require-signature = false", 'allowed-signers = "others"'):
        beside.write_text(f"{line}\n")
        ran = run(capsys, "verify", made.path)
        assert (ran.code, "is refused here" in ran.err) == (2, True)


def test_without_known_signers_a_signature_is_told_and_its_absence_is_not(
    capsys: Capsys, made: Delivery, key: Key
) -> None:
    assert len(run(capsys, "verify", made.path).out.splitlines()) == 1
    sign(capsys, made.path, key)
    ran = run(capsys, "verify", made.path)
    assert (ran.code, "not compared with known signers" in ran.out) == (0, True)


@pytest.mark.parametrize(
    ("who", "code", "words"),
    [("nobody", "signature-missing", "not signed"), ("other", "signature-unknown", "not a known signer")],
)
def test_what_no_known_signer_has_signed_is_a_problem_where_one_is_required(
    capsys: Capsys, made: Delivery, tmp_path: Path, signers: Path, who: str, code: str, words: str
) -> None:
    if who == "other":
        sign(capsys, made.path, make_key(tmp_path / "other"))
    known = ("--allowed-signers", signers)
    ran = run(capsys, "verify", made.path, *known)
    assert (ran.code, words in ran.out) == (0, True)
    ran = run(capsys, "verify", made.path, *known, "--require-signature")
    assert (ran.code, f"{code} sg_ouss_id/{FIRST}" in ran.out) == (3, True)


def test_changed_manifest_is_told_by_its_signature_whoever_changed_it(
    capsys: Capsys, made: Delivery, key: Key
) -> None:
    sign(capsys, made.path, key)
    kept = {path: path.read_bytes() for path in manifests(made.path).glob("*.sha256*")}
    write(made.origin / "more.fits", b"more")
    made.make(Mode.COPY)
    assert not any(path.exists() for path in kept)
    for path, data in kept.items():
        path.write_bytes(data)
    ran = run(capsys, "verify", made.path)
    told = f"signature-wrong sg_ouss_id/{FIRST}: found the manifest was changed after it was signed"
    assert (ran.code, told in ran.out) == (3, True)


def test_signed_package_of_another_project_is_not_taken_for_this_one(
    capsys: Capsys, made: Delivery, key: Key, signers: Path
) -> None:
    sign(capsys, made.path, key)
    forged = made.path.with_name("2013.1.00001.S")
    shutil.copytree(made.path, forged)
    shutil.copytree(manifests(made.path), manifests(forged))
    ran = run(capsys, "verify", forged, "--allowed-signers", signers)
    assert (ran.code, "it is of another package or member" in ran.out) == (3, True)


def test_manifest_that_is_exchanged_after_its_signature_was_checked_is_not_read(
    capsys: Capsys, made: Delivery, key: Key, signers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(capsys, made.path, key)
    exchange_what_was_checked(monkeypatch)
    ran = run(capsys, "verify", made.path, "--allowed-signers", signers)
    assert (ran.code, "All as packaged: 1 member" in ran.out) == (0, True)


def test_list_is_that_of_sha256sum_with_the_manifest_first(capsys: Capsys, made: Delivery, key: Key) -> None:
    sign(capsys, made.path, key)
    (sums,) = manifests(made.path).glob("*.sha256")
    done = subprocess.check_output(["sha256sum", "-c", "--strict", sums], cwd=made.path.parent, text=True)
    checked = [line.removesuffix(": OK") for line in done.splitlines()]
    (manifest,) = manifests(made.path).glob("*.manifest")
    files = sorted(str(path.relative_to(made.path.parent)) for path in made.path.rglob("*") if path.is_file())
    assert (checked[0], sorted(checked[1:])) == (str(manifest.relative_to(made.path.parent)), files)


@pytest.fixture
def forged(capsys: Capsys, delivery: Delivery, key: Key) -> Delivery:
    """A signed package with a file that was exchanged for another one of the same XXH3-128 and size."""
    packaged, forgery = twins()
    write(delivery.origin / "scriptForImaging.py", packaged)
    delivery.make(Mode.COPY)
    sign(capsys, delivery.path, key)
    (delivery.member / SCRIPT).write_bytes(forgery)
    return delivery


SCRIPT = "script/scriptForImaging.py"


def test_file_that_was_forged_to_have_the_digest_in_the_manifest_is_told(
    capsys: Capsys, forged: Delivery, signers: Path
) -> None:
    known = ("--allowed-signers", signers)
    ran = run(capsys, "verify", forged.path, *known)
    assert (ran.code, f"changed sg_ouss_id/{FIRST}/{SCRIPT}" in ran.out, "sha256" in ran.out) == (3, True, True)
    ran = run(capsys, "verify", forged.path, "--quick", *known)
    assert (ran.code, "The sums that were signed were not compared" in flat(ran.out)) == (0, True)


def test_damaged_file_is_not_signed(capsys: Capsys, made: Delivery, key: Key) -> None:
    (made.member / SCRIPT).write_bytes(b"damaged")
    ran = sign(capsys, made.path, key)
    assert (ran.code, SCRIPT in ran.err, signed_names(made.path)) == (1, True, [])


def test_stop_at_any_call_of_signing_leaves_a_member_signed_or_not(
    capsys: Capsys, made: Delivery, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    (manifest,) = manifests(made.path).glob("*.manifest")
    sums = manifest.with_name(f"{manifest.name}.sha256")
    at = 0
    while True:
        sign_by_hand(key, write(sums, b"another list"))
        disk = FaultyDisk(Fault.STOP_BEFORE, at)
        with monkeypatch.context() as patched, suppress(Stopped):
            patched.setattr("qa2pack.pack.jobs.sign.Disk", lambda disk=disk: disk)
            sign_package(make_key(made.path.with_name(f"key{at}")), made.path, is_replacing=True)
            break
        with closing(Verifier(NOBODY)) as verifier:
            assert verifier.look_at(os.fsencode(sums))[0].standing is not Standing.WRONG
        at += 1
    assert at > 5
    assert "Signed: " in sign(capsys, made.path, key, "--replace").out
    assert [path.name for path in manifests(made.path).glob("*partial*")] == []


def test_copies_that_were_read_are_removed(
    capsys: Capsys, made: Delivery, key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(capsys, made.path, key)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    assert standings(capsys, made.path) == ["not-compared"]
    assert list((tmp_path / "temporary").iterdir()) == []


def test_package_that_is_its_own_member_is_signed(capsys: Capsys, tmp_path: Path, key: Key, signers: Path) -> None:
    delivery = Delivery(write(tmp_path / "any/a.txt", b"a").parent, tmp_path / "whole")
    delivery.make(Mode.COPY, layout="as-is")
    assert sign(capsys, delivery.path, key).code == 0
    ran = run(capsys, "verify", delivery.path, "--allowed-signers", signers)
    assert (ran.code, f"Member .: signed by {ALICE}" in ran.out) == (0, True)


def test_signature_without_its_list_is_wrong_and_the_rest_is_compared(
    capsys: Capsys, two: Delivery, key: Key, signers: Path
) -> None:
    sign(capsys, two.path, key)
    (manifests(two.path) / NAMES[0].removesuffix(".sig")).unlink()
    ran = run_here(capsys, "verify", two.path, "--allowed-signers", signers, "--require-signature")
    assert (ran.code, "signature-wrong: " in ran.out) == (3, True)
    assert f"Member sg_ouss_id/{SECOND}: signed by {ALICE}" in ran.out


@pytest.mark.parametrize("verb", ["show", "status"])
def test_who_signed_is_shown_and_what_was_exchanged_is_a_problem(
    capsys: Capsys, two: Delivery, key: Key, signers: Path, verb: str
) -> None:
    sign(capsys, two.path, key, "--member", "member_ouss_id2")
    ran = run_here(capsys, verb, two.path, "--allowed-signers", signers)
    assert f"Member sg_ouss_id/{SECOND}: signed by {ALICE}, {key.fingerprint}; it says of itself: " in ran.out
    assert f"Member sg_ouss_id/{FIRST}: not signed" in ran.out
    sums = manifests(two.path) / NAMES[1].removesuffix(".sig")
    sums.write_bytes(sums.read_bytes()[:-1])
    ran = run_here(capsys, verb, two.path)
    assert "signature-wrong: " in ran.out
    found = json.loads(run_here(capsys, verb, two.path, "--json").out)
    assert [each["standing"] for each in found["signatures"]] == ["missing", "wrong"]


def test_batch_verify_requires_signatures(capsys: Capsys, forged: Delivery, signers: Path, tmp_path: Path) -> None:
    jobs = write(tmp_path / "jobs.csv", f"origin,package,mode\n{forged.origin},{forged.path},copy\n".encode())
    known = ("--allowed-signers", signers, "--require-signature")
    assert "sha256" in run(capsys, "batch", "verify", jobs, *known).out
    for path in manifests(forged.path).glob("*.sig"):
        path.unlink()
    assert "signature-missing" in run(capsys, "batch", "verify", jobs, *known).out


# --- signing


def test_signing_again_leaves_what_is_signed_unless_it_shall_be_replaced(
    capsys: Capsys, made: Delivery, tmp_path: Path, key: Key, signers: Path
) -> None:
    sign(capsys, made.path, make_key(tmp_path / "other"))
    assert f"Signed before: {FIRST}" in sign(capsys, made.path, key).out
    assert standings(capsys, made.path, "--allowed-signers", signers) == ["unknown"]
    sign(capsys, made.path, key, "--replace")
    assert standings(capsys, made.path, "--allowed-signers", signers) == ["known"]


def test_wrong_signature_is_replaced(capsys: Capsys, made: Delivery, key: Key) -> None:
    sign(capsys, made.path, key)
    sign_by_hand(key, next(manifests(made.path).glob("*.sha256")), "git")
    assert f"Signed: {FIRST}" in sign(capsys, made.path, key).out
    assert standings(capsys, made.path) == ["not-compared"]


def test_one_member_is_signed(capsys: Capsys, two: Delivery, key: Key) -> None:
    sign(capsys, two.path, key, "--member", "member_ouss_id2")
    assert signed_names(two.path) == NAMES[1:]


def test_unusable_key_is_refused_and_nothing_is_signed_or_applied(
    capsys: Capsys, delivery: Delivery, tmp_path: Path
) -> None:
    locked = make_key(tmp_path / "locked", "secret")
    delivery.plan(Mode.COPY)
    ran = run(capsys, "apply", delivery.path, "--sign", locked.path)
    assert (ran.code, "key-unusable" in ran.err, delivery.path.exists()) == (1, True, False)
    delivery.apply()
    assert "key-unusable" in sign(capsys, delivery.path, locked).err
    assert signed_names(delivery.path) == []


def test_damaged_manifest_is_not_signed(capsys: Capsys, two: Delivery, key: Key) -> None:
    damaged = manifests(two.path) / f"{SECOND.replace('/', '.')}.manifest"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    ran = sign(capsys, two.path, key)
    assert (ran.code, "manifest-damaged" in ran.err, signed_names(two.path)) == (1, True, [])
    locked = make_key(two.path.with_name("locked"), "secret")
    assert "key-unusable" in sign(capsys, two.path, locked).err  # before any manifest is read


def test_member_without_a_manifest_is_not_signed(capsys: Capsys, made: Delivery, key: Key) -> None:
    shutil.rmtree(manifests(made.path).parent)
    ran = sign(capsys, made.path, key)
    assert (ran.code, "manifest-missing" in ran.err) == (1, True)
    assert not manifests(made.path).parent.exists()


def test_package_of_another_user_is_not_signed(capsys: Capsys, made: Delivery, key: Key) -> None:
    needs_root("give files away")
    os.chown(manifests(made.path), 12345, 12345)
    ran = sign(capsys, made.path, key)
    assert (ran.code, "control-foreign" in ran.err, signed_names(made.path)) == (1, True, [])


def test_package_that_is_locked_is_not_signed(capsys: Capsys, made: Delivery, key: Key) -> None:
    with locked_for_reading(lock_path(made.package)):
        ran = sign(capsys, made.path, key)
    assert (ran.code, signed_names(made.path)) == (6, [])


def test_unfinished_apply_is_not_signed(capsys: Capsys, made: Delivery, key: Key) -> None:
    made.plan(Mode.COPY)
    with pytest.raises(Stopped):
        made.apply(DiscardStoppingDisk())
    ran = sign(capsys, made.path, key)
    assert (ran.code, "unfinished" in ran.err) == (1, True)


def test_apply_signs_what_it_makes_and_leaves_other_members_to_others(
    capsys: Capsys, delivery: Delivery, key: Key, signers: Path
) -> None:
    other = other_reduction(delivery)
    delivery.make(Mode.COPY)
    other.plan(Mode.COPY, append=Append.MEMBER)
    ran = run(capsys, "apply", delivery.path, "--sign", key.path)
    assert (ran.code, f"Signed: {SECOND}, by {key.fingerprint}" in ran.out) == (0, True)
    assert standings(capsys, delivery.path, "--allowed-signers", signers) == ["missing", "known"]


def test_apply_that_could_not_sign_says_what_is_done_and_signs_when_it_is_given_again(
    capsys: Capsys, delivery: Delivery, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, fingerprint = key.path.with_name("away"), key.fingerprint
    delivery.plan(Mode.COPY)
    with monkeypatch.context() as patched:
        patched.setattr("qa2pack.manifest.signature.ssh_keygen.check_key", lambda _: None)
        ran = run(capsys, "apply", delivery.path, "--sign", away)
        found = fields(capsys, "apply", delivery.path, "--sign", away)
    assert (found["exit_code"], found["signed"], [each["code"] for each in found["problems"]]) == (
        4,
        [],
        ["key-unusable"],
    )
    assert (ran.code, "Packaged: " in ran.out, "Not signed, but all else is done" in ran.out) == (4, True, True)
    key.path.rename(away)
    found = fields(capsys, "apply", delivery.path, "--sign", away)
    assert (found["exit_code"], found["signed"]) == (
        0,
        [{"member": FIRST, "key": fingerprint, "is_new": True}],
    )


# --- where signatures go


@pytest.fixture
def signed(capsys: Capsys, two: Delivery, key: Key) -> Delivery:
    """The second of two members, both of which are signed."""
    sign(capsys, two.path, key)
    return two


NO_MORE = "Not signed any more, because the manifest is another one: "
NAMES = [f"{member.replace('/', '.')}.manifest.sha256.sig" for member in (FIRST, SECOND)]


def test_signature_stays_with_a_member_that_stays_and_goes_with_one_that_is_replaced(
    capsys: Capsys, signed: Delivery
) -> None:
    write(signed.origin / "more.fits", b"more")
    signed.plan(Mode.COPY, append=Append.REPLACE, replaced=b"member_ouss_id2")
    ran = run(capsys, "apply", signed.path, "--keep-previous")
    assert (ran.code, f"{NO_MORE}{SECOND}. To sign:" in flat(ran.out)) == (0, True)
    assert standings(capsys, signed.path) == ["not-compared", "missing"]
    assert run(capsys, "rollback", signed.path).code == 0
    assert standings(capsys, signed.path) == ["not-compared", "not-compared"]


def test_signature_goes_with_a_member_that_is_removed(capsys: Capsys, signed: Delivery) -> None:
    ran = run(capsys, "remove", signed.path, "--member", "member_ouss_id2")
    assert (ran.code, NO_MORE in flat(ran.out)) == (0, False)
    assert signed_names(signed.path) == NAMES[:1]
    assert run(capsys, "rollback", signed.path).code == 0
    assert standings(capsys, signed.path) == ["not-compared", "not-compared"]


def test_signature_goes_with_the_readme_and_comes_back_with_it(capsys: Capsys, signed: Delivery) -> None:
    ran = run(capsys, "readme", signed.path, "--member", "member_ouss_id2", "--set-field", "Configuration=x")
    assert (ran.code, NO_MORE in flat(ran.out)) == (0, True)
    assert standings(capsys, signed.path) == ["not-compared", "missing"]
    assert run(capsys, "rollback", signed.path).code == 0
    assert standings(capsys, signed.path) == ["not-compared", "not-compared"]


def test_signature_goes_with_what_is_repaired(capsys: Capsys, signed: Delivery) -> None:
    (signed.path / "sg_ouss_id" / FIRST / "script/scriptForImaging.py").unlink()
    ran = run(capsys, "repair", signed.path)
    assert (ran.code, f"{NO_MORE}{FIRST}" in flat(ran.out)) == (0, True)
    assert standings(capsys, signed.path) == ["missing", "not-compared"]


def test_apply_that_signs_does_not_say_that_a_signature_is_gone(capsys: Capsys, signed: Delivery, key: Key) -> None:
    signed.plan(Mode.COPY, append=Append.REPLACE, replaced=b"member_ouss_id2")
    found = fields(capsys, "apply", signed.path, "--sign", key.path)
    assert ([each["member"] for each in found["signed"]], found["unsigned"]) == ([SECOND], [])


def test_signatures_go_with_the_old_name_and_come_back_with_it(capsys: Capsys, signed: Delivery) -> None:
    new = signed.path.with_name("2011.0.00230.S")
    found = fields(capsys, "rename", signed.path, new.name)
    assert (found["exit_code"], found["unsigned"]) == (0, [{"member": FIRST}, {"member": SECOND}])
    assert standings(capsys, new) == ["missing", "missing"]
    assert run(capsys, "rollback", new).code == 0
    assert standings(capsys, signed.path) == ["not-compared", "not-compared"]


def test_older_append_is_rolled_back_with_the_signatures_of_the_others(
    capsys: Capsys, delivery: Delivery, key: Key
) -> None:
    other = other_reduction(delivery)
    make_two(delivery, other, Mode.COPY)
    sign(capsys, delivery.path, key)
    other.make(Mode.COPY, append=Append.MEMBER)
    assert run(capsys, "rollback", delivery.path).code == 0
    assert run(capsys, "rollback", delivery.path, "--further").code == 0
    assert signed_names(delivery.path) == NAMES[:1]
    assert standings(capsys, delivery.path) == ["not-compared"]


def test_signature_of_a_manifest_that_is_gone_is_not_beside_the_one_that_adopts(
    capsys: Capsys, made: Delivery, key: Key
) -> None:
    sign(capsys, made.path, key)
    (manifest,) = manifests(made.path).glob("*.manifest")
    manifest.unlink()
    assert run(capsys, "adopt", made.path).code == 0
    assert standings(capsys, made.path) == ["missing"]


def test_signature_that_was_made_by_hand_in_a_stopped_apply_goes_with_the_manifest_that_it_was_of(
    capsys: Capsys, made: Delivery, key: Key
) -> None:
    write(made.origin / "more.fits", b"more")
    made.plan(Mode.COPY)
    with pytest.raises(Stopped):
        made.apply(DiscardStoppingDisk())  # the manifest is published, and will be written again with its ctimes
    (manifest,) = manifests(made.path).glob("*.manifest")
    sign_by_hand(key, write(manifest.with_name(f"{manifest.name}.sha256"), b"sums"))
    made.apply()
    assert list(manifests(made.path).glob("*.sha256*")) == []


def test_stop_at_any_call_of_an_append_leaves_no_wrong_signature(
    capsys: Capsys, delivery: Delivery, key: Key, tmp_path: Path
) -> None:
    delivery.make(Mode.FAKE)
    sign(capsys, delivery.path, key)
    other = other_reduction(delivery)
    at = last = 0
    while True:
        world = replace(other, path=tmp_path / f"at{at}" / delivery.path.name)
        world.path.parent.mkdir()
        shutil.copytree(delivery.path, world.path)
        shutil.copytree(manifests(delivery.path).parent, manifests(world.path).parent)
        world.plan(Mode.FAKE, append=Append.MEMBER)
        disk = FaultyDisk(Fault.STOP_BEFORE, at)
        try:
            world.apply(disk)
        except Stopped:
            last = at
        else:
            break
        assert wrong(world.path) == []
        world.apply()
        assert signed_names(world.path) == NAMES[:1]
        assert wrong(world.path) == []
        at += 7
    assert last > 0


def wrong(path: Path) -> list[bytes]:
    with closing(Verifier(NOBODY)) as verifier:
        found = signatures_of(Package(os.fsencode(path)), OpenedFiles(), verifier)
        return [each.member for each in found if each.signed.signature.standing is Standing.WRONG]
