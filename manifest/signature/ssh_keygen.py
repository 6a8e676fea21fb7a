"""Calls of `ssh-keygen -Y`: sign, find the principals of a signature, verify.

The program never asks for anything: it has no terminal and no dialog, so a key that needs a passphrase fails unless
an agent holds it. A result is taken from what it prints as well as from its exit code, because a parent that ignores
the ends of its children gets no exit codes.
"""

import os
import re
import stat
import subprocess
from typing import IO

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.control_file import SMALL_BYTES
from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.humanize import human_bytes
from qa2pack.manifest.problem import Code, Problem, Refused

PROGRAM = "ssh-keygen"
NAMESPACE = "qa2pack"  # of all signatures of this program: one that was made for anything else does not fit
_TOO_OLD = (b"Unsupported operation for -Y", b"option -- Y")
_ARMOR = b"-----BEGIN SSH SIGNATURE-----\n"
_GOOD = re.compile(rf'Good "{NAMESPACE}" signature (?:for .+ )?with (\S+) key (\S+)')


class KeygenMissingError(Refused):
    """There is no ssh-keygen on this machine, or one of before OpenSSH 8.2 that cannot do this."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the program said.

    Attributes:
        lines: of its output.
        faults: lines of what it said of errors.
    """

    lines: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Type and fingerprint of the key of a good signature, `ED25519 SHA256:...`; empty if it is not good."""
        found = [match for line in self.lines if (match := _GOOD.fullmatch(line))]
        return " ".join(found[0].groups()) if found else ""


def check_key(key: bytes) -> None:
    """Refuse a key that cannot sign now, by signing a few bytes; raises as `sign`."""
    sign(key, b"is the key usable?")


def sign(key: bytes, data: bytes | IO[bytes]) -> bytes:
    """Return the armored signature of bytes, or of an open file from its current position.

    Args:
        key: file of the private key, or of the public key of one that an agent holds.

    Raises:
        Refused: the key cannot be used.
        KeygenMissingError: there is no ssh-keygen.
    """
    for file in (key, key + b".pub"):  # which ssh-keygen waits for, or reads without end
        if kind := _other_than_file(file):
            raise Refused(Problem(Code.KEY_UNUSABLE, file, "a key that can sign", kind))
    done = _run(("sign", "-f", os.fsdecode(key)), data)
    if done.returncode or not done.stdout.startswith(_ARMOR):
        raise Refused(Problem(Code.KEY_UNUSABLE, key, "a key that can sign", _reason(_lines(done.stderr))))
    return done.stdout


def _other_than_file(path: bytes) -> str:
    """Return what is at a path, symlinks followed; empty if it is a regular file that may be a key, or nothing."""
    try:
        status = os.stat(path)
    except OSError:
        return ""  # which ssh-keygen tells better
    if stat.S_ISREG(status.st_mode):
        return f"a file of {human_bytes(status.st_size)}" if status.st_size > SMALL_BYTES else ""
    return kind_in_words(status.st_mode)


def _reason(said: list[str]) -> str:
    """Return why a key cannot sign; of one that others may read, the last line only says that there is none."""
    faults = [line for line in said if not line.startswith("Signing data")]
    if modes := [line for line in faults if line.startswith("Permissions ")]:
        return modes[0]
    return faults[-1].removeprefix("Enter passphrase: ") if faults else "it gave no signature"


def find_principals(signers: bytes, signature: bytes) -> Answer:
    """Return as lines who may sign with the key of a signature.

    Args:
        signers: an allowed_signers file.
        signature: a file with a signature.
    """
    return _answer(("find-principals", "-f", os.fsdecode(signers), "-s", os.fsdecode(signature)), b"")


def verify(signers: bytes, signature: bytes, principal: str, data: IO[bytes]) -> Answer:
    """Check a signature, and that its key is one of this principal's, for this purpose and at this time."""
    who = ("-f", os.fsdecode(signers), "-I", principal)
    return _answer(("verify", *who, "-s", os.fsdecode(signature)), data)


def check_novalidate(signature: bytes, data: IO[bytes]) -> Answer:
    """Check a signature, whoever's key it is of."""
    return _answer(("check-novalidate", "-s", os.fsdecode(signature)), data)


def _answer(words: tuple[str, ...], data: bytes | IO[bytes]) -> Answer:
    done = _run(words, data)
    faults = tuple(_lines(done.stderr))
    return Answer((), faults) if done.returncode else Answer(tuple(_lines(done.stdout)), faults)


def _run(words: tuple[str, ...], data: bytes | IO[bytes]) -> subprocess.CompletedProcess[bytes]:
    environment = {name: text for name, text in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment |= {"SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [PROGRAM, "-Y", *words, "-n", NAMESPACE],
            input=data if isinstance(data, bytes) else None,
            stdin=None if isinstance(data, bytes) else data,
            capture_output=True,
            check=False,
            env=environment,
            start_new_session=True,  # without a terminal, on which it would ask
        )
    except FileNotFoundError as error:
        raise KeygenMissingError(Problem(Code.SSH_KEYGEN_MISSING, PROGRAM.encode())) from error
    if any(said in done.stderr for said in _TOO_OLD):
        raise KeygenMissingError(Problem(Code.SSH_KEYGEN_MISSING, PROGRAM.encode(), found="one that is too old"))
    return done


def _lines(output: bytes) -> list[str]:
    return [line for line in output.decode(errors="replace").splitlines() if line.strip()]
