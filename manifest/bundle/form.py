"""tmp"""

from collections.abc import Iterable
from enum import StrEnum

from qa2pack.manifest.bundle.entry import BundleEntry

SUFFIXES = (".tar", ".tgz", ".tar.gz", ".gz")


class Form(StrEnum):
    TAR = "tar"
    TGZ = "tgz"
    GZ = "gz"


def form_of(path: bytes) -> Form | None:
    if path.endswith((b".tgz", b".tar.gz")):
        return Form.TGZ
    if path.endswith(b".gz"):
        return Form.GZ
    if path.endswith(b".tar"):
        return Form.TAR
    return None


def largest_bytes(form: Form, entries: Iterable[BundleEntry]) -> int:
    n = sum(3000 + e.size for e in entries) + 20480
    return n + n // 100 + 100
