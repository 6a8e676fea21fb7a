"""Find a delivery: the path of its sidecar, which is named by itself or by the folder that it is in."""

import os
from dataclasses import replace

from qa2pack.manifest.fs.presence import is_folder, is_there, real_path
from qa2pack.manifest.path import is_address, join
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.tarsplit.place.find import place_at

_SIDECAR = b".manifest"


def find_sidecar(delivery: bytes, project: bytes = b"", options: str = "") -> bytes:
    """Return the path of the sidecar of a delivery, given by itself or by its folder.

    Args:
        project: whose sidecars are named where there are several; empty for all.
        options: that a command which is advised repeats.

    Raises:
        Refused: there is none, or there are several.
    """
    if is_address(os.fsdecode(delivery)):
        address = delivery.rstrip(b"/")
        return address if address.endswith(_SIDECAR) else _only_sidecar(address, project, options)
    path = real_path(delivery)
    if not is_folder(path):
        if path.endswith(b".tar"):
            folder = Remedy("Name the folder that it is in:", ("pack receive PATH PACKAGE",), os.path.dirname(path))
            raise Refused(Problem(Code.DELIVERY_MISSING, path, "the folder of the tars", "a tar"), remedies=(folder,))
        if not is_there(path):
            raise Refused(Problem(Code.DELIVERY_MISSING, path))
        return path
    return _only_sidecar(path, project, options)


def _only_sidecar(path: bytes, project: bytes, options: str) -> bytes:
    """Return the path of the only sidecar that there is in a place.

    Raises:
        Refused: there is none, or there are several.
    """
    place = place_at(path)
    place.check()
    names = [name for name in place.names() if name.endswith(_SIDECAR)]
    if not names:
        raise Refused(Problem(Code.DELIVERY_MISSING, path))
    if len(names) > 1:
        names = [name for name in names if name.startswith((project + b"_", project + _SIDECAR))] or names
        one = (Remedy("", (f"pack receive PATH PACKAGE{options}",), join(path, name)) for name in names)
        first, *others = one
        remedies = (replace(first, text="Name one after the other:"), *others)
        raise Refused(*(Problem(Code.DELIVERY_SEVERAL, join(path, name)) for name in names), remedies=remedies)
    return join(path, names[0])
