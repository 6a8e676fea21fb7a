"""Publish the sidecar with its checksum files and its signature; check the checksum files.

What is beside the sidecar is written first, of the bytes that the sidecar is about to have. So a sidecar that has its
name is never beside the checksums or the signature of another one, wherever the run is stopped.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO

from qa2pack.manifest.fs.control_file import ControlFileError, read_control
from qa2pack.manifest.fs.digest import blocks_of
from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.presence import status_of
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem, Refused, unreadable
from qa2pack.manifest.signature.names import signature_name
from qa2pack.manifest.signature.ssh_keygen import sign
from qa2pack.tarsplit import output_files as outfile
from qa2pack.tarsplit.checksums import Sums
from qa2pack.tarsplit.naming import BEFORE, checksum_line, checksum_name
from qa2pack.tarsplit.place.place import A_FILE
from qa2pack.tarsplit.sidecar import NotSignedError, Sidecar

_MOST_BYTES = 1 << 16  # of a checksum file


def publish_sidecar(file: BinaryIO, path: bytes, checksums: Sequence[str], key: bytes = b"") -> bool:
    """Write checksum files and signature of the sidecar, then give it its name; all is on disk when this returns.

    A signature of the same bytes stays where there is no key. Returns whether there was no sidecar of these bytes.

    Args:
        file: the complete sidecar, open at `path.part`.
        checksums: names of the checksums.
        key: file of the key that signs; empty for none.

    Raises:
        NotSignedError: the key cannot be used.
        OSError: the output cannot be written.
    """
    file.flush()
    with _read_again(file) as part:
        sums = _sums_of(part.fileno(), checksums)
    is_other = _withdraw_other(path, sums.result())
    for algorithm in checksums:
        line = checksum_line(os.path.basename(path), sums.result(algorithm))
        outfile.write_durably(checksum_name(path, algorithm), line)
    if key:
        outfile.write_durably(signature_name(path), _signature(key, file))
    outfile.publish_part(file.fileno(), path)
    outfile.sync_folder(os.path.dirname(path))
    return is_other


def _read_again(file: BinaryIO) -> BinaryIO:
    """Open the very file that is being written: another one may have been put in the place of its name."""
    return open(b"/proc/self/fd/%d" % file.fileno(), "rb")


def _signature(key: bytes, file: BinaryIO) -> bytes:
    try:
        with _read_again(file) as part:
            return sign(key, part)
    except Refused as error:
        raise NotSignedError(*error.problems) from error


def _withdraw_other(path: bytes, digest: str) -> bool:
    """Take the name from a sidecar with other bytes, then remove its signature: what is beside it is of the new one.

    It stays, with another name, for a run that has to take this one back.

    Returns whether there was not one of these bytes.
    """
    try:
        with opened_file(path) as fd:
            is_other = _sums_of(fd, ()).result() != digest
    except OSError:  # none; or a symlink or pipe
        is_other = True
    if is_other:
        with suppress(FileNotFoundError):
            outfile.rename(path, path + BEFORE)
        outfile.sync_folder(os.path.dirname(path))
        outfile.remove(signature_name(path))
    return is_other


def sidecar_checksum_problems(sidecar: Sidecar, folder: bytes) -> Iterator[Problem]:
    """Yield a problem for each checksum file of the sidecar that does not match; a missing one gives none.

    A delivery of an older program has none, and whoever reads this needs none: the sidecar checks itself.

    Args:
        folder: holds them.
    """
    checksums, path = sidecar.header.checksums, os.path.basename(sidecar.path)
    with opened_file(sidecar.stream.path) as fd:
        sums = _sums_of(fd, checksums)
    for algorithm in checksums:
        name = checksum_name(path, algorithm)
        line = checksum_line(path, sums.result(algorithm))
        with suppress(FileNotFoundError):
            yield from checksum_file_problems(folder, name, line, f"the {algorithm} of {shown(path)}")


def checksum_file_problems(folder: bytes, name: bytes, line: bytes, what: str) -> Iterator[Problem]:
    """Yield a problem if a checksum file does not hold just this line.

    Raises:
        FileNotFoundError: there is no such file.
    """
    try:
        if read_control(join(folder, name), limit_bytes=_MOST_BYTES) != line:
            yield Problem(Code.CHANGED, name, what)
    except FileNotFoundError:
        raise
    except ControlFileError as error:
        yield _refused_problem(join(folder, name), name, what, error)
    except OSError as error:
        yield unreadable(name, error)


def _refused_problem(path: bytes, name: bytes, what: str, error: ControlFileError) -> Problem:
    """Return the problem of a checksum file that is no file, or larger than any."""
    status = status_of(path)
    if status is None or stat.S_ISREG(status.st_mode):
        return Problem(Code.CHANGED, name, what, error.strerror or "")
    return Problem(Code.WRONG_TYPE, name, A_FILE, kind_in_words(status.st_mode))


def _sums_of(fd: int, checksums: Sequence[str]) -> Sums:
    sums = Sums(checksums)
    for block in blocks_of(fd):
        sums.update(block)
    return sums
