"""Scan batches and their results: small picklable values, sent to workers and back."""

import os
from dataclasses import field

from qa2pack.manifest.actions import Action
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import FileState
from qa2pack.manifest.fs.mount import OtherMounts
from qa2pack.manifest.layout.name_rules import NameRules
from qa2pack.manifest.path import is_within
from qa2pack.manifest.scan.digest_cache import KnownStream
from qa2pack.manifest.scan.findings import Findings


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """Options of all batches of one scan.

    Attributes:
        root: the origin, absolute and resolved.
        action: the action of every file.
        is_hashing: False leaves all digests empty and opens no file.
        exclude: globs of names or paths (relative to the origin) that are skipped.
        foreign: globs of names of files of other programs; skipped too, and reported in the result.
        names: what names are warned of.
        follow_outside: follow symlinks that lead out of the origin.
        follows_links: False makes every symlink a problem: a package has none.
        known: earlier streams whose digests may be reused.
        package: resolved path of the package; after a move, symlinks of the origin lead into it.
        replaced: resolved path of the folder that is being replaced, the package or a member; last copies in it,
            files that only the package still has, are taken over, so that none is lost. Those in the rest of the
            package stay, and are packaged like other files.
        member: absolute path that the new member will have.
        device: device number of the package's file system.
        other_mounts: where this file system is mounted, too.
        may_copy: copy what cannot be linked, instead of leaving the refusal to preflight.
        measurement_sets: the destinations of those that are expected; of others there is a warning. None: all are.
    """

    root: bytes
    action: Action
    is_hashing: bool = True
    exclude: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    names: NameRules = field(default_factory=NameRules)
    follow_outside: bool = False
    follows_links: bool = True
    known: tuple[KnownStream, ...] = ()
    package: bytes = b""
    replaced: bytes = b""
    member: bytes = b""
    device: int = 0
    other_mounts: OtherMounts = OtherMounts()
    may_copy: bool = False
    measurement_sets: frozenset[bytes] | None = None

    def is_far(self, source: bytes, device: int) -> bool:
        """Return whether no hard link can lead from a source, relative to the root or absolute, to the package."""
        return device != self.device or (
            bool(self.other_mounts.points) and self.other_mounts.have(os.path.join(self.root, source))
        )

    def is_in_package(self, target: bytes) -> bool:
        """Return whether a resolved path is in the package."""
        return bool(self.package) and is_within(target, self.package)

    def is_replaced(self, target: bytes) -> bool:
        """Return whether a resolved path is in what is being replaced."""
        return bool(self.replaced) and is_within(target, self.replaced)


@dataclass(frozen=True, slots=True)
class Subtree:
    """A folder to scan with everything below it.

    Attributes:
        source: relative to the root, or absolute outside of it.
        path: its folder in the package.
        omit: names of files of this folder, not of those below, that are passed over.
        link_count: how many links to folders led here.
        is_looked_into: what the table in this folder needs is known.
        known: encoded earlier records of it and of what is below, as of `FileBatch`.
    """

    source: bytes
    path: bytes
    omit: frozenset[bytes] = frozenset()
    link_count: int = 0
    is_looked_into: bool = False
    known: tuple[tuple[bytes, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SubtreeBatch:
    """Subtrees for one worker."""

    options: ScanOptions
    subtrees: tuple[Subtree, ...]


@dataclass(frozen=True, slots=True)
class FileBatch:
    """Single files from anywhere in the origin that go into one folder of the package.

    Attributes:
        names: in the package, sorted.
        sources: relative to the root, or absolute outside of it; of a symlink the file that it leads to.
        known: encoded earlier records, used instead of the streams of the options, each with the time of its scan.
    """

    options: ScanOptions
    path: bytes
    names: tuple[bytes, ...]
    sources: tuple[bytes, ...]
    known: tuple[tuple[bytes, int], ...] = ()


@dataclass(frozen=True, slots=True)
class BigFile:
    """A big file that is still to be hashed."""

    root: bytes
    path: bytes
    name: bytes
    source: bytes
    state: FileState


@dataclass(frozen=True, slots=True)
class BatchGroup:
    """Batches that run one after the other as one; those left when its budget is spent come back in groups."""

    batches: "tuple[ScanBatch, ...]"


@dataclass(slots=True)
class ScanResult(Findings):
    """Result of a batch: the one value that workers send back.

    Attributes:
        more: batches left for other workers.
        digests: folder, name and digest of big files.
    """

    blobs: list[tuple[bytes, bytes]] = field(default_factory=list)
    more: "list[ScanBatch]" = field(default_factory=list)
    digests: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)
    read_bytes: int = 0

    def add(self, other: "ScanResult") -> None:
        """Add the result of other folders of the same batch."""
        self.merge(other)
        self.blobs += other.blobs
        self.more += other.more
        self.digests += other.digests
        self.read_bytes += other.read_bytes


ScanBatch = SubtreeBatch | FileBatch | BigFile | BatchGroup
