"""The batches of a scan and what comes back from them: small values that any process can be sent."""

from dataclasses import dataclass, field

from qa2pack.manifest.actions import Action
from qa2pack.manifest.format.header import Relink
from qa2pack.manifest.path import is_within
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.scan.digest_cache import Identity, KnownStream
from qa2pack.manifest.scan.link_and_owner_checks import Names, Sums
from qa2pack.manifest.scan.table_references import Reference

BIG_FILE_BYTES = 32 << 20  # files of this size are read in batches of their own


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What holds for every batch of one scan.

    Attributes:
        root: the origin, absolute and resolved.
        action: of every file.
        is_hashing: False leaves all digests empty and opens no file.
        exclude: globs of names or paths (relative to the origin) that are passed over.
        foreign: globs of names that other programs give to their files; passed over too, and told in the result.
        may_leave: follow links that lead out of the origin.
        follows_links: False makes every link a problem: in a package there are none.
        known: earlier streams whose digests may be reused.
        package: where the package is; after a move, links of the origin lead into it.
        carried: what is done with files that only the package has any more: CARRY if it is being replaced, so that
        none
            is lost, None if it stays and they are packaged as content.
        member: absolute path that the new member will have.
        device: the file system of the package.
        may_copy: copy what cannot be linked, instead of leaving the refusal to preflight.
    """

    root: bytes
    action: Action
    is_hashing: bool = True
    exclude: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    may_leave: bool = False
    follows_links: bool = True
    known: tuple[KnownStream, ...] = ()
    package: bytes = b""
    carried: Action | None = None
    member: bytes = b""
    device: int = 0
    may_copy: bool = False

    def is_in_package(self, target: bytes) -> bool:
        """Return whether a resolved path lies in the package."""
        return bool(self.package) and is_within(target, self.package)


@dataclass(frozen=True, slots=True)
class Subtree:
    """A folder to scan with all below it.

    Attributes:
        source: relative to the root, or absolute outside of it.
        path: its folder in the package.
        omit: names of files of this folder, not of those below, that are passed over.
        link_count: how many links to folders led here.
    """

    source: bytes
    path: bytes
    omit: frozenset[bytes] = frozenset()
    link_count: int = 0


@dataclass(frozen=True, slots=True)
class SubtreeBatch:
    """Subtrees for one worker."""

    options: ScanOptions
    subtrees: tuple[Subtree, ...]


@dataclass(frozen=True, slots=True)
class FileBatch:
    """Single files from anywhere in the origin that meet in one folder of the package.

    Attributes:
        names: in the package, sorted.
        sources: relative to the root, or absolute outside of it; no links.
        known: encoded earlier records to look into instead of those of the options, each with the time of its scan.
    """

    options: ScanOptions
    path: bytes
    names: tuple[bytes, ...]
    sources: tuple[bytes, ...]
    known: tuple[tuple[bytes, int], ...] = ()


@dataclass(frozen=True, slots=True)
class BigFile:
    """A file whose digest is still to come."""

    root: bytes
    path: bytes
    name: bytes
    source: bytes
    identity: Identity


@dataclass(frozen=True, slots=True)
class BatchGroup:
    """Batches that are begun one after the other as one; what is left when that took long comes back singly."""

    batches: "tuple[ScanBatch, ...]"


@dataclass(slots=True)
class ScanResult:
    """What a batch found; the one value that workers send back."""

    blobs: list[tuple[bytes, bytes]] = field(default_factory=list)
    more: "list[ScanBatch]" = field(default_factory=list)  # what this batch left for others
    digests: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)  # folder, name, digest of big files
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    devices: dict[int, bytes] = field(default_factory=dict)  # each with a path on it
    sums: Sums = field(default_factory=dict)
    linked: Names = field(default_factory=dict)
    relinks: list[Relink] = field(default_factory=list)
    foreign: list[tuple[bytes, bool]] = field(default_factory=list)  # sources that were passed over; whether folders
    references: list[Reference] = field(default_factory=list)
    counts: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # files and bytes by role folder
    file_count: int = 0
    byte_count: int = 0
    read_bytes: int = 0
    new_files: int = 0  # that will be made, not linked
    new_bytes: int = 0
    holes: dict[bytes, int] = field(default_factory=dict)  # of files that are copied: bytes not written, by path

    def count(self, path: bytes, file_count: int, byte_count: int) -> None:
        """Count files of one folder of the package."""
        role = path.split(b"/", 1)[0]
        files, size = self.counts.get(role, (0, 0))
        self.counts[role] = (files + file_count, size + byte_count)
        self.file_count += file_count
        self.byte_count += byte_count


ScanBatch = SubtreeBatch | FileBatch | BigFile | BatchGroup
