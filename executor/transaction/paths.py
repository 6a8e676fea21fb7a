"""Transaction paths: staging, target, and previous state of one transaction."""

import os

from qa2pack.executor.io.disk import TEMPORARY
from qa2pack.executor.transaction.journal_records import TICKET_SUFFIXES, Begin, Publishing
from qa2pack.manifest.alma.member_ids import Append, folder_of
from qa2pack.manifest.alma.package import DestinationKind, Package, manifest_names, member_of_manifest
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.path import alone_above, folders_above, join

LOCK_SUFFIX = b".lock"


@dataclass(frozen=True, slots=True)
class TransactionPaths:
    """The paths of one transaction, whether or not they exist.

    Attributes:
        transaction: name of the transaction.
        member: name of the new member; of a renamed package that of its first one.
        above: the folder of a group that is published or removed, relative to the package; empty for the one in
            which the member is.
        renamed_from: the name of the package that gets the new name; empty unless it is renamed.
        received: all members that are made of a delivery, of which `member` is the first; empty without one.
    """

    package: Package
    transaction: str
    publishing: Publishing
    member: bytes
    renamed_from: bytes = b""
    above: bytes = b""
    beside: tuple[bytes, ...] = ()
    has_tickets: bool = True
    received: tuple[bytes, ...] = ()

    @property
    def old_package(self) -> Package:
        """The package of the old name, of a package that is renamed."""
        return Package(join(self.package.parent, self.renamed_from))

    @property
    def staging(self) -> bytes:
        """The folder of everything that is not visible yet."""
        return staging_path(self.package)

    @property
    def tree(self) -> bytes:
        """The staged package."""
        return join(self.staging, b"tree")

    @property
    def partial(self) -> bytes:
        """Unfinished copies of big files."""
        return join(self.staging, b"partial")

    @property
    def new_manifests(self) -> bytes:
        """All manifests as they will be after publishing."""
        return join(self.staging, b"manifests")

    @property
    def staged_member(self) -> bytes:
        """The member in the staged package."""
        return self.staged(self.member)

    @property
    def root(self) -> bytes:
        """The folder in staging that is renamed to become visible; of a removal, what would be in its place."""
        match self.publishing:
            case (
                Publishing.MEMBER
                | Publishing.MEMBER_EXCHANGE
                | Publishing.MEMBER_TWO_RENAMES
                | Publishing.MEMBER_REMOVAL
            ):
                return self.staged_member
            case Publishing.GROUP | Publishing.GROUP_REMOVAL:
                return join(self.tree, self.above) if self.above else os.path.dirname(self.staged_member)
            case Publishing.NEW | Publishing.EXCHANGE | Publishing.TWO_RENAMES | Publishing.RENAME:
                return self.tree

    @property
    def target(self) -> bytes:
        """The path at which the root becomes visible."""
        return self.package.path + self.root.removeprefix(self.tree)

    @property
    def previous(self) -> bytes:
        """The folder of everything that the transaction replaced."""
        return b"/".join((self.package.control, b"previous", self.transaction.encode()))

    @property
    def previous_tree(self) -> bytes:
        """The tree of the package that gave way: the package, a group or a member."""
        return join(self.previous, b"tree")

    @property
    def previous_manifests(self) -> bytes:
        """The manifests that were replaced."""
        return join(self.previous, b"manifests")

    @property
    def previous_control(self) -> bytes:
        """The control folder of the old name, of a package that was renamed."""
        return join(self.previous, b"control")

    def staged(self, member: bytes) -> bytes:
        """Return the folder of a member in the staged package."""
        return self.tree + self.package.member(member).removeprefix(self.package.path)

    def ticket(self, suffix: bytes) -> bytes:
        """Return the path of a ticket file, `suffix` being tar or zip, or of another file beside the package."""
        if suffix in self.beside:
            return join(self.package.parent, suffix)
        return self.package.path + b".ticket." + suffix

    def staged_ticket(self, suffix: bytes) -> bytes:
        """Return the path of a ticket file before it is published."""
        return ticket_in(self.staging, suffix)

    def previous_ticket(self, suffix: bytes) -> bytes:
        """Return the path of a ticket file that was replaced."""
        return ticket_in(self.previous, suffix)

    @property
    def tickets(self) -> tuple[bytes, ...]:
        """The suffixes of the ticket files, and the names of the other files beside the package."""
        return (*TICKET_SUFFIXES, *self.beside)

    @property
    def finished(self) -> bytes:
        """The path of the journal when the transaction is finished."""
        return b"/".join((self.package.control, b"finished", self.transaction.encode() + b".journal"))


