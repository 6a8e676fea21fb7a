"""What is in the way of a delivery: it has one of its names, and is not known to be of it. Changes nothing.

A layout may call a set as anything else is called, and people put files into folders that they were given. So what a
delivery removes or takes a name from must be what the sidecar or the state file here says that it is. All else is
refused where it is, before anything is changed.
"""

import os
from collections.abc import Callable, Container, Iterable, Iterator, Set
from contextlib import suppress

from qa2pack.manifest.bundle.ocfl_object import OBJECT_INVENTORY
from qa2pack.manifest.format.stream import MAGIC, StreamError
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.path import is_within, join, path_in, shown
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.tarsplit.before import Before
from qa2pack.tarsplit.check import find_sidecars
from qa2pack.tarsplit.check_chunk import CheckBatch, check_chunk
from qa2pack.tarsplit.naming import PART, DeliveryName, chunk_of
from qa2pack.tarsplit.place.place import A_FILE, A_FOLDER, Place, PlaceError
from qa2pack.tarsplit.sidecar import NotADeliveryError, open_sidecar
from qa2pack.tarsplit.tree.compare import others_in
from qa2pack.tarsplit.tree.object_shape import InventoryError

_MOST_NAMED = 3  # other deliveries
_ELSEWHERE = Remedy(
    "Not even --replace removes it. Choose another place with --output or --to. If several deliveries are to be in "
    "one, give the files of the sets names of their own in the layout, as by {date}. Or look what it is, and move it "
    "away."
)


def check_kinds(place: Place, names: Iterable[bytes], kept: Container[bytes], trees: Container[bytes]) -> None:
    """Refuse symlinks, pipes and the like, which no delivery writes; a store has none.

    So is a folder in place of a file, or a file in place of a folder, where it would be kept.

    Args:
        kept: those of the names that are not removed.
        trees: names of the folders of the delivery.
    """
    if place.goes_on:
        return
    found = [(name, place.seen(name)) for name in names]
    wrong = [
        Problem(Code.FOLDER_IN_THE_WAY, join(place.path, name), found=seen.kind)
        for name, seen in found
        if seen
        and (
            seen.kind not in (A_FILE, A_FOLDER)
            or (name in kept and (seen.kind == A_FOLDER) is not (name.removesuffix(PART) in trees))
        )
    ]
    if wrong:
        raise Refused(*wrong)


def check_sidecar_part(place: Place, name: DeliveryName, folder: bytes, fd: int) -> None:
    """Refuse a file with the name of the unfinished sidecar that no run has begun, as a browser leaves it.

    A run that was killed in its first moments left nothing else: then the file begins as a sidecar does.

    Args:
        folder: where the files of the place are on this machine.
        fd: of the file.

    Raises:
        Refused: as it says.
    """
    known = (name.manifest, name.before, name.state, name.state + PART)
    if not MAGIC.startswith(os.pread(fd, len(MAGIC), 0)) and not any(is_there(join(folder, each)) for each in known):
        raise Refused(Problem(Code.FOLDER_IN_THE_WAY, join(place.path, name.manifest + PART), found=A_FILE))


def listed_in(place: Place, names: Set[bytes], *, but: bytes = b"") -> dict[bytes, bytes]:
    """Return which of these names a sidecar in the place lists, and that; all, where one is damaged that may do so.

    Args:
        but: name of a sidecar that is not asked.
    """
    listed: dict[bytes, bytes] = {}
    with place.local(lambda each: each.endswith(b".manifest")) as folder:
        for sidecar in find_sidecars(folder):
            if sidecar == but:
                continue
            try:
                rows = open_sidecar(join(folder, sidecar)).chunks
            except NotADeliveryError:
                continue
            except StreamError:
                return dict.fromkeys(names, sidecar)
            listed |= dict.fromkeys({row.name for row in rows} & names, sidecar)
    return listed


def check_of_no_other(place: Place, name: DeliveryName, files: Iterable[bytes], before: Before) -> None:
    """Refuse to remove, or write over, files that are of another delivery, whose sets may have the same names.

    Where the sidecar of this one is there, and no run was stopped since, only what it lists is of it. Otherwise it is
    what no other sidecar lists.

    Args:
        files: with a name of this delivery.

    Raises:
        Refused: as it says.
    """
    if not name.files:  # the names of its tars begin with that of the sidecar
        return
    chunks = {file: chunk_of(file) for file in files if not name.is_of_sidecar(file)}
    doubtful = {*chunks.values()} - before.listed
    if not doubtful:
        return
    others = listed_in(place, doubtful, but=name.manifest)
    is_all_listed = before.completed is not None and not before.has_state
    foreign = {file: chunk for file, chunk in chunks.items() if chunk in (doubtful if is_all_listed else others)}
    if foreign:
        problems = (
            Problem(Code.FOLDER_IN_THE_WAY, join(place.path, file), found=_whose(others.get(chunk, b"")))
            for file, chunk in foreign.items()
        )
        raise Refused(*problems, remedies=(_ELSEWHERE,))


def _whose(sidecar: bytes) -> str:
    return f"a file, of {shown(sidecar)}" if sidecar else A_FILE


