"""Header and notes of a plan or manifest as values; `header_codec` reads and writes them.

The header is written before the first folder is known, so it holds the request and the state that it relies on. The
notes come after the last folder and hold the results of the scan: totals, warnings, table splits.
"""

import os
from enum import StrEnum

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import README, DestinationKind
from qa2pack.manifest.bundle.gzip_format import LEVELS, USUAL_LEVEL
from qa2pack.manifest.casa.column_split import SplitSpec, Weights
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.check_row import CheckRow
from qa2pack.manifest.format.delivery_row import DeliveryRow
from qa2pack.manifest.format.wire import Moment
from qa2pack.manifest.format.written import BesideFile, WrittenFile
from qa2pack.manifest.humanize import utc_time
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.role import Role


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or a whole tree of the origin that is not packaged, with its path there and the reason."""

    path: bytes
    reason: str
    is_tree: bool


class StreamKind(StrEnum):
    """What a stream describes."""

    PLAN = "plan"
    MANIFEST = "manifest"


@dataclass(frozen=True, slots=True)
class MadeWith:
    """The options that decided what the member holds, so that it can be made again in the same way.

    Mode, layout and whether links may lead outside are fields of the header itself.

    Attributes:
        readme: absolute path of the README header file; empty where the text had no lasting path.
        readme_header: the text of that header; empty for the template.
        include: each glob with its role.
        values: of variables of the layout, each with its name.
        compression: level of it in bundles, 1 to 9.

    Raises:
        ValueError: there is no such level.
    """

    readme: bytes
    readme_header: bytes
    include: tuple[tuple[str, str], ...] = ()
    exclude: tuple[str, ...] = ()
    no_split: bool = False
    weights: Weights = Weights.CONSISTENT
    as_is: bool = False
    values: tuple[tuple[str, str], ...] = ()
    compression: int = USUAL_LEVEL

    def __post_init__(self) -> None:
        if self.compression not in LEVELS:
            raise ValueError(f"a level of compression is from 1 to 9, not {self.compression}")


@dataclass(frozen=True, slots=True)
class ReceivedDelivery:
    """A delivery that a plan receives.

    Attributes:
        sidecar: absolute path of the manifest of the delivery.
        digest: of that manifest.
        members: those that are made of it, sorted.
    """

    sidecar: bytes
    digest: bytes
    members: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ArrivedIn:
    """The delivery that a member came in, as that says of itself.

    Attributes:
        sidecar: name of the file.
        packaged_s: when the newest of its members was planned, seconds since the epoch.
        signed_ns: when it was signed, ns since the epoch; 0 if that is not known.
    """

    sidecar: bytes
    packaged_s: Moment
    signed_ns: Moment = 0

    def __str__(self) -> str:
        signed = f"signed {utc_time(self.signed_ns)}, " if self.signed_ns else ""
        return f"{shown(self.sidecar)}, {signed}packaged {utc_time(self.packaged_s * 10**9)}"

    def is_older_than(self, other: "ArrivedIn") -> bool:
        """Return whether it was made before another one."""
        if self.signed_ns and other.signed_ns:
            return self.signed_ns < other.signed_ns
        return self.packaged_s < other.packaged_s


@dataclass(frozen=True, slots=True)
class Header:
    """The request, and the state that it relies on.

    Attributes:
        project: name of the package.
        member: name of the member (see `manifest.alma.member_ids.folder_of`).
        origin: absolute path to which relative sources belong.
        scanned_ns: when the scan began, ns since the epoch.
        layout: name or path of it; empty in members that were adopted without one.
        may_leave: sources outside the origin were allowed.
        standing: what was at the destination.
        base: members that the package held, each with the digest of its manifest (empty if it has none).
        readme: text of the member's README; empty if its layout has none.
        is_adopted: the member was found on disk, not packaged by this program.
        is_rebuilt: the plan makes the member of its own files (see `manifest.plan.rebuild`); False in manifests.
        made_with: None in members that were adopted, or packaged before options were recorded.
        roles: of the layout; empty in members that were adopted without one, or packaged before roles were recorded
            (see `manifest.layout.roles`).
        written: the other files that the program writes.
        checks: those of the layout that verify applies again.
        found_texts: paths in an adopted member, or `../NAME`, of files that its layout makes of templates. With which
            values another program made them is not known, so they are not made again.
        delivery_sets: those of the layout; of a member that was received, those by which it was delivered.
        all_sets: of a member that was received by some of its sets: all of them, in the order in which they take
            files.
        received_from: the delivery that the plan receives; the records of its members are in the manifest of that,
            none in the plan. None in all other plans, and in manifests.
        arrived_in: the delivery that the member came in; None if it was not received.
    """

    kind: StreamKind
    project: bytes
    member: bytes
    mode: Mode
    append: Append
    origin: bytes
    scanned_ns: Moment
    layout: str
    may_leave: bool
    standing: DestinationKind
    base: tuple[tuple[bytes, bytes], ...]
    readme: bytes
    host: str
    user: str
    program: str
    is_adopted: bool = False
    made_with: MadeWith | None = None
    is_rebuilt: bool = False
    roles: tuple[Role, ...] = ()
    written: tuple[WrittenFile, ...] = ()
    beside: tuple[BesideFile, ...] = ()
    checks: tuple[CheckRow, ...] = ()
    found_texts: tuple[bytes, ...] = ()
    delivery_sets: tuple[DeliveryRow, ...] = ()
    received_from: ReceivedDelivery | None = None
    all_sets: tuple[DeliveryRow, ...] = ()
    arrived_in: ArrivedIn | None = None

    @property
    def missing_sets(self) -> tuple[str, ...]:
        """The names of the sets of a received member that did not come yet."""
        there = {row.name for row in self.delivery_sets}
        return tuple(row.name for row in self.all_sets if row.name not in there)

    @property
    def is_of_unknown_layout(self) -> bool:
        """Whether the member was adopted without its layout, so that it counts as one of Cycle 0."""
        return self.is_adopted and not self.layout

    @property
    def texts(self) -> dict[bytes, bytes]:
        """The contents of all files that the program writes, by path; those of late ones are empty."""
        readme = {README: self.readme} if self.readme else {}
        return readme | {file.path: file.text for file in self.written}

    @property
    def late(self) -> frozenset[bytes]:
        """The paths of the files that are written when all others are staged."""
        return frozenset(file.path for file in self.written if file.is_late)

    @property
    def compression(self) -> int:
        """The level of compression in bundles."""
        return self.made_with.compression if self.made_with else USUAL_LEVEL

    @property
    def sb_name(self) -> bytes:
        """The name of the origin, which is that of the scheduling block."""
        return os.path.basename(self.origin)

    @property
    def renamed_from(self) -> bytes:
        """The name of the package that gets this name, which stands beside it; empty if none does."""
        return os.path.basename(self.origin) if self.append is Append.RENAME else b""

    @property
    def staying(self) -> tuple[tuple[bytes, bytes], ...]:
        """The members of `base` that the package still has afterwards."""
        match self.append:
            case Append.NOTHING | Append.RENAME:
                return ()
            case Append.GROUP | Append.MEMBER:
                return self.base
            case Append.REPLACE | Append.REMOVE:
                return tuple(one for one in self.base if one[0] != self.member)


@dataclass(frozen=True, slots=True)
class Total:
    """Count of files and bytes of one role; README has the role `""`."""

    role: str
    file_count: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class SplitTask:
    """A measurement set that is packaged with one data column.

    Attributes:
        path: folder of the table, relative to the member.
        source: folder of the table at the origin, relative or absolute.
        before: encoded record, as scanned, of the files that are copied because the split rewrites or needs them.
        saved_bytes: size of the dropped files.
    """

    path: bytes
    source: bytes
    spec: SplitSpec
    before: bytes
    saved_bytes: int


@dataclass(frozen=True, slots=True)
class EarlierBundle:
    """A bundle of the replaced member as its manifest has it."""

    size: int
    mtime_ns: Moment
    digest: bytes


@dataclass(frozen=True, slots=True)
class BundleTask:
    """A tar, or one compressed file, that is written from files of the origin.

    Attributes:
        path: relative to the member.
        largest_bytes: it takes no more than this; how much, depends on the encoder.
        is_placeholder: the package gets an empty file in its place.
        records: encoded records, as scanned, of the files in it. Their paths are relative to the member, as if the
            bundle were a folder of it.
        earlier: the bundle of the replaced member that holds the same, and is kept; None in manifests.
    """

    path: bytes
    largest_bytes: int
    is_placeholder: bool
    records: tuple[bytes, ...]
    earlier: EarlierBundle | None = None

    @property
    def planned_bytes(self) -> int:
        """The size that it has if it is kept, otherwise the largest."""
        return self.earlier.size if self.earlier else self.largest_bytes


@dataclass(frozen=True, slots=True)
class OpenedBundle:
    """A bundle of the origin that files are taken out of.

    Attributes:
        source: relative to the origin, or absolute.
        size, mtime_ns, inode, ctime_ns: of the bundle itself; the last two are 0 in plans and manifests of older
            versions.
        file_count, byte_count: of what is taken out of it.
    """

    source: bytes
    size: int
    mtime_ns: Moment
    file_count: int
    byte_count: int
    inode: int = 0
    ctime_ns: Moment = 0

    @property
    def untouched(self) -> tuple[int, ...]:
        """Its state as `FileState.untouched`."""
        return self.size, self.mtime_ns, self.inode, self.ctime_ns


@dataclass(frozen=True, slots=True)
class Relink:
    """A symlink of the origin whose file gets another path in the package.

    Attributes:
        link: relative to the origin.
        old, new: target of the symlink before and after.
    """

    link: bytes
    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True)
class TableNote:
    """Description of a table by casacore, kept so that an unchanged table need not be opened again.

    Attributes:
        fingerprint: digest over names, sizes, mtimes and inodes of the files in the table's folder.
        columns: its data columns.
        spec: how it is split, None if it holds one data column.
    """

    source: bytes
    keep: str
    fingerprint: bytes
    columns: tuple[str, ...]
    spec: SplitSpec | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Counts of files that were added, removed, changed or unchanged from the old member to the new one.

    Attributes:
        kept, kept_bytes: unchanged files that are hard-linked from the old member instead of being copied.
    """

    added: int = 0
    removed: int = 0
    changed: int = 0
    unchanged: int = 0
    kept: int = 0
    kept_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Notes:
    """Results of the scan and of the table splits.

    Attributes:
        new_files, new_bytes: files that are created, not linked or kept; without folders.
        recalled: names of the options that were taken from the member that is made again; empty in manifests.
        extra: paths in the package of what no manifest knows and goes with what is replaced; empty in manifests.
        changed: those of files that are not as packaged; empty in manifests.
        bundles: the files that are written from files of the origin, sorted by path.
        trees: paths in the member of the folders that were packaged as a whole, into which no check of the header
            looks; empty if it has none.
        opened: the bundles of the origin that files are taken out of, sorted by source.
    """

    totals: tuple[Total, ...] = ()
    new_files: int = 0
    new_bytes: int = 0
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[Problem, ...] = ()
    splits: tuple[SplitTask, ...] = ()
    tables: tuple[TableNote, ...] = ()
    relinks: tuple[Relink, ...] = ()
    difference: Difference | None = None
    recalled: tuple[str, ...] = ()
    extra: tuple[bytes, ...] = ()
    changed: tuple[bytes, ...] = ()
    bundles: tuple[BundleTask, ...] = ()
    trees: tuple[bytes, ...] = ()
    opened: tuple[OpenedBundle, ...] = ()

    @property
    def file_count(self) -> int:
        """Number of files of the member."""
        return sum(total.file_count for total in self.totals)

    @property
    def byte_count(self) -> int:
        """Size of the member in bytes, real sizes in every mode."""
        return sum(total.byte_count for total in self.totals)
