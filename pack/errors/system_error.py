"""Errors of the system (OSError): problem code, words and advice of each errno."""

import errno
import os

from qa2pack.manifest.fs.mount import mount_of
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem
from qa2pack.pack.errors.similar_paths import meant_path
from qa2pack.pack.terminal.style import unbroken

_KNOWN = {
    errno.ENOENT: (Code.PATH_MISSING, "there is no such file or folder.", ""),
    errno.ENOSPC: (Code.DISK_FULL, "the disk is full.", "Make room first."),
    errno.EDQUOT: (Code.DISK_FULL, "your quota on this disk is used up.", "Make room first, or ask for more."),
    errno.EACCES: (Code.ACCESS_DENIED, "permission was denied.", "Get permission first."),
    errno.EPERM: (Code.ACCESS_DENIED, "the system does not allow it.", "Get permission first."),
    errno.EROFS: (Code.READ_ONLY, "the file system is read-only.", "Have it mounted writable first."),
    errno.EIO: (
        Code.DISK_ERROR,
        "the disk reports an error.",
        "Have the disk checked first; the kernel log has the details (dmesg).",
    ),
    errno.EAGAIN: (
        Code.SYSTEM_ERROR,
        "the system is short of something, mostly of processes or threads that you may start.",
        "Raise the limit (ulimit -u), or end other programs first.",
    ),
    errno.EMFILE: (
        Code.SYSTEM_ERROR,
        "this program may open no more files at once.",
        "Raise the limit first (ulimit -n).",
    ),
    errno.ENFILE: (
        Code.SYSTEM_ERROR,
        "this machine opens no more files at once.",
        "End other programs first, or have the limit raised (sysctl fs.file-max).",
    ),
    errno.EINTR: (Code.SYSTEM_ERROR, "a call of the system was interrupted.", "It may work the next time."),
    errno.ESTALE: (
        Code.DISK_ERROR,
        "the server of the disk does not know a file or folder any more, which was open or mounted.",
        "Have the disk mounted again if that stays so.",
    ),
    errno.EMLINK: (Code.LINK_LIMIT, "a file has as many hard links as its file system takes.", "Use --mode copy."),
    errno.EXDEV: (
        Code.CROSS_DEVICE,
        "a hard link or a renaming would lead to another file system or mount.",
        "Was one mounted since the plan was made? Unmount it, or roll back and plan again, which tells what to do.",
    ),
}

_PYTHON_SAYS = "no usable temporary directory"  # as ENOENT, whatever is with the folders: tempfile.gettempdir
_TEMPORARY = (
    Code.DISK_FULL,
    "no folder for temporary files can be written; their disks are full, or you may not write there.",
    "Make room in /tmp, or set TMPDIR to a folder that is outside of the reduction and has room.",
)

_NO_CURRENT = (
    Code.PATH_MISSING,
    "the current folder was removed.",
    "Go to another one first, with cd",
)
_NO_PROC = (
    Code.SYSTEM_ERROR,
    "there is no /proc here, which the program needs, as in a chroot or container without it.",
    "Mount it there first: mount -t proc proc /proc",
)
_NO_CHANGES = (
    Code.ACCESS_DENIED,
    "this mount by rclone changes no file that was begun, because it keeps none in a cache.",
    "Have it mounted with the option --vfs-cache-mode=writes first.",
)


def system_error_text(error: OSError) -> tuple[str, str]:
    """Return the text of an OSError, and advice that ends in the path; both without a full stop after a path."""
    _, words, advice = known = _known(error)
    if known in (_TEMPORARY, _NO_PROC, _NO_CURRENT):
        return words, advice
    names = [name for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    if error.errno == errno.ENOENT and names:
        near = meant_path(os.path.abspath(os.fsencode(names[0])))
        advice = unbroken(f"Did you mean {shown(near)}?") if near else ""
    path = unbroken(f"Path: {', '.join(map(shown, names))}") if names else ""
    return words, " ".join(filter(None, (advice, path)))


def removed_folder_text(error: OSError) -> str:
    """Return words and advice where the error is that the current folder was removed; else nothing."""
    known = _known(error)
    return " ".join(known[1:]) if known is _NO_CURRENT else ""


def system_problem(error: OSError) -> Problem:
    """Return an OSError as a problem; its path is empty if the error names none."""
    path = os.fsencode(error.filename) if isinstance(error.filename, str | bytes) else b""
    return Problem(_known(error)[0], path, found=error.strerror or str(error))


def _known(error: OSError) -> tuple[Code, str, str]:
    if error.errno == errno.ENOENT and (error.strerror or "").lower().startswith(_PYTHON_SAYS):
        return _TEMPORARY
    if error.errno == errno.ENOENT and error.filename is None and _is_current_folder_gone():
        return _NO_CURRENT
    if _is_of_proc(error.filename):
        return _NO_PROC
    if error.errno == errno.EPERM and _is_of_rclone(error.filename):
        return _NO_CHANGES
    other = (Code.SYSTEM_ERROR, f"the system says: {error.strerror or error}.", "")
    return _KNOWN.get(error.errno or 0, other)


def _is_of_proc(name: object) -> bool:
    """Whether a file cannot be read because its file system is missing."""
    is_in_it = isinstance(name, str | bytes) and os.fsencode(name).startswith(b"/proc/")
    return is_in_it and not is_folder(b"/proc/self")


def _is_of_rclone(name: object) -> bool:
    mount = mount_of(os.fsencode(name)) if isinstance(name, str | bytes) else None
    return mount is not None and mount.kind == "fuse.rclone"


def _is_current_folder_gone() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False
