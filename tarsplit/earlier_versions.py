"""Earlier versions: which objects of a delivery are there from an earlier state, and what that has of this one.

An object keeps what was delivered. So a newer state of the package is added to it as its next version, if it is, byte
for byte, as the sidecar beside it says. The state file says of which version that is from the first moment on, and
then the sidecar: a run that goes on does not look for it again. Where none goes on, because the package is another
one by now, the version that was begun is removed. An object of which no sidecar tells, because its member was removed
for a while, goes on from what its own inventory says.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress

from qa2pack.manifest.bundle.ocfl_object import Inventory, object_files, version_folder
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.path import join
from qa2pack.tarsplit.before import Before
from qa2pack.tarsplit.check_chunk import CheckBatch, check_chunk
from qa2pack.tarsplit.chunk_entries import shares
from qa2pack.tarsplit.growth import Growth
from qa2pack.tarsplit.in_the_way import listed_in
from qa2pack.tarsplit.naming import PART, in_tar
from qa2pack.tarsplit.place.place import Place, PlaceError
from qa2pack.tarsplit.plan import Cut
from qa2pack.tarsplit.state import EarlierVersion, State, encode_state
from qa2pack.tarsplit.tree.object_shape import InventoryError, inventories, inventory_in
from qa2pack.tarsplit.tree.whole_object import whole_object
from qa2pack.tarsplit.tree.writer import BESIDE_MODE


def remove_begun_versions(cut: Cut, before: Before, place: Place, fingerprint: str) -> None:
    """Make objects what the sidecar says, to which a stopped run of another delivery was adding a version.

    It was a run of this name with another state of the package, so nobody will go on with it. Who calls this again
    after a stop removes the rest, as long as the state file of that run is there.

    Args:
        fingerprint: of the delivery that is written now.

    Raises:
        OSError, PlaceError: the place cannot be written.
    """
    state = before.state
    if state is None or state.fingerprint == fingerprint:
        return
    if found := list(_begun(cut, before, place, [earlier for _, earlier in state.earlier])):
        # Should that run go on after all, nothing of it is as it was.
        place.write(cut.header.name.state, encode_state(State(state.fingerprint, earlier=state.earlier)))
    for name, head, number in found:
        _remove_next(place, name, head, number)


def _begun(
    cut: Cut, before: Before, place: Place, earlier: Sequence[EarlierVersion]
) -> Iterator[tuple[bytes, Inventory, int]]:
    """Yield name, inventory and delivered version of the objects to which a version was being added."""
    begun = {name: [batch.row.version] for name, batch in before.objects.items()}
    others = [each.version for each in earlier]
    for name in {*begun, *_objects(cut).values()}:
        with suppress(InventoryError, PlaceError):  # what is there is none of ours, and in the way
            head = inventory_in(place, name)
            for number in begun.get(name, others):
                if head.version >= number and EarlierVersion(number, head.at(number).sha512) in earlier:
                    yield name, head, number
                    break


def _remove_next(place: Place, name: bytes, head: Inventory, number: int) -> None:
    """Bring back the inventories of a version, and remove the next one."""
    *_, inventory, checksum = object_files(head.at(number))
    if head.version > number:
        tree = place.next_version(name)
        tree.enter(b"")
        for path, text in (inventory, checksum):
            with tree.upload(path, len(text), mode=BESIDE_MODE, mtime_ns=None) as upload:
                upload.write(text)
                upload.finish()
        tree.finish()
    begun = version_folder(number + 1)
    beside = [join(name + PART, path) for path in (begun, inventory[0], checksum[0])]
    on_their_way = [join(name, path + PART) for path in (inventory[0], checksum[0])] if place.goes_on else []
    place.remove([join(name, begun), *on_their_way, *(beside if place.names(name + PART) else ())])


def find_growths(
    cut: Cut, place: Place, before: Before, state: State | None, *, whole: Container[int]
) -> dict[int, Growth]:
    """Return by number of the chunk what there is of objects to which a version is added.

    Args:
        state: of an earlier run of the same delivery; None if there is none.
        whole: numbers of those that are what is to be delivered.

    Raises:
        PlaceError: the place cannot be read.
    """
    delivered = before.objects
    objects = {n: name for n, name in _objects(cut).items() if n not in whole}
    if state:
        begun = {n: earlier for n, earlier in state.earlier if n in objects and place.names(objects[n])}
        return {
            n: Growth(earlier, _stored(delivered.get(objects[n]), place, earlier)) for n, earlier in begun.items()
        }
    unlisted = {name for name in objects.values() if name not in delivered and place.names(name)}
    unlisted -= listed_in(place, unlisted).keys() if unlisted else set()
    found = {n: _grown(delivered[name], place) for n, name in objects.items() if name in delivered}
    found |= {n: _unlisted(place, name, cut.header.project) for n, name in objects.items() if name in unlisted}
    return {n: growth for n, growth in found.items() if growth}


def _objects(cut: Cut) -> dict[int, bytes]:
    return {n: chunk.name for n, chunk in enumerate(cut.chunks) if chunk.made.form is DeliveryForm.OCFL}


def _unlisted(place: Place, name: bytes, project: bytes) -> Growth | None:
    """Return what an object has of which no sidecar tells, if it is whole.

    Args:
        project: that it has to be of.
    """
    whole = whole_object(place, name)
    if whole is None or not all(path.startswith(project + b"/") for path in whole.head.state()):
        return None
    return Growth(EarlierVersion(whole.head.version, whole.head.sha512), dict(whole.stored))


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
    contents = _contents(batch, head.at(min(batch.row.version, head.version)))
    return {content: sha512 for content, sha512 in contents if sha512 in before.contents}


def _contents(batch: CheckBatch, inventory: Inventory) -> Iterator[tuple[tuple[int, bytes], str]]:
    state: Mapping[bytes, str] = inventory.state()
    for share in shares(batch.part):
        record = share.record
        for index in share.files:
            if sha512 := state.get(in_tar(batch.project, join(record.path, record.names[index]))):
                yield (record.sizes[index], record.digest(index)), sha512
