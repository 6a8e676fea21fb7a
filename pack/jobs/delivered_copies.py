"""Copies of files in deliveries and in stores, from which a package is repaired.

A place with the sidecar of a delivery is one of deliveries. Any other place has files as they are: a folder is
searched by `manifest.plan.copy_search`, a store here.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.format.record import Entry
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.manifest.path import is_address, join
from qa2pack.manifest.plan.copy_search import paths_in_copy
from qa2pack.manifest.problem import Code, Problem, refuse_any
from qa2pack.manifest.signature.signature import Signed, Trust, Verifier, signature_problems
from qa2pack.pack.jobs.signed_sidecar import look_at_sidecar, signed_sidecar
from qa2pack.pack.named_path import path_problem
from qa2pack.tarsplit import plain_copy
from qa2pack.tarsplit.check import find_sidecars
from qa2pack.tarsplit.content_copy import Located, Wanted
from qa2pack.tarsplit.extract import Tell, extract
from qa2pack.tarsplit.naming import is_beside_chunks
from qa2pack.tarsplit.place.find import place_at
from qa2pack.tarsplit.place.place import Place
from qa2pack.tarsplit.sidecar import Sidecar, open_sidecar


@dataclass(frozen=True, slots=True)
class DeliveredCopy:
    """A delivery, by its sidecar as it was when its signature was checked.

    Attributes:
        place: where its chunks are.
    """

    place: Place
    sidecar: Sidecar
    signed: Signed


@contextmanager
def opened_deliveries(paths: Iterable[bytes], trust: Trust) -> Iterator[Mapping[bytes, Sequence[DeliveredCopy]]]:
    """Yield by path what deliveries there are in each of these places; they can be read until the block ends.

    Raises:
        Refused: a place is not there, a store cannot be used, or a signature is not as it is wanted.
        KeygenMissingError: there is no ssh-keygen, and known signers are wanted.
        StoreError: a store does not answer.
    """
    with closing(Verifier(trust)) as verifier, ExitStack() as copies:
        places = {path: place_at(path) for path in paths}
        refuse_any([problem for place in places.values() for problem in _missing(place)])
        found = {path: list(_opened(place, verifier, copies)) for path, place in places.items()}
        refuse_any([problem for opened in found.values() for each in opened for problem in _problems(each, trust)])
        yield found


def _missing(place: Place) -> Iterator[Problem]:
    """Yield a problem if there is no such folder; one of a store without anything in it is not there."""
    place.check()
    if is_address(os.fsdecode(place.path)):
        if not place.names():
            yield Problem(Code.COPIES_MISSING, place.path)
    elif not is_folder(place.path):
        yield path_problem(place.path, "a folder with a delivery")


def _opened(place: Place, verifier: Verifier, copies: ExitStack) -> Iterator[DeliveredCopy]:
    beside = copies.enter_context(place.local(is_beside_chunks))
    for name in find_sidecars(beside):
        with suppress(StreamError):  # a manifest of something else, or a damaged one: nothing is had by it
            path = join(beside, name)
            signature, read_from = look_at_sidecar(path, verifier, is_cluster=False)
            sidecar = open_sidecar(path, read_from=read_from)
            yield DeliveredCopy(place, sidecar, signed_sidecar(sidecar, signature))


def _problems(delivery: DeliveredCopy, trust: Trust) -> Iterator[Problem]:
    for problem in signature_problems(delivery.signed, trust):
        yield replace(problem, path=join(delivery.place.path, problem.path))


def extract_wanted(
    deliveries: Iterable[DeliveredCopy], wanted: Wanted, folder: bytes, tell: Tell
) -> Iterator[tuple[bytes, bytes]]:
    """Write the files with these contents that the deliveries have into a folder; reads nothing else of the tars.

    Yields the path of each, and where its tar is.

    Args:
        wanted: what is written is taken out of it.
        tell: called with what could not be read.

    Raises:
        StoreError: a store does not answer.
        OSError: the folder cannot be written.
    """
    for each in deliveries:
        if not wanted:
            return
        with suppress(StreamError):  # it contradicts itself
            yield from extract(each.sidecar, each.place, wanted, folder, tell)


def extract_plain(
    address: bytes, header: Header, entries: Sequence[Entry], wanted: Wanted, folder: bytes
) -> Iterator[tuple[bytes, bytes]]:
    """Do as `extract_wanted` with a store that has a package, or a part of it, as it is.

    Args:
        header: of the member that the entries are of.
    """
    from qa2pack.tarsplit.place.store import Store  # what it imports takes long

    expected = [
        Located(path, (entry.size, entry.digest), entry.state.mtime_ns)
        for entry in entries
        for path in paths_in_copy(header, entry)
    ]
    return plain_copy.extract_plain(Store(os.fsdecode(address)), expected, wanted, folder)
