"""tmp"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BundleEntry:
    path: bytes
    size: int
    mtime_ns: int
    mode: int
    is_folder: bool = False
