"""Records of a journal, as values: what a transaction is to do, and each step that it has done.

The names of the classes are those of the records on disk.
"""

from enum import StrEnum

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.wire import Moment

TICKET_SUFFIXES = (b"tar", b"zip")


class Publishing(StrEnum):
    """How the staged tree becomes visible."""

    NEW = "new"  # one rename of the package
    MEMBER = "member"  # one rename of a member into its group
    GROUP = "group"  # one rename of a group into the package
    EXCHANGE = "exchange"  # one RENAME_EXCHANGE of the staged package and the old one
    TWO_RENAMES = "two-renames"  # old package out, new one in; for file systems without RENAME_EXCHANGE
    MEMBER_EXCHANGE = "member-exchange"  # as EXCHANGE, of one member
    MEMBER_TWO_RENAMES = "member-two-renames"
    MEMBER_REMOVAL = "member-removal"  # one rename of a member out of its group
    GROUP_REMOVAL = "group-removal"  # one rename of a group, which has no other member, out of the package
    RENAME = "rename"  # as NEW; afterwards the package of the old name goes

    @property
    def is_exchange(self) -> bool:
        """Whether old and new change places in one step."""
        return self in (Publishing.EXCHANGE, Publishing.MEMBER_EXCHANGE)

    @property
    def is_two_renames(self) -> bool:
        """Whether the old one is moved away before the new one gets its place."""
        return self in (Publishing.TWO_RENAMES, Publishing.MEMBER_TWO_RENAMES)

    @property
    def is_removal(self) -> bool:
        """Whether nothing new gets the place of the old one."""
        return self in (Publishing.MEMBER_REMOVAL, Publishing.GROUP_REMOVAL)

    @property
    def has_previous(self) -> bool:
        """Whether a tree of the package, or the package of the old name, gives way."""
        return self.is_exchange or self.is_two_renames or self.is_removal or self is Publishing.RENAME


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction begins; nothing is staged yet.

    Attributes:
        transaction: its name, unique within the control folder.
        plan: digest of the plan.
        boot: boot id of the system; data written before a restart and not synced cannot be trusted.
        mode, origin: as in the plan; for the log, never for decisions.
        keeps_previous: what is replaced is kept until the next apply.
        keeps_if_small: only if it takes little space; `Commit` has the decision.
        sequence: one more than that of the previous transaction, because clocks can be set back; 0 in old journals.
        renamed_from: the name of the package that gets this name, beside it; empty unless it is renamed.
        beside: names of the files that are written beside the package, besides the ticket files.
        has_tickets: ticket files are made; otherwise those that are there go.
        above: the folder that is renamed with Publishing.GROUP or GROUP_REMOVAL, relative to the package; empty for
            the one in which the member is.
        received: all members that are made of a delivery, of which `member` is the first; empty without one.
    """

    transaction: str
    plan: bytes
    publishing: Publishing
    member: bytes
    keeps_previous: bool
    file_count: int
    byte_count: int
    boot: str
    host: str
    user: str
    pid: int
    at_ns: Moment
    mode: Mode | None = None
    origin: bytes = b""
    sequence: int = 0
    keeps_if_small: bool = False
    renamed_from: bytes = b""
    above: bytes = b""
    beside: tuple[bytes, ...] = ()
    has_tickets: bool = True
    received: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Resume:
    """Another process resumes the transaction."""

    boot: str
    host: str
    user: str
    pid: int
    at_ns: Moment


@dataclass(frozen=True, slots=True)
class Staged:
    """More files and bytes are staged; for display.

    Attributes:
        chunk: the name of the chunk of a delivery that was read, is as in its manifest, and all of whose files are
            staged; empty otherwise. It is not read again as long as the system was not restarted since: its files
            are not synced yet.
    """

    file_count: int
    byte_count: int
    chunk: bytes = b""


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything staged is on disk, and from here the transaction only goes forward: the moment of commit.

    Attributes:
        root_inode, root_mtime_ns: of the staged tree; hints to where it is, never proof; 0 if not known.
        had_manifests: there were manifests before; publishing moves them to the previous state.
        had_tickets: suffixes of the ticket files that existed before, and names of other files beside the package.
        keeps_previous: False if what is replaced takes too much space to be kept, whatever `Begin` says.
    """

    root_inode: int
    had_manifests: bool
    had_tickets: tuple[bytes, ...]
    root_mtime_ns: int = 0
    keeps_previous: bool = True


@dataclass(frozen=True, slots=True)
class Published:
    """The new tree is in place, and that is on disk."""


@dataclass(frozen=True, slots=True)
class Stale:
    """Staging stopped because sources are not as planned; a new plan may reuse the staged files."""

    path_count: int


@dataclass(frozen=True, slots=True)
class SyncFailed:
    """The sync of the staged files failed; what is on disk is not known, so staging starts over."""


@dataclass(frozen=True, slots=True)
class Discard:
    """The old package is about to be removed: from here publishing cannot be rolled back."""


@dataclass(frozen=True, slots=True)
class RollBack:
    """The transaction is being rolled back."""

    at_ns: Moment


@dataclass(frozen=True, slots=True)
class End:
    """The transaction is finished."""

    at_ns: Moment


Record = Begin | Resume | Staged | Stale | SyncFailed | Commit | Published | Discard | RollBack | End
