"""The signature of a file: a value with what is known of it, and the check that finds that out.

A signature is in a file beside the signed one, `NAME.sig`, as `ssh-keygen -Y sign` writes it. It holds no time: only
what the signed file says of its time is covered, which is what the signer wrote. A key whose validity has ended is
therefore not accepted for old signatures either: whoever got the key could give any date.
"""

import os
from collections.abc import Iterator
from enum import StrEnum
from functools import cache

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.control_file import (
    SMALL_BYTES,
    ControlFileError,
    is_shell_pipe,
    opened_control,
    read_control,
    read_named,
)
from qa2pack.manifest.fs.private_folder import PrivateFolder
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.signature.names import signature_name
from qa2pack.manifest.signature.ssh_keygen import (
    Answer,
    KeygenMissingError,
    check_novalidate,
    find_principals,
    verify,
)


class Standing(StrEnum):
    """What is known of a signature."""

    KNOWN = "known"  # by a key of a known signer
    UNKNOWN = "unknown"  # by a key that is of no known signer, or not any more
    NOT_COMPARED = "not-compared"  # by some key: no known signers were given
    NOT_CHECKED = "not-checked"  # there is one
    WRONG = "wrong"  # it does not fit the file, or is no signature
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Signature:
    """What is known of the signature of one file.

    Attributes:
        principal: who signed, as the file of known signers calls them; empty if that is not known.
        key: type and fingerprint of the key that signed, `ED25519 SHA256:...`; empty where that is not known.
        reason: why it is wrong, unknown or not checked.
    """

    standing: Standing
    principal: str = ""
    key: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """The signature of a file with what the file says of itself.

    Attributes:
        path: of the file, or of what it describes, as it is shown.
        dated: the time that the file says, as in ISO 8601; empty if no signature fits: anybody may have written it.
        signed_at: when it was signed, as the signer has it; empty as `dated` is, and where the file does not say it.
        packaged_at: when the newest of what it describes was planned; empty as the others are.
        is_weak: the file names what it describes by digests that do not exclude a forgery.
    """

    path: bytes
    signature: Signature
    dated: str = ""
    is_weak: bool = False
    signed_at: str = ""
    packaged_at: str = ""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures are wanted.

    Attributes:
        signers: path of an allowed_signers file; empty if the keys are compared with none.
        is_required: whatever is not signed by one of them is a problem.
    """

    signers: bytes = b""
    is_required: bool = False


NOBODY = Trust()


def read_signers(signers: bytes) -> bytes:
    """Return the content of a file of known signers, which may be a pipe: it can be read only once.

    Raises:
        Refused: it cannot be read, or has no line.
    """
    try:
        text = _content(signers)
        reason = "" if any(_names_a_key(line) for line in text.splitlines()) else "no line with a key"
    except OSError as error:
        reason = error.strerror or "an error"
    if reason:
        raise Refused(Problem(Code.SIGNERS_UNUSABLE, signers, "known signers and their keys", reason))
    return text


def _content(signers: bytes) -> bytes:
    """Return the content of a file that the user names, which may be a pipe of a shell."""
    if is_shell_pipe(signers):
        return _piped(signers)
    return read_control(os.path.realpath(signers, strict=True), limit_bytes=SMALL_BYTES)


@cache
def _piped(path: bytes) -> bytes:
    """Return what comes out of a pipe, which the next one who asks would not get any more."""
    return read_named(path, limit_bytes=SMALL_BYTES)


def _names_a_key(line: bytes) -> bool:
    return len(line.split()) > 1 and not line.lstrip().startswith(b"#")


class Verifier:
    """Checks signatures of files; keeps copies of those whose signature fits, until it is closed.

    Attributes:
        trust: whose signatures are wanted.
    """

    def __init__(self, trust: Trust) -> None:
        """Check no file yet; refuse a file of known signers that cannot be used."""
        self.trust = trust
        self._folder = PrivateFolder()
        self._signers = self._folder.file_of(read_signers(trust.signers)) if trust.signers else b""

    def look_at(self, path: bytes) -> tuple[Signature, bytes]:
        """Check the signature of a file.

        Returns:
            The result, and the path at which the checked bytes can be read: nobody else can change them there. Where
            no signature fits it is the path of the file itself.

        Raises:
            KeygenMissingError: there is no ssh-keygen, and the signers are wanted.
            OSError: the file cannot be read.
        """
        try:
            data = read_control(signature_name(path), limit_bytes=SMALL_BYTES)
        except FileNotFoundError:
            return Signature(Standing.MISSING), path
        except ControlFileError as error:
            return Signature(Standing.WRONG, reason=f"it is {error.strerror}"), path
        try:
            copy = self._folder.copy_of(path)
        except FileNotFoundError:
            return Signature(Standing.WRONG, reason="there is nothing beside it"), path
        except ControlFileError as error:
            return Signature(Standing.WRONG, reason=f"what it is beside is {error.strerror}"), path
        signature = self._checked(self._folder.file_of(data), copy)
        return signature, copy if signature.key else path

    def copy_of(self, path: bytes) -> bytes:
        """Copy a file to where nobody else can change it, and return the path of the copy; raises as `look_at`."""
        return self._folder.copy_of(path)

    def close(self) -> None:
        """Remove the copies."""
        self._folder.close()

    def _checked(self, signature: bytes, copy: bytes) -> Signature:
        try:
            with opened_control(copy) as file:
                some = check_novalidate(signature, file)
        except KeygenMissingError:
            if self.trust.signers:
                raise
            return Signature(Standing.NOT_CHECKED, reason="there is no ssh-keygen of OpenSSH 8.2 or newer")
        if not some.key:
            return Signature(Standing.WRONG, reason=_reason(some))
        if not self.trust.signers:
            return Signature(Standing.NOT_COMPARED, key=some.key)
        found = find_principals(self._signers, signature)
        refusals = [found]
        for principal in found.lines:
            with opened_control(copy) as file:
                answer = verify(self._signers, signature, principal, file)
            if answer.key:
                return Signature(Standing.KNOWN, principal, answer.key)
            refusals.append(answer)
        return Signature(Standing.UNKNOWN, key=some.key, reason=self._why_unknown(refusals))

    def _why_unknown(self, answers: list[Answer]) -> str:
        """Return what ssh-keygen says of a line of the file of known signers, as `line 3: key has expired: ...`."""
        place = os.fsdecode(self._signers) + ":"
        said = [fault.removeprefix(place) for answer in answers for fault in answer.faults if fault.startswith(place)]
        return f"line {said[0]}" if said else "no known signer has this key"


def _reason(answer: Answer) -> str:
    """Return in words why a signature does not fit; the last line of the program only says that it does not."""
    said = [fault for fault in answer.faults if fault != "Could not verify signature."]
    return said[0].partition(": ")[2] or said[0] if said else "it does not fit"


def signature_problems(signed: Signed, trust: Trust) -> Iterator[Problem]:
    """Yield the problem of a signature: a wrong one always is, others are where a known signer is required."""
    signature = signed.signature
    match signature.standing:
        case Standing.WRONG:
            yield Problem(Code.SIGNATURE_WRONG, signed.path, found=signature.reason)
        case Standing.UNKNOWN if trust.is_required:
            yield Problem(Code.SIGNATURE_UNKNOWN, signed.path, found=f"{signature.key}, {signature.reason}")
        case Standing.MISSING if trust.is_required:
            yield Problem(Code.SIGNATURE_MISSING, signed.path)
        case Standing.KNOWN if trust.is_required and signed.is_weak:
            yield Problem(Code.SIGNATURE_WEAK, signed.path)
