"""Where the things of one transaction stand: staging, target, and what was there before."""

import os
from dataclasses import dataclass

from qa2pack.executor.io.disk import TEMPORARY
from qa2pack.executor.transaction.journal import Begin, Publishing
from qa2pack.manifest.alma.member_ids import SCIENCE_GOAL, Append
from qa2pack.manifest.alma.package import DestinationKind, Package
from qa2pack.manifest.path import join


@dataclass(frozen=True, slots=True)
class TransactionPaths:
    """The paths of one transaction; says nothing of what exists.

    Attributes:
        transaction: its name.
        group, member: names of the new member's folders.
    """

    package: Package
    transaction: str
    publishing: Publishing
    group: bytes
    member: bytes

    @property
    def staging(self) -> bytes:
        """Everything that is not visible yet."""
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
        """The manifests as they will be, all of them."""
        return join(self.staging, b"manifests")

    @property
    def staged_member(self) -> bytes:
        """The member in the staged package."""
        return b"/".join((self.tree, SCIENCE_GOAL, self.group, self.member))

    @property
    def root(self) -> bytes:
        """The folder in staging that is renamed to become visible."""
        match self.publishing:
            case Publishing.MEMBER:
                return self.staged_member
            case Publishing.GROUP:
                return os.path.dirname(self.staged_member)
            case Publishing.NEW | Publishing.EXCHANGE | Publishing.TWO_RENAMES:
                return self.tree

    @property
    def target(self) -> bytes:
        """Where the renamed folder becomes visible."""
        return self.package.path + self.root.removeprefix(self.tree)

    @property
    def previous(self) -> bytes:
        """What the transaction replaced."""
        return b"/".join((self.package.control, b"previous", self.transaction.encode()))

    @property
    def previous_tree(self) -> bytes:
        """The package that was replaced."""
        return join(self.previous, b"tree")

    @property
    def previous_manifests(self) -> bytes:
        """The manifests that were replaced."""
        return join(self.previous, b"manifests")

    def ticket(self, suffix: bytes) -> bytes:
        """Return the path of a ticket file, `suffix` being tar or zip."""
        return self.package.path + b".ticket." + suffix

    def staged_ticket(self, suffix: bytes) -> bytes:
        """Return the path of a ticket file before it is published."""
        return ticket_in(self.staging, suffix)

    def previous_ticket(self, suffix: bytes) -> bytes:
        """Return the path of a ticket file that was replaced."""
        return ticket_in(self.previous, suffix)

    @property
    def finished(self) -> bytes:
        """The journal when all is done."""
        return b"/".join((self.package.control, b"finished", self.transaction.encode() + b".journal"))


def ticket_in(folder: bytes, suffix: bytes) -> bytes:
    """Return the path of a ticket file in a folder of the control folder."""
    return join(folder, b"ticket." + suffix)


def journal_path(package: Package) -> bytes:
    """Return the path of the running transaction's journal."""
    return join(package.control, b"journal")


def staging_path(package: Package) -> bytes:
    """Return the folder of everything that is not visible yet."""
    return join(package.control, b"staging")


def probe_paths(package: Package) -> tuple[bytes, bytes]:
    """Return the two folders that are exchanged to see whether the file system can."""
    return join(package.control, b"probe.one"), join(package.control, b"probe.two")


def probe_folder(package: Package) -> bytes:
    """Return the folder in which it is tried out what the disk can do."""
    return join(package.control, b"probe.disk")


def litter_paths(package: Package) -> tuple[bytes, ...]:
    """Return what runs that were stopped may leave in the control folder beside a transaction."""
    return (
        *probe_paths(package),
        probe_folder(package),
        journal_path(package) + TEMPORARY,
        package.plan + TEMPORARY,
        staging_path(package),
    )


def lock_path(package: Package) -> bytes:
    """Return the path of the package's lock."""
    return join(package.control, b"lock")


def choose_publishing(append: Append, standing: DestinationKind, *, can_exchange: bool) -> Publishing:
    """Return how a member becomes visible where things stand so; in an empty folder there is nothing to append to."""
    if standing is DestinationKind.ABSENT:
        return Publishing.NEW
    if append is Append.NOTHING or standing is not DestinationKind.PACKAGE:
        return Publishing.EXCHANGE if can_exchange else Publishing.TWO_RENAMES
    return Publishing.GROUP if append is Append.GROUP else Publishing.MEMBER


def transaction_paths(package: Package, begin: Begin) -> TransactionPaths:
    """Return where the things of the transaction stand that begins so."""
    return TransactionPaths(package, begin.transaction, begin.publishing, begin.group, begin.member)
