"""Ticket file recognition, whichever program wrote it; apart, because tarfile and zipfile are slow to import."""

import os
import tarfile
import zipfile

from qa2pack.manifest.fs.untrusted import opened_control

SIZE_FILE = b"package_size.txt"  # in both ticket files
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError, NotImplementedError)


def is_ticket_file(path: bytes) -> bool:
    """Return whether a regular file is a ticket file; False also where it cannot be read."""
    try:
        with opened_control(path) as file:
            if not os.fstat(file.fileno()).st_size:
                return True  # of a package of placeholders, made by another program; nothing is lost with it
            if path.endswith(b"zip"):
                with zipfile.ZipFile(file) as archive:
                    return os.fsdecode(SIZE_FILE) in archive.namelist()
            with tarfile.open(fileobj=file, mode="r:") as archive:
                return os.fsdecode(SIZE_FILE) in archive.getnames()
    except (OSError, *DAMAGE):
        return False
