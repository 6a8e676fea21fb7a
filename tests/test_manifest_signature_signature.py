"""Signatures of files as they are found: by whom, not by anybody known, wrong, or none."""

import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from qa2pack.manifest.problem import Refused
from qa2pack.manifest.signature.signature import Signature, Standing, Trust, Verifier
from qa2pack.manifest.signature.ssh_keygen import check_key, sign
from support.signatures import ALICE, Key, known_signers, make_key, sign_by_hand
from support.tools import needs_tool


@pytest.fixture
def signed(tmp_path: Path, key: Key) -> Path:
    path = tmp_path / "signed"
    path.write_bytes(b"what is signed")
    (tmp_path / "signed.sig").write_bytes(sign(os.fsencode(key.path), path.read_bytes()))
    return path


def look(path: Path, *lines: str) -> Signature:
    signers = os.fsencode(known_signers(path.with_name("signers"), *lines)) if lines else b""
    with closing(Verifier(Trust(signers))) as verifier:
        return verifier.look_at(os.fsencode(path))[0]


def test_known_signer_is_named_with_the_key(signed: Path, key: Key) -> None:
    found = look(signed, "# people", f"{ALICE} {key.text}")
    assert found == Signature(Standing.KNOWN, ALICE, key.fingerprint)


@pytest.mark.parametrize("principals", [f"bob@example.org,{ALICE}", "*@example.org"])
def test_one_of_several_principals_is_named(signed: Path, key: Key, principals: str) -> None:
    assert look(signed, f"{principals} {key.text}").principal == principals.partition(",")[0]


def test_signature_is_told_without_known_signers(signed: Path, key: Key) -> None:
    assert look(signed) == Signature(Standing.NOT_COMPARED, key=key.fingerprint)


def test_key_of_nobody_known_is_told(signed: Path, key: Key, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other")
    found = look(signed, f"{ALICE} {other.text}")
    assert found == Signature(Standing.UNKNOWN, key=key.fingerprint, reason="no known signer has this key")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ('valid-before="20200101"', "line 1: key has expired"),
        ('valid-after="20990101"', "line 1: key is not yet valid"),
        ('namespaces="git,file"', "line 1: key is not permitted for use in signature namespace"),
    ],
)
def test_key_of_other_times_or_purposes_is_not_that_of_a_known_signer(
    signed: Path, key: Key, options: str, reason: str
) -> None:
    found = look(signed, f"{ALICE} {options} {key.text}")
    assert (found.standing, found.key, found.principal) == (Standing.UNKNOWN, key.fingerprint, "")
    assert found.reason.startswith(reason)


def test_key_of_this_time_and_purpose_is_known(signed: Path, key: Key) -> None:
    options = 'valid-after="20200101",valid-before="20990101",namespaces="file,qa2pack"'
    assert look(signed, f"{ALICE} {options} {key.text}").standing is Standing.KNOWN


def test_certificate_of_a_known_authority_is_known(tmp_path: Path, signed: Path, key: Key) -> None:
    authority = make_key(tmp_path / "ca")
    command = ["ssh-keygen", "-q", "-s", f"{authority.path}", "-I", "x", "-n", ALICE, f"{key.public}"]
    subprocess.run(command, check=True)
    certificate = tmp_path / "key-cert.pub"
    signed.with_name("signed.sig").write_bytes(sign(os.fsencode(certificate), signed.read_bytes()))
    assert look(signed, f"* cert-authority {authority.text}").principal == ALICE


@pytest.mark.parametrize(
    ("path", "data", "reason"),
    [
        ("signed", b"what is not signed", "incorrect signature"),
        ("signed.sig", b"no signature", "missing header"),
        ("signed.sig", b"", "missing header"),
        ("signed.sig", bytes(2 << 20), "it is a file of 2.0 MiB, more than the 1.0 MiB that are read"),
    ],
)
def test_wrong_signature_is_told_with_and_without_known_signers(
    signed: Path, key: Key, path: str, data: bytes, reason: str
) -> None:
    signed.with_name(path).write_bytes(data)
    wrong = Signature(Standing.WRONG, reason=reason)
    assert look(signed) == wrong
    assert look(signed, f"{ALICE} {key.text}") == wrong


