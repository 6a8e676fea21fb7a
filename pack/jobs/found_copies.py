"""Found copies: from where a repair can have each file that is not as packaged, and what it makes itself.

Searched are, in this order: folders with other copies and the origin; deliveries; copies in stores; bundles of the
origin out of which files were taken. A bundle of the package is written again from the files of the origin. What the
program made of its own it makes again.
"""

import os
from collections.abc import Container, Iterator, Mapping, Sequence, Set
from dataclasses import replace

from qa2pack.manifest.actions import Action
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import BundleTask
from qa2pack.manifest.format.record import NO_DIGEST, Entry
from qa2pack.manifest.path import is_address
from qa2pack.manifest.plan.copy_search import CopySearch, Sums
from qa2pack.manifest.plan.rebuild import Repair, Source
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.table_lock import is_table_lock
from qa2pack.pack.jobs.delivered_copies import DeliveredCopy, extract_plain, extract_wanted
from qa2pack.pack.jobs.fetched import Fetched
from qa2pack.pack.jobs.origin_bundles import bundles_to_write, take_out
from qa2pack.tarsplit.content_copy import target_of
from qa2pack.tarsplit.extract import Tell


@dataclass(frozen=True, slots=True)
class Places:
    """Where copies are searched.

    Attributes:
        delivered: what deliveries there are in each, by path as it was given; none: it has files as they are.
    """

    delivered: Mapping[bytes, Sequence[DeliveredCopy]]

    @property
    def typed(self) -> list[bytes]:
        """All, as they were given."""
        return [*self.delivered]

    @property
    def plain(self) -> list[bytes]:
        """Those with files as they are."""
        return [path for path, deliveries in self.delivered.items() if not deliveries]

    @property
    def folders(self) -> list[bytes]:
        """Those of the plain ones that are on this machine."""
        return [path for path in self.plain if not is_address(os.fsdecode(path))]

    @property
    def stores(self) -> list[bytes]:
        """The other plain ones."""
        return [path for path in self.plain if is_address(os.fsdecode(path))]

    @property
    def deliveries(self) -> list[DeliveredCopy]:
        """All deliveries."""
        return [each for deliveries in self.delivered.values() for each in deliveries]


@dataclass(frozen=True, slots=True)
class Found:
    """From where a repair has what is not as packaged.

    Attributes:
        sources: by path in the member, the file with the content of each.
        containers: by path of a copy that was fetched, the tar or bundle that it was in.
        bundles: those that are written again from the files of the origin.
        made: paths in the member of the files and folders that the program makes itself.
        lost: what cannot be had.
        unread: what could not be read of the deliveries, paths absolute.
    """

    sources: Mapping[bytes, Source]
    containers: Mapping[bytes, bytes]
    bundles: Sequence[BundleTask]
    made: Set[bytes]
    lost: Sequence[Entry]
    unread: Sequence[Problem] = ()

    @property
    def written(self) -> set[bytes]:
        """The paths in the member of the bundles that are written again."""
        return {task.path for task in self.bundles}

    def places(self, origin: bytes) -> dict[bytes, bytes]:
        """Return by path in the member where each is taken from; empty for what the program makes itself."""
        return {
            **dict.fromkeys(self.made, b""),
            **dict.fromkeys(self.written, origin),
            **{path: self.containers.get(source.path, source.path) for path, source in self.sources.items()},
        }

    def how(self, *, removes_extra: bool) -> Repair:
        """Return what the plan of the repair does."""
        lost = {entry.path for entry in self.lost}
        return Repair(self.sources, lost, removes_extra, self.made | self.written, self.bundles)

    def with_late(self, late: Set[bytes], wanted: Sequence[Entry]) -> "Found":
        """Return it with what becomes of the texts that are made last of what the member has then.

        With damaged files they would have the digests of these; of bundles that are written again they have others.

        Args:
            late: the paths of all such texts of the member.
            wanted: what is not as packaged.
        """
        if self.lost:
            made_late = [entry for entry in wanted if entry.path in self.made & late]
            return replace(self, lost=[*self.lost, *made_late], made=self.made - late)
        return replace(self, made=self.made | late) if self.bundles else self


def find_copies(
    package: Package,
    manifest: Described,
    wanted: Sequence[Entry],
    made: Set[bytes],
    places: Places,
    fetched: Fetched,
    sums: Sums,
) -> Found:
    """Find each of the wanted files of a member that the program does not make itself.

    Args:
        made: paths of those that it makes.
        sums: the sha256 that copies must have, besides their digest.

    Raises:
        StoreError: a store does not answer.
        LockedError: another repair of the package fetches copies.
        OSError: what is fetched cannot be written.
    """
    searched = [entry for entry in wanted if entry.path not in made]
    sources = CopySearch(package, manifest, places.folders, sums).sources(searched)
    missing = [entry for entry in searched if entry.path not in sources]
    unread: list[Problem] = []
    containers = dict(_from_elsewhere(manifest, missing, sums, places, fetched, unread.append))
    containers |= dict(take_out(manifest, missing, fetched))
    if containers:
        sources |= CopySearch(package, manifest, (fetched.path,), sums).sources(missing) | dict(
            _locks(missing, containers, fetched)
        )
    bundles = bundles_to_write(manifest, {entry.path for entry in missing} - sources.keys())
    had = sources.keys() | {task.path for task in bundles}
    return Found(sources, containers, bundles, made, [entry for entry in searched if entry.path not in had], unread)


def _locks(
    missing: Sequence[Entry], fetched_paths: Container[bytes], fetched: Fetched
) -> Iterator[tuple[bytes, Source]]:
    """Yield the copies of table locks, which are known by their number of rows and not by a digest."""
    for entry in missing:
        if is_table_lock(entry.path) and entry.digest != NO_DIGEST:
            path = target_of(fetched.path, (entry.size, entry.digest))
            if path in fetched_paths:
                yield entry.path, Source(path, Action.COPY, entry.state)


def _from_elsewhere(
    manifest: Described, missing: Sequence[Entry], sums: Sums, places: Places, fetched: Fetched, tell: Tell
) -> Iterator[tuple[bytes, bytes]]:
    """Write those of the files that deliveries and stores have into a folder; yield the path of each, and its tar.

    Of one that is in no tar it is the address.
    """
    entries = [entry for entry in missing if entry.digest != NO_DIGEST]
    wanted = {(entry.size, entry.digest): sums.get(entry.path, b"") for entry in entries}
    if wanted and places.deliveries:
        yield from extract_wanted(places.deliveries, wanted, fetched.path, tell)
    for address in places.stores:
        if wanted:
            yield from extract_plain(address, manifest.header, entries, wanted, fetched.path)
