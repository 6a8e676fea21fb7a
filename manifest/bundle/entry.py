"""Bundle entry: what a bundle says of one file or folder inside it, apart from the content."""

from qa2pack.manifest.dataclass import dataclass

Buffer = bytes | bytearray | memoryview

_FOLDER_MODE = _PROGRAM_MODE = 0o755
_FILE_MODE = 0o644
_ANY_EXECUTE = 0o111
_MOST_SECONDS = 0o77777777777  # what the field of a tar header holds: the year 2242


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """One file or folder inside a bundle.

    Attributes:
        path: relative to the top of the bundle; empty for the only file of a `.gz`.
        size: bytes of the content, 0 for a folder; -1 where a `.gz` that is read does not tell it beforehand.
        mtime_ns: a bundle keeps whole seconds from 1970 on.
        mode: permission bits.
    """

    path: bytes
    size: int
    mtime_ns: int
    mode: int
    is_folder: bool = False


def kept_seconds(entry: BundleEntry) -> int:
    """Return the time that a bundle keeps: whole seconds, rounded down, between 1970 and 2242."""
    return min(max(entry.mtime_ns // 10**9, 0), _MOST_SECONDS)


def kept_mode(entry: BundleEntry) -> int:
    """Return the mode that a bundle keeps: 0755 for folders and executable files, otherwise 0644."""
    if entry.is_folder:
        return _FOLDER_MODE
    return _PROGRAM_MODE if entry.mode & _ANY_EXECUTE else _FILE_MODE
