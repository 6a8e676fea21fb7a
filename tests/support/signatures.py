"""SSH keys to sign with, and files of known signers."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from qa2pack.manifest.signature.signature import Signature, Verifier
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.sign import sign
from qa2pack.pack.target import target_of
from support.tools import needs_tool

ALICE = "alice@example.org"


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair: the file of the private key, beside that of the public one."""

    path: Path

    @property
    def public(self) -> Path:
        """The file of the public key."""
        return self.path.with_name(f"{self.path.name}.pub")

    @property
    def text(self) -> str:
        """Type and public key, as a line of known signers has them."""
        return " ".join(self.public.read_text().split()[:2])

    @property
    def fingerprint(self) -> str:
        """Type and fingerprint, as they are shown."""
        done = subprocess.run(["ssh-keygen", "-lf", self.public], capture_output=True, check=True, text=True)
        return f"ED25519 {done.stdout.split()[1]}"


def make_key(path: Path, passphrase: str = "") -> Key:
    """Make a key pair; skip the test that asks where there is no ssh-keygen."""
    command = [needs_tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", f"{path}"]
    subprocess.run(command, check=True)
    return Key(path)


def known_signers(path: Path, *lines: str) -> Path:
    """Write a file of known signers."""
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def sign_package(key: Key, path: Path, *, is_replacing: bool = False) -> None:
    """Sign all members of a package."""
    sign(target_of(f"{path}"), bytes(key.path), Workers(jobs=1), is_replacing=is_replacing)


def sign_by_hand(key: Key, path: Path, namespace: str = "qa2pack") -> None:
    """Sign a file as somebody without the program does."""
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", f"{key.path}", "-n", namespace, f"{path}"]
    path.with_name(f"{path.name}.sig").unlink(missing_ok=True)
    subprocess.run(command, check=True, capture_output=True)


def exchange_what_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let somebody write another file in place of each whose signature has just been checked."""
    look_at = Verifier.look_at

    def exchanging(verifier: Verifier, path: bytes) -> tuple[Signature, bytes]:
        found = look_at(verifier, path)
        Path(os.fsdecode(path)).write_bytes(b"forged")
        return found

    monkeypatch.setattr(Verifier, "look_at", exchanging)