def check_removed(
    place: Place,
    name: DeliveryName,
    removed: Iterable[bytes],
    before: Before,
    unfinished: Callable[[bytes], CheckBatch | None],
    *,
    is_replacing: bool,
) -> None:
    """Refuse to remove what this delivery is not known to have written.

    An unfinished file is of it if a run of this delivery was here, and so is a file where it would have a tree. A
    complete tree must be as the sidecar says, or what the run that finished it has written about it, but for what is
    missing. An unfinished tree has to have only names that the run which began it would give it, or that it would
    get now, where nothing says what it had got; it is removed only to be replaced. In a store it has its final name
    from the beginning. An object has the history of what was delivered: it grows or is in the way, whatever is
    missing in it.

    Args:
        unfinished: returns what the tree of this name is to become; None where that is not known.

    Raises:
        Refused: as it says.
    """
    for entry in removed:
        path = join(place.path, entry)
        bare = entry.removesuffix(PART)
        if not _is_folder(place, entry):
            is_other = bare not in (name.state, name.sender) if bare != entry else unfinished(entry) is not None
            if is_other and not before.is_known:
                raise Refused(Problem(Code.FOLDER_IN_THE_WAY, path, found=A_FILE))
        elif entry in before.objects:
            tree = before.objects[entry]
            _refuse(place, [each.path for each in check_chunk(tree).problems] or [entry])
        elif known := _told_of(place, entry, before):
            _refuse(place, _of_none(known))
        elif before.is_known if bare != entry else place.goes_on and before.has_state:
            if not is_replacing:
                raise Refused(Problem(Code.DELIVERY_IN_THE_WAY, path))
            batch = before.begun.get(bare) or unfinished(bare)
            _refuse(place, _others_of_unfinished(batch, entry) if batch else [entry])
        else:
            raise Refused(Problem(Code.FOLDER_IN_THE_WAY, path, found=A_FOLDER + _perhaps_of(place, name, before)))


def _told_of(place: Place, tree: bytes, before: Before) -> list[CheckBatch]:
    """Return what a complete tree may be: what the last run was to make of it, or what the sidecar says.

    In a store it has its name from the beginning: nothing tells that what was begun there is complete.
    """
    begun = before.finished.get(tree)
    if begun and place.goes_on:
        return []
    return [each for each in (begun, before.trees.get(tree)) if each]


def _of_none(known: Iterable[CheckBatch]) -> list[bytes]:
    """Return the paths in a tree of what is not of it; none if it is all of one of what it may be."""
    found = list[list[bytes]]()
    for each in known:
        paths = foreign_paths(each, check_chunk(each).problems)
        if not paths:
            return []
        found.append(paths)
    return min(found, key=len)  # of what it is most likely


def _perhaps_of(place: Place, name: DeliveryName, before: Before) -> str:
    """Return in words whose a folder may be: of this delivery with a damaged sidecar, or of others of the project."""
    there = place.names()
    if name.manifest in there and before.completed is None:
        return f"; {shown(name.manifest)}, which would tell of it, is damaged"
    known = (each for each in there if each.endswith((b".manifest", b".state")) and not name.owns(each))
    found = [shown(each) for each in known if each.startswith(name.project + b"_")]
    return f", perhaps of {' or '.join(found[:_MOST_NAMED])}" if found else ""


def foreign_paths(batch: CheckBatch, problems: Iterable[Problem]) -> list[bytes]:
    """Return the paths in a tree with a problem that is more than that something is missing.

    The tree itself is one of them only where its checksums are known.
    """
    row = batch.row
    paths = (each.path for each in problems if each.code is not Code.MISSING and is_within(each.path, row.name))
    return [path for path in paths if row.xxh128 or path != row.name]


def in_the_way(place: Place, paths: Iterable[bytes]) -> list[Problem]:
    """Return a problem for each of these paths, which are relative to the place."""
    return [Problem(Code.FOLDER_IN_THE_WAY, join(place.path, path)) for path in paths]


def _refuse(place: Place, paths: Iterable[bytes]) -> None:
    if problems := in_the_way(place, paths):
        raise Refused(*problems)


def _others_of_unfinished(batch: CheckBatch, tree: bytes) -> Iterator[bytes]:
    """Yield the paths of what has no name of the tree that was begun.

    Args:
        tree: what it is called now.
    """
    place = batch.place
    try:
        shape = batch.shape(is_made=False)
        is_complete = tree == batch.row.name and place.seen(join(tree, OBJECT_INVENTORY)) is not None
    except InventoryError:
        is_complete = True
    if is_complete:  # an object gets its inventory last
        yield tree
        return

    def names(folder: bytes) -> list[bytes]:
        return place.names(path_in(tree, folder))

    passing = PART if place.goes_on else b""  # there each file has another name until all of it is there
    yield from (join(tree, other) for other in others_in(names, batch.part, shape, passing=passing))


def _is_folder(place: Place, name: bytes) -> bool:
    """Return whether something is in a folder of this name; a symlink is none."""
    with suppress(PlaceError):
        return bool(place.names(name))
    return False
