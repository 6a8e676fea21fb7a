import errno
import os
from contextlib import AbstractContextManager

import pytest

from qa2pack.executor.preflight import check_going
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.files import open_manifest
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.fs.safe_open import opened_beneath
from qa2pack.manifest.plan import extra_files
from qa2pack.manifest.plan.extra_files import differences_in_member
from qa2pack.manifest.problem import Code, Refused
from support.in_process import Delivery, write

MTIME_NS = 1_338_552_001_987_654_321
SECOND_NS = 10**9


@pytest.fixture
def copied(delivery: Delivery) -> Delivery:
    """A package of copies; one of them has this mtime in the manifest."""
    return packaged_with(delivery, MTIME_NS)


def packaged_with(delivery: Delivery, mtime_ns: int) -> Delivery:
    os.utime(delivery.origin / "scriptForImaging.py", ns=(mtime_ns, mtime_ns))
    delivery.make(Mode.COPY)
    return delivery


def differing(delivery: Delivery, mtime_ns: int) -> list[bytes]:
    """Return the files that differ from the manifest after the file got another mtime."""
    os.utime(delivery.member / "script/scriptForImaging.py", ns=(mtime_ns, mtime_ns))
    manifest = open_manifest(delivery.package.manifest(b"group_ouss_id/member_ouss_id"))
    return [os.path.basename(problem.path) for problem in differences_in_member(delivery.package, manifest)]


@pytest.mark.parametrize("unit_ns", [1, 100, 10**7, SECOND_NS, 2 * SECOND_NS])
def test_mtime_that_the_file_system_cuts_is_no_difference(copied: Delivery, unit_ns: int) -> None:
    assert differing(copied, MTIME_NS - MTIME_NS % unit_ns) == []


LIMITS_S = (-(1 << 31), 0, (1 << 31) - 1, (1 << 32) - 1)
EARLY_NS, LATE_NS = -3_000_000_000 * SECOND_NS + 5, 5_000_000_000 * SECOND_NS + 5


@pytest.mark.parametrize(
    ("mtime_ns", "limit_s"),
    [*((EARLY_NS, limit) for limit in LIMITS_S[:2]), *((LATE_NS, limit) for limit in LIMITS_S[2:])],
)
def test_mtime_that_the_file_system_limits_is_no_difference(delivery: Delivery, mtime_ns: int, limit_s: int) -> None:
    assert differing(packaged_with(delivery, mtime_ns), limit_s * SECOND_NS) == []


@pytest.mark.parametrize("limit_s", LIMITS_S)
def test_mtime_within_the_limits_that_becomes_one_is_a_difference(copied: Delivery, limit_s: int) -> None:
    assert differing(copied, limit_s * SECOND_NS) == [b"scriptForImaging.py"]


@pytest.mark.parametrize("mtime_ns", [MTIME_NS + 1, MTIME_NS - 3 * SECOND_NS, MTIME_NS + SECOND_NS])
def test_any_other_mtime_is_a_difference(copied: Delivery, mtime_ns: int) -> None:
    assert differing(copied, mtime_ns) == [b"scriptForImaging.py"]


def test_link_in_the_place_of_a_file_is_a_difference(copied: Delivery) -> None:
    listing = copied.member / "qa/X8c.checklist.txt"
    listing.unlink()
    listing.symlink_to("/etc/hostname")
    assert differing(copied, MTIME_NS) == [b"X8c.checklist.txt"]


def test_folder_that_may_not_be_looked_into_hides_no_others(
    copied: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = write(copied.member / "script/mine", b"mine")

    def refusing(root: bytes, path: bytes) -> AbstractContextManager[int]:
        if path == b"calibration":
            raise error
        return opened_beneath(root, path)

    monkeypatch.setattr(extra_files, "opened_beneath", refusing)
    manifest = open_manifest(copied.package.manifest(b"group_ouss_id/member_ouss_id"))
    error: OSError = PermissionError(errno.EACCES, "Permission denied")
    found = [(problem.code, problem.path) for problem in differences_in_member(copied.package, manifest)]
    folder = os.fsencode(copied.member / "calibration")
    assert found == [(Code.UNREADABLE, folder), (Code.EXTRA, os.fsencode(mine))]
    with pytest.raises(Refused) as caught:
        check_going(copied.package, copied.plan(Mode.COPY), OpenedFiles())
    assert [(problem.code, problem.path) for problem in caught.value.problems] == [(Code.UNREADABLE, folder)]
    error = OSError(errno.EMFILE, "Too many open files")
    with pytest.raises(OSError, match="Too many open files"):
        list(differences_in_member(copied.package, manifest))
