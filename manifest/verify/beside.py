"""Verify what a member has written beside the package; read-only."""

import stat
from collections.abc import Iterator, Mapping

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.format.written import BesideFile
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digests_of_fd
from qa2pack.manifest.fs.presence import status_of
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem


def beside_problems(
    package: Package, header: Header, sums: Mapping[bytes, bytes], *, is_quick: bool
) -> Iterator[Problem]:
    """Yield a problem for each file beside the package that is not as it was written.

    Args:
        sums: sha256 of each by its name, where it is signed.
    """
    for file in header.beside:
        path = join(package.parent, file.name)
        status = status_of(path)
        if status is None:
            yield Problem(Code.BESIDE_DAMAGED, path, found="nothing there")
        elif not stat.S_ISREG(status.st_mode) or status.st_size != file.size:
            yield Problem(Code.BESIDE_DAMAGED, path, f"a file of {file.size:,} bytes", f"{status.st_size:,} bytes")
        elif not is_quick and header.mode.has_content and not _is_same(path, file, sums.get(file.name)):
            yield Problem(Code.BESIDE_DAMAGED, path, found="other content")


def _is_same(path: bytes, file: BesideFile, sha256: bytes | None) -> bool:
    try:
        with opened_file(path) as fd:
            digest, found = digests_of_fd(fd, file.size)
    except FileGrewOrShrankError:
        return False
    return digest == file.digest and found == (sha256 or found)
