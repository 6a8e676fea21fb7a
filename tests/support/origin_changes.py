"""What may happen to one file of an origin while it is planned or applied, and a disk that lets it happen."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.faulty_disk import SplitMemory, WatchedDisk
from support.outcomes import Laid

OLD = b"image.fits of the new one\n"
NEW = b"IMAGE.FITS OF THE NEW ONE\n"
LONG = OLD + b"and more\n"


def rewrite(path: Path) -> None:
    """Write other content of the same size in place."""
    path.write_bytes(NEW)


def forge(path: Path) -> None:
    """Write other content of the same size in place and set the time back."""
    status = path.stat()
    path.write_bytes(NEW)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace_file(path: Path) -> None:
    """Put another file with the same content size in its place."""
    path.with_suffix(".new").write_bytes(NEW)
    path.with_suffix(".new").rename(path)


def truncate(path: Path) -> None:
    """Cut the file."""
    os.truncate(path, 5)


def grow(path: Path) -> None:
    """Let the file grow."""
    with path.open("ab") as file:
        file.write(LONG[len(OLD) :])


def delete(path: Path) -> None:
    """Remove the file."""
    path.unlink()


def become_a_link(path: Path) -> None:
    """Put a link to a file elsewhere in its place."""
    path.unlink()
    elsewhere = path.parent.parent.parent / "elsewhere"
    elsewhere.write_bytes(NEW)
    path.symlink_to(elsewhere)


def become_a_folder(path: Path) -> None:
    """Put a folder in its place."""
    path.unlink()
    path.mkdir()


CHANGES = (rewrite, forge, replace_file, truncate, grow, delete, become_a_link, become_a_folder)
WHOLE = (OLD, NEW, LONG, OLD[:5])
PACKAGED = b"sg_ouss_id/group_ouss_id/member_ouss_id/product/image.fits"


class ChangingDisk(WatchedDisk):
    """A disk on which something happens just before one call."""

    def __init__(self, at: int, happening: Callable[[], None], splits: SplitMemory | None) -> None:
        """Let it happen before call number `at`."""
        super().__init__(splits)
        self._at = at
        self._happening = happening

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call."""
        if self._at == 0:
            self._happening()
        self._at -= 1
        return call()


def image_of(laid: Laid) -> Path:
    """Return the file that changes."""
    return laid.world.origins / "now" / "image.fits"


def put_back(laid: Laid, mtime_ns: int) -> None:
    """Make world and image what they were; the image is the planned inode again."""
    image = image_of(laid)
    if image.is_dir():
        image.rmdir()
    image.unlink(missing_ok=True)
    os.link(laid.world.saved / "origins" / "now" / "image.fits", image)
    image.write_bytes(OLD)
    os.utime(image, ns=(mtime_ns, mtime_ns))
    laid.world.bring_back()