def test_signature_for_another_purpose_is_wrong(signed: Path, key: Key) -> None:
    sign_by_hand(key, signed, "git")
    assert look(signed, f"{ALICE} {key.text}").reason == "namespace does not match"


def test_signature_made_by_hand_is_a_signature(signed: Path, key: Key) -> None:
    sign_by_hand(key, signed)
    assert look(signed, f"{ALICE} {key.text}").standing is Standing.KNOWN


@pytest.mark.parametrize("name", ["signed", "signed.sig"])
def test_symlink_is_not_followed(signed: Path, name: str) -> None:
    path = signed.with_name(name)
    path.rename(signed.with_name("elsewhere"))
    path.symlink_to("elsewhere")
    found = look(signed)
    assert (found.standing, "link" in found.reason) == (Standing.WRONG, True)


def test_file_of_holes_is_not_copied(signed: Path) -> None:
    os.truncate(signed, 8 << 30)
    found = look(signed)
    assert (found.standing, "a file with holes of 8.0 GiB" in found.reason) == (Standing.WRONG, True)


def test_unsigned_file_is_told(signed: Path) -> None:
    signed.with_name("signed.sig").unlink()
    assert look(signed) == Signature(Standing.MISSING)


def test_bytes_that_were_checked_are_read_whatever_becomes_of_the_file(signed: Path) -> None:
    with closing(Verifier(Trust())) as verifier:
        signature, copy = verifier.look_at(os.fsencode(signed))
        signed.write_bytes(b"exchanged")
        assert signature.standing is Standing.NOT_COMPARED
        assert Path(os.fsdecode(copy)).read_bytes() == b"what is signed"
        folder = Path(os.fsdecode(copy)).parent
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_file_of_a_wrong_signature_is_read_where_it_is(signed: Path) -> None:
    signed.write_bytes(b"changed")
    with closing(Verifier(Trust())) as verifier:
        assert verifier.look_at(os.fsencode(signed))[1] == os.fsencode(signed)


@pytest.mark.usefixtures("no_ends")
def test_exit_code_that_nobody_gets_is_not_taken_for_a_good_one(signed: Path, key: Key) -> None:
    signed.write_bytes(b"changed")
    assert look(signed, f"{ALICE} {key.text}").standing is Standing.WRONG
    with pytest.raises(Refused, match="key-unusable"):
        check_key(os.fsencode(signed))


