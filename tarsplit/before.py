"""Before: what a place has of an earlier run of a delivery of the same name: the state file, and sidecars.

They are read once, by whoever writes the delivery.
"""

from collections.abc import Mapping, Set
from dataclasses import field

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_form import TREES, DeliveryForm
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.control_file import ControlFileError, read_control
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.path import join
from qa2pack.tarsplit.check import chunk_batches
from qa2pack.tarsplit.check_chunk import CheckBatch
from qa2pack.tarsplit.naming import PART, DeliveryName
from qa2pack.tarsplit.place.place import Place
from qa2pack.tarsplit.sidecar import Sidecar, open_sidecar
from qa2pack.tarsplit.state import MOST_BYTES, FinishedChunk, State, decode_state


@dataclass(frozen=True, slots=True)
class Before:
    """What a place has of an earlier run.

    Attributes:
        has_state: a run has not ended; its state file may be one that this program does not understand.
        state: of that run; None for none that is understood.
        completed: of the delivery that is complete, from its sidecar; None if there is none.
        trees: its trees, by their names.
        listed: names of all its chunks.
        begun: the trees that the run had begun, by their names; none where that is not known.
        begun_by: fingerprint of what that run delivers; empty where it is not known.
        signed_ns: when it was made to be signed; 0 if it was not.
    """

    has_state: bool
    state: State | None
    completed: State | None
    trees: dict[bytes, CheckBatch]
    listed: frozenset[bytes] = frozenset()
    begun: Mapping[bytes, CheckBatch] = field(default_factory=dict)
    begun_by: str = ""
    signed_ns: int = 0

    @property
    def is_known(self) -> bool:
        """Whether a run of this name was here."""
        return self.has_state or self.completed is not None

    @property
    def objects(self) -> dict[bytes, CheckBatch]:
        """Those of the trees that have versions."""
        return {name: batch for name, batch in self.trees.items() if batch.row.form is DeliveryForm.OCFL}

    @property
    def finished(self) -> dict[bytes, CheckBatch]:
        """What the trees are, without checksums of the whole, that a run has finished which did not end."""
        return {name: batch for name, batch in self.begun.items() if batch.row.form is not DeliveryForm.OCFL}

    def begun_by_another(self, fingerprint: str) -> Set[bytes]:
        """Return the names of the trees that a run of another delivery has begun since, but for objects, which grow.

        That run had removed what was there: also where the sidecar of this delivery stays, they are of that run.
        """
        return set() if self.begun_by == fingerprint else self.finished.keys()

    def of(self, fingerprint: str) -> State | None:
        """Return the state of an earlier run of the same delivery."""
        states = [state for state in (self.state, self.completed) if state]
        return next((state for state in states if state.fingerprint == fingerprint), None)

    def signed_ns_of(self, fingerprint: str) -> int:
        """Return when what is complete was made to be signed, if it is the same delivery, otherwise 0."""
        return self.signed_ns if self.completed and self.completed.fingerprint == fingerprint else 0

    def is_of_last_run(self, state: State) -> bool:
        """Return whether a state is of the run that was here last, and did not end.

        After any other one a run may have put its own files in place, and time has passed in which files are damaged.
        """
        return state is self.state


def read_before(name: DeliveryName, place: Place, folder: bytes) -> Before:
    """Read what there is.

    Args:
        folder: where the state file and the sidecar of the place are on this machine. Where none is renamed over, a
            stop may leave the state file under its other name.
    """
    sidecar = _sidecar(join(folder, name.manifest)) or _sidecar(join(folder, name.before))
    completed, trees = (_completed(sidecar), _trees(sidecar, place)) if sidecar else (None, {})
    listed, signed_ns = (frozenset(row.name for row in sidecar.chunks), sidecar.signed_ns) if sidecar else ((), 0)
    run = _sidecar(join(folder, name.begun))
    begun, begun_by = (_trees(run, place), run.fingerprint) if run else ({}, "")
    states = [path for path in (join(folder, name.state), join(folder, name.state + PART)) if is_there(path)]
    state = _state(states[0]) if states else None
    return Before(bool(states), state, completed, trees, frozenset(listed), begun, begun_by, signed_ns)


def _sidecar(path: bytes) -> Sidecar | None:
    try:
        return open_sidecar(path)
    except (FileNotFoundError, StreamError):
        return None


def _state(path: bytes) -> State | None:
    try:
        return decode_state(read_control(path, limit_bytes=MOST_BYTES))
    except (FileNotFoundError, ControlFileError):
        return None


def _completed(sidecar: Sidecar) -> State:
    chunks = (FinishedChunk(n, row.byte_count, row.xxh128, row.checksums) for n, row in enumerate(sidecar.chunks))
    earlier = ((n, row.earlier) for n, row in enumerate(sidecar.chunks) if row.earlier)
    return State(sidecar.fingerprint, tuple(chunks), tuple(earlier))


def _trees(sidecar: Sidecar, place: Place) -> dict[bytes, CheckBatch]:
    if not any(row.form in TREES for row in sidecar.chunks):
        return {}  # and no record is read
    try:
        return {batch.row.name: batch for batch in chunk_batches(sidecar, place) if batch.row.form in TREES}
    except StreamError:
        return {}
