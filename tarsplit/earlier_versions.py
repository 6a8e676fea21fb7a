"""Earlier versions: which objects of a delivery are there from an earlier state, and what that has of this one.

An object keeps what was delivered. So a newer state of the package is added to it as its next version, if it is, byte
for byte, as the sidecar beside it says. The state file says of which version that is from the first moment on, and
then the sidecar: a run that goes on does not look for it again.
"""

from collections.abc import Iterator, Mapping

from qa2pack.manifest.bundle.ocfl_object import Inventory
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.path import join
from qa2pack.tarsplit.check import chunk_batches
from qa2pack.tarsplit.check_chunk import CheckBatch, check_chunk
from qa2pack.tarsplit.chunk_entries import shares
from qa2pack.tarsplit.growth import Growth
from qa2pack.tarsplit.naming import in_tar
from qa2pack.tarsplit.place.place import Place, PlaceError
from qa2pack.tarsplit.plan import Cut
from qa2pack.tarsplit.sidecar import open_sidecar
from qa2pack.tarsplit.state import EarlierVersion, State
from qa2pack.tarsplit.tree.object_shape import InventoryError, inventories, inventory_in


def find_growths(cut: Cut, place: Place, folder: bytes, state: State | None) -> dict[int, Growth]:
    """Return by number of the chunk what there is of objects to which a version is added.

    Args:
        folder: where the sidecar of the place is on this machine.
        state: of an earlier run of the same delivery; None if there is none.

    Raises:
        PlaceError: the place cannot be read.
    """
    delivered = _objects_of_sidecar(cut, place, folder)
    objects = {n: chunk.name for n, chunk in enumerate(cut.chunks) if chunk.made.form is DeliveryForm.OCFL}
    if state:
        begun = {n: earlier for n, earlier in state.earlier if n in objects and place.names(objects[n])}
        return {
            n: Growth(earlier, _stored(delivered.get(objects[n]), place, earlier)) for n, earlier in begun.items()
        }
    found = ((n, _grown(delivered[name], place)) for n, name in objects.items() if name in delivered)
    return {n: growth for n, growth in found if growth}


def _objects_of_sidecar(cut: Cut, place: Place, folder: bytes) -> dict[bytes, CheckBatch]:
    """Return the objects of the delivery that is complete here, by their names."""
    try:
        batches = chunk_batches(open_sidecar(join(folder, cut.header.name.manifest)), place)
    except (FileNotFoundError, StreamError):
        return {}
    return {batch.row.name: batch for batch in batches if batch.row.form is DeliveryForm.OCFL}


def _grown(batch: CheckBatch, place: Place) -> Growth | None:
    """Return what an object has, if it is as its sidecar says."""
    if check_chunk(batch).problems:
        return None
    head = inventory_in(place, batch.row.name)
    earlier = EarlierVersion(head.version, head.sha512)
    return Growth(earlier, dict(_contents(batch, head)))


def _stored(batch: CheckBatch | None, place: Place, earlier: EarlierVersion) -> dict[tuple[int, bytes], str]:
    """Return what an object had at a version, as far as the sidecar says that is there, of it or of the next one."""
    if batch is None:
        return {}
    try:
        before, head = inventories(place, batch.row.name, earlier)
    except (InventoryError, PlaceError):  # who writes it tells that
        return {}
    number = batch.row.earlier.version + 1 if batch.row.earlier else 1
    contents = _contents(batch, head.at(min(number, head.version)))
    return {content: sha512 for content, sha512 in contents if sha512 in before.contents}


def _contents(batch: CheckBatch, inventory: Inventory) -> Iterator[tuple[tuple[int, bytes], str]]:
    state: Mapping[bytes, str] = inventory.state()
    for share in shares(batch.part):
        record = share.record
        for index in share.files:
            if sha512 := state.get(in_tar(batch.project, join(record.path, record.names[index]))):
                yield (record.sizes[index], record.digest(index)), sha512
