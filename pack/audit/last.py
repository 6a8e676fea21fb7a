"""The last audit of one package, as the catalogue has it. No catalogue is made here."""

import errno

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.presence import is_file
from qa2pack.manifest.fs.scratch import DISK_FULL
from qa2pack.manifest.problem import Refused
from qa2pack.pack.audit.catalogue import opened_catalogue
from qa2pack.pack.audit.facts import facts_of, look_of
from qa2pack.pack.audit.page import STANDING_WORDS
from qa2pack.pack.audit.shelved import Shelved, Standing
from qa2pack.pack.named_path import path_problem


@dataclass(frozen=True, slots=True)
class LastAudit:
    """What the catalogue says of a package that it has.

    Attributes:
        catalogue: path of it.
        standing: GOOD, PROBLEMS or FAILED; UNVERIFIED if no result holds for the package as it is now.
        verified_ns: when all of it was compared last; None if it never was since it came or was changed.
    """

    catalogue: bytes
    standing: Standing
    verified_ns: int | None = None
    problem_count: int = 0

    @property
    def words(self) -> str:
        """What came of it."""
        return STANDING_WORDS[self.standing]


# HOME may be that of another user, or on a disk that is full or mounted read-only; then no catalogue can be used.
_HOME_UNUSABLE = (errno.EACCES, errno.EPERM, errno.EROFS, *DISK_FULL)


def last_audit(package: Package, catalogue: bytes, *, is_wanted: bool) -> LastAudit | None:
    """Return the last audit of a package; None if it is not in the catalogue, or there is none that may be used.

    Args:
        is_wanted: the user has named the catalogue, so it must be there.

    Raises:
        Refused: it is not there though it was named, or cannot be used.
        OSError: it, or the control folder, cannot be read.
    """
    try:
        return _last_audit(package, catalogue, is_wanted=is_wanted)
    except OSError as error:
        if is_wanted or error.errno not in _HOME_UNUSABLE:
            raise
        return None


def _last_audit(package: Package, catalogue: bytes, *, is_wanted: bool) -> LastAudit | None:
    if not is_file(catalogue):
        if is_wanted:
            raise Refused(path_problem(catalogue, "a catalogue of pack audit"))
        return None
    with opened_catalogue(catalogue) as opened:
        shelved = opened.at(package.path)
    if shelved is None:
        return None
    if shelved.result is None or not _is_as_looked_at(package, shelved):
        return LastAudit(catalogue, Standing.UNVERIFIED)
    return LastAudit(catalogue, Standing(shelved.result), shelved.verified_ns, shelved.problem_count)


def _is_as_looked_at(package: Package, shelved: Shelved) -> bool:
    """Return whether the package has the manifests that it had; the same ones may have been copied back."""
    return look_of(package) == shelved.looked or facts_of(package).identity == shelved.identity
