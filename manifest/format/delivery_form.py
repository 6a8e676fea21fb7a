"""Delivery form: what the files of a delivery set are made into, and which suffix its name has. Pure."""

from collections.abc import Sequence
from enum import StrEnum


class DeliveryForm(StrEnum):
    """What a delivery set becomes."""

    TAR = "tar"
    TGZ = "tgz"
    ZIP = "zip"
    FILE = "file"  # the one file that is selected, as it is
    FOLDER = "folder"  # the files as they are, in a folder
    BAG = "bag"  # the same, as a BagIt bag
    OCFL = "ocfl"  # the same, as an object of the Oxford Common File Layout


# Those whose files may go into several parts.
WITH_PARTS = frozenset({DeliveryForm.TAR, DeliveryForm.TGZ})
# Those that are folders: each file of the package is a file in them.
TREES = frozenset({DeliveryForm.FOLDER, DeliveryForm.BAG, DeliveryForm.OCFL})
_IN_A_BAG = ("md5", "sha256")  # what programs that check bags know

_SUFFIXES = {
    DeliveryForm.TAR: (b".tar",),
    DeliveryForm.TGZ: (b".tgz", b".tar.gz"),
    DeliveryForm.ZIP: (b".zip",),
}


def fits_form(name: bytes, form: DeliveryForm) -> bool:
    """Return whether a file of this form may be called so; one as it is may have any name."""
    return form not in _SUFFIXES or name.endswith(_SUFFIXES[form])


def suffixes_in_words(form: DeliveryForm) -> str:
    """Return the suffixes of a form, `.tgz or .tar.gz`; empty where it needs none."""
    return " or ".join(suffix.decode() for suffix in _SUFFIXES.get(form, ()))


def usual_form(name: bytes) -> DeliveryForm:
    """Return the form of a set that says none."""
    return DeliveryForm.TAR if fits_form(name, DeliveryForm.TAR) else DeliveryForm.FILE


def called_as(name: bytes) -> DeliveryForm | None:
    """Return the form of containers that are called so; None if none is."""
    return next((form for form in _SUFFIXES if fits_form(name, form)), None)


def own_checksums(form: DeliveryForm, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the checksums that a form has, where these are wanted."""
    match form:
        case DeliveryForm.BAG:
            return tuple(name for name in _IN_A_BAG if name in (*wanted, "sha256"))
        case DeliveryForm.OCFL:
            return ("sha512",)
        case _:
            return tuple(wanted)