def test_without_ssh_keygen_a_signature_is_not_checked_unless_signers_are_wanted(
    signed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert look(signed).standing is Standing.NOT_CHECKED
    with pytest.raises(Refused, match="ssh-keygen-missing"):
        look(signed, f"{ALICE} ssh-ed25519 AAAA")
    signed.with_name("signed.sig").unlink()
    assert look(signed, f"{ALICE} ssh-ed25519 AAAA").standing is Standing.MISSING


def test_ssh_keygen_that_cannot_find_principals_is_told_too_old(
    signed: Path, key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bin/ssh-keygen"
    old.parent.mkdir()
    said = 'Unsupported operation for -Y: "find-principals"'
    old.write_text(
        f'#!/bin/sh\n[ "$2" = find-principals ] || exec {needs_tool("ssh-keygen")} "$@"\n'
        + f"echo '{said}' >&2; exit 1\n"
    )
    old.chmod(0o700)
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    with pytest.raises(Refused, match=r"ssh-keygen-missing.*too old"):
        look(signed, f"{ALICE} {key.text}")


@pytest.mark.parametrize("text", [None, "", "# nobody\n"])
def test_file_of_signers_that_names_nobody_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "signers").write_text(text)
    with pytest.raises(Refused, match="signers-unusable"):
        Verifier(Trust(os.fsencode(tmp_path / "signers")))


def test_known_signers_may_come_through_a_pipe(signed: Path, key: Key) -> None:
    """As `<(...)` of a shell gives them: several checks of one command read them once."""
    reader, writer = os.pipe()
    os.write(writer, f"{ALICE} {key.text}\n".encode())
    os.close(writer)
    trust = Trust(b"/dev/fd/%d" % reader)
    for _ in range(2):
        with closing(Verifier(trust)) as verifier:
            assert verifier.look_at(os.fsencode(signed))[0].principal == ALICE
    os.close(reader)


@pytest.mark.parametrize("text", ["", "# people\n", f"{ALICE}\n"])
def test_file_of_known_signers_without_a_key_is_refused(tmp_path: Path, text: str) -> None:
    signers = tmp_path / "signers"
    signers.write_text(text)
    with pytest.raises(Refused, match="signers-unusable"):
        Verifier(Trust(os.fsencode(signers)))


# --- keys


def test_key_that_others_may_read_is_told_as_that(tmp_path: Path) -> None:
    key = make_key(tmp_path / "open")
    key.path.chmod(0o644)
    with pytest.raises(Refused, match=r"Permissions 0644 for .* are too open"):
        check_key(os.fsencode(key.path))


def test_key_with_a_passphrase_is_refused_at_once_with_the_reason(tmp_path: Path) -> None:
    key = make_key(tmp_path / "locked", "secret")
    with pytest.raises(Refused, match="incorrect passphrase") as caught:
        check_key(os.fsencode(key.path))
    assert [problem.path for problem in caught.value.problems] == [os.fsencode(key.path)]


@pytest.mark.parametrize("name", ["locked", "locked.pub"])
def test_key_in_an_agent_signs_without_its_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signed: Path, name: str
) -> None:
    key = make_key(tmp_path / "locked", "secret")
    socket = tmp_path / "agent"
    agent = subprocess.Popen([needs_tool("ssh-agent"), "-D", "-a", socket], stdout=subprocess.PIPE)
    try:
        assert agent.stdout
        agent.stdout.readline()  # it listens now
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        ask = tmp_path / "ask"
        ask.write_text("#!/bin/sh\necho secret\n")
        ask.chmod(0o700)
        environment = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(["ssh-add", "-q", key.path], env=environment, check=True)
        signed.with_name("signed.sig").write_bytes(sign(os.fsencode(tmp_path / name), signed.read_bytes()))
        assert look(signed).key == key.fingerprint
    finally:
        agent.terminate()
        agent.communicate()


@pytest.mark.parametrize("name", ["nowhere", "signed", "public.pub"])
def test_what_is_no_key_is_refused(tmp_path: Path, key: Key, signed: Path, name: str) -> None:
    (tmp_path / "public.pub").write_bytes(key.public.read_bytes())
    with pytest.raises(Refused, match="key-unusable"):
        check_key(os.fsencode(tmp_path / name))


@pytest.mark.parametrize("name", ["key", "key.pub"])
def test_pipe_in_the_place_of_a_key_is_not_waited_for(key: Key, name: str) -> None:
    pipe = key.path.with_name(name)
    pipe.unlink()
    os.mkfifo(pipe)
    with pytest.raises(Refused, match="key-unusable") as caught:
        check_key(os.fsencode(key.path))
    assert (caught.value.problems[0].path, caught.value.problems[0].found) == (os.fsencode(pipe), "a named pipe")


def test_file_that_is_too_large_for_a_key_is_not_read(signed: Path) -> None:
    os.truncate(signed, 2 << 20)
    with pytest.raises(Refused) as caught:
        check_key(os.fsencode(signed))
    assert [problem.found for problem in caught.value.problems] == ["a file of 2.0 MiB"]


def test_missing_ssh_keygen_is_told_as_such(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Refused, match="ssh-keygen-missing"):
        check_key(os.fsencode(key.path))
