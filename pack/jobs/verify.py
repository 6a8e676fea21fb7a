"""Verify: the work of comparing a package with its manifests, with engine and lock set up."""

from collections.abc import Mapping, Sequence

from qa2pack.executor.stop_signals import Stop
from qa2pack.executor.tickets.check import check_tickets
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.signature.signature import Signed, Verifier, signature_problems
from qa2pack.manifest.verify.package import NO_SUMS, verify_package
from qa2pack.manifest.verify.signatures import signatures_of
from qa2pack.manifest.verify.sum_list import SumList
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.jobs.read import held


@dataclass(frozen=True, slots=True)
class Verified:
    """Result of a verify.

    Attributes:
        problems: all problems and warnings; a package with warnings only is good.
        signatures: one for each manifest; none where they were not looked at.
    """

    problems: Sequence[Problem]
    signatures: Sequence[Signed] = ()


def verify(
    package: Package,
    workers: Workers,
    opened: OpenedFiles,
    *,
    is_quick: bool,
    sums: Mapping[bytes, SumList] = NO_SUMS,
    stop: Stop | None = None,
) -> list[Problem]:
    """Return all problems and warnings; a package with warnings only is good. Signatures are not looked at.

    Args:
        sums: by member, the list that was signed.
        stop: as for `started_engine`.

    Raises:
        UnfinishedError: a transaction stopped while publishing.
        LockedError: another process is changing the package.
    """
    with held(package), started_engine(workers, (package.path,), reads=(package.path,), stop=stop) as engine:
        progress = workers.progress
        found = list(verify_package(package, opened, is_quick=is_quick, engine=engine, progress=progress, sums=sums))
        return [*found, *check_tickets(package, opened, is_quick=is_quick)]


def verify_signed(
    package: Package,
    workers: Workers,
    opened: OpenedFiles,
    verifier: Verifier,
    *,
    is_quick: bool,
    stop: Stop | None = None,
) -> Verified:
    """Check the signatures of the manifests, then compare the package with the manifests that were checked.

    Args:
        verifier: is closed when `opened` is not needed any more.
        stop: as for `started_engine`.

    Raises:
        KeygenMissingError: there is no ssh-keygen, and known signers are wanted.
        UnfinishedError, LockedError: as `verify`.
    """
    with held(package):
        members = signatures_of(package, opened, verifier)
        signatures = [member.signed for member in members]
        wrong = [problem for signed in signatures for problem in signature_problems(signed, verifier.trust)]
        sums = {member.member: member.sums for member in members if member.sums}
        return Verified(
            [*wrong, *verify(package, workers, opened, is_quick=is_quick, sums=sums, stop=stop)], signatures
        )