def published_members(paths: TransactionPaths) -> list[bytes]:
    """Return the members that the transaction makes; their manifests are published."""
    if paths.publishing is Publishing.RENAME:
        return [member_of_manifest(name) for name in manifest_names(paths.package)]
    return [*paths.received] or [paths.member]


def published_folders(paths: TransactionPaths) -> dict[bytes, list[bytes]]:
    """Return the folders of the root above the members that the transaction makes, each with the names in it.

    Of a renaming only those of its first member.
    """
    members = paths.received or (paths.member,)
    return folders_above(paths.staged(member).removeprefix(paths.root)[1:] for member in members)


def ticket_in(folder: bytes, suffix: bytes) -> bytes:
    """Return the path of a ticket file in a folder of the control folder."""
    return join(folder, b"ticket." + suffix)


def journal_path(package: Package) -> bytes:
    """Return the path of the running transaction's journal."""
    return join(package.control, b"journal")


def staging_path(package: Package) -> bytes:
    """Return the folder of everything that is not visible yet."""
    return join(package.control, b"staging")


def fetched_path(package: Package) -> bytes:
    """Return the folder of the copies from elsewhere that a repair uses, until its transaction has ended."""
    return join(package.control, b"fetched")


def probe_paths(package: Package) -> tuple[bytes, bytes]:
    """Return the two folders that are exchanged to test for RENAME_EXCHANGE."""
    return join(package.control, b"probe.one"), join(package.control, b"probe.two")


def probe_folder(package: Package) -> bytes:
    """Return the folder of the disk probe."""
    return join(package.control, b"probe.disk")


def litter_paths(package: Package) -> tuple[bytes, ...]:
    """Return the paths that stopped runs may leave in the control folder beside a transaction."""
    return (
        *probe_paths(package),
        probe_folder(package),
        renaming_path(package) + TEMPORARY,
        journal_path(package) + TEMPORARY,
        package.plan + TEMPORARY,
        staging_path(package),
        fetched_path(package),
        fetched_path(package) + LOCK_SUFFIX,
    )


def lock_path(package: Package) -> bytes:
    """Return the path of the package lock."""
    return join(package.control, b"lock")


def renaming_path(package: Package) -> bytes:
    """Return the path of the file that names what the package is becoming; valid while the journal there agrees."""
    return join(package.control, b"renaming")


def choose_publishing(header: Header, *, can_exchange: bool) -> Publishing:
    """Return how a plan becomes visible; an empty folder is replaced, never appended to.

    A damaged member can make the package look like something else; what replaces it must not replace the others.
    """
    if header.append is Append.RENAME:
        return Publishing.RENAME
    if header.standing is DestinationKind.ABSENT:
        return Publishing.NEW
    is_of_a_member = header.standing is DestinationKind.FOREIGN and header.append in (Append.REPLACE, Append.REMOVE)
    if header.standing is not DestinationKind.PACKAGE and not is_of_a_member:
        return Publishing.EXCHANGE if can_exchange else Publishing.TWO_RENAMES
    match header.append:
        case Append.NOTHING:
            return Publishing.EXCHANGE if can_exchange else Publishing.TWO_RENAMES
        case Append.GROUP:
            return Publishing.GROUP
        case Append.MEMBER:
            return Publishing.MEMBER
        case Append.REPLACE:
            return Publishing.MEMBER_EXCHANGE if can_exchange else Publishing.MEMBER_TWO_RENAMES
        case Append.REMOVE:
            above = os.path.dirname(header.member)
            is_alone = all(os.path.dirname(member) != above for member, _ in header.staying)
            return Publishing.GROUP_REMOVAL if is_alone else Publishing.MEMBER_REMOVAL


def folder_above(header: Header) -> bytes:
    """Return the topmost folder of this member that none of those that stay is in, relative to the package.

    Empty for the folder in which the member is, and for the member itself.
    """
    folder = folder_of(header.member)
    alone = alone_above(folder, (folder_of(member) for member, _ in header.staying))
    return alone if header.staying and alone != os.path.dirname(folder) else b""


def transaction_paths(package: Package, begin: Begin) -> TransactionPaths:
    """Return the paths of the transaction that begins with this record."""
    return TransactionPaths(
        package,
        begin.transaction,
        begin.publishing,
        begin.member,
        begin.renamed_from,
        begin.above,
        begin.beside,
        begin.has_tickets,
        begin.received,
    )
