"""Lock of a delivery in a folder of this machine, however the folder is named: by its path, or as `file:///FOLDER`.

It is held from before the first look at what is there until the last file of the run is removed. The sidecar that is
being written is locked as well, but only until it gets its name; and a store marks who sends, which a folder ignores.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from qa2pack.executor.transaction.lock import LockedError, check_is_lock, locked_temporarily
from qa2pack.manifest.fs.control_file import ControlFileError
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.tarsplit.naming import DeliveryName
from qa2pack.tarsplit.output_files import OutputBusyError, make_folder, sync_folder
from qa2pack.tarsplit.place.place import Place


def made_lock(name: DeliveryName, folder: bytes) -> bytes:
    """Return the path of the lock of a delivery, in its folder, which exists then.

    Raises:
        Refused: something else has its name.
    """
    make_folder(folder)
    path = join(folder, b".%s.lock" % name.stem)
    try:
        check_is_lock(path)
    except ControlFileError as error:
        raise Refused(Problem(Code.FOLDER_IN_THE_WAY, path, found=error.strerror or "")) from error
    return path


@contextmanager
def locked_delivery(name: DeliveryName, place: Place) -> Iterator[None]:
    """Hold the lock, and remove its file at the end; does nothing for a store elsewhere, which has no locks.

    Raises:
        OutputBusyError: another process writes this delivery.
        Refused: as `made_lock`.
    """
    folder = place.folder
    if not folder:
        yield
        return
    with ExitStack() as held:
        try:
            held.enter_context(locked_temporarily(made_lock(name, folder)))
        except LockedError as error:
            raise OutputBusyError(join(folder, name.manifest)) from error
        yield
    sync_folder(folder)  # a power cut would bring the file back
