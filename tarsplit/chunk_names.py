"""Names of the chunks of a delivery: each is of one chunk alone, and of nothing that is written beside them. Pure."""

from collections.abc import Iterable, Iterator

from qa2pack.manifest.format.delivery_row import MOST_NAME_BYTES, is_of_delivery
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.tarsplit.sidecar import DeliverySet


def check_chunk_names(chunks: Iterable[tuple[bytes, DeliverySet]]) -> None:
    """Check the names of the chunks of sets before anything is written.

    Raises:
        Refused: one is of several chunks, or that of a file that the delivery has besides, or too long.
    """
    found: dict[bytes, list[str]] = {}
    for name, each in chunks:
        of_member = f" of {shown(each.member)}" if each.member else ""
        found.setdefault(name, []).append(f"{each.row.name}{of_member}")
    if problems := [problem for name in sorted(found) for problem in _problems(name, found[name])]:
        raise Refused(*problems)


def _problems(name: bytes, sets: list[str]) -> Iterator[Problem]:
    of_sets = ", ".join(sets)
    if len(sets) > 1:
        yield Problem(Code.DELIVERY_SETS_MERGE, name, "a name for one set alone", of_sets)
    if is_of_delivery(name):
        yield Problem(Code.DELIVERY_SETS_MERGE, name, "a name that ends otherwise", of_sets)
    if len(name) > MOST_NAME_BYTES:
        yield Problem(Code.DELIVERY_SETS_MERGE, name, counted(MOST_NAME_BYTES, "byte"), counted(len(name), "byte"))
