"""Copies of files in deliveries, from which a package is repaired: folders with a sidecar, and stores."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.manifest.path import is_address, join
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.signature.signature import Signed, Trust, Verifier, signature_problems
from qa2pack.pack.jobs.signed_sidecar import look_at_sidecar, signed_sidecar
from qa2pack.tarsplit.check import find_sidecars
from qa2pack.tarsplit.extract import Wanted, extract
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


def is_delivery(place: bytes) -> bool:
    """Return whether a place is that of a delivery: the address of a store, or a folder with a sidecar."""
    return is_address(os.fsdecode(place)) or (is_folder(place) and bool(find_sidecars(place)))


@contextmanager
def opened_deliveries(paths: Iterable[bytes], trust: Trust) -> Iterator[Sequence[DeliveredCopy]]:
    """Yield the deliveries in these places; they can be read until the block ends.

    Raises:
        Refused: a store cannot be used, or a signature is not as it is wanted.
        KeygenMissingError: there is no ssh-keygen, and known signers are wanted.
        StoreError: a store does not answer.
    """
    with closing(Verifier(trust)) as verifier, ExitStack() as copies:
        found = {path: list(_opened(place_at(path), verifier, copies)) for path in paths}
        opened = [each for deliveries in found.values() for each in deliveries]
        wrong = [problem for each in opened for problem in _problems(each, trust)]
        if trust.is_required:
            wrong += [Problem(Code.SIGNATURE_MISSING, path) for path, deliveries in found.items() if not deliveries]
        if wrong:
            raise Refused(*wrong)
        yield opened


def _opened(place: Place, verifier: Verifier, copies: ExitStack) -> Iterator[DeliveredCopy]:
    place.check()
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
    deliveries: Iterable[DeliveredCopy], wanted: Wanted, folder: bytes
) -> Iterator[tuple[bytes, bytes]]:
    """Write the files with these contents that the deliveries have into a folder; reads nothing else of the tars.

    Yields the path of each, and where its tar is.

    Args:
        wanted: what is written is taken out of it.

    Raises:
        StoreError: a store does not answer.
        OSError: the folder cannot be written.
    """
    for each in deliveries:
        if not wanted:
            return
        with suppress(StreamError):  # it contradicts itself
            yield from extract(each.sidecar, each.place, wanted, folder)
