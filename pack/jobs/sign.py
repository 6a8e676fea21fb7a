"""Sign: the work of signing the manifests of a package, under its lock.

It is a step of its own and no part of the transaction that makes a member. The last step of a transaction writes the
manifest again, with the ctimes that the removal of links left, so there is nothing to sign before; and a key that is
not at hand must not stop a transaction between commit and end. The step can be repeated: what is signed is left.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from qa2pack.executor.apply import Applied
from qa2pack.executor.io.disk import Disk, write_durably
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.fs.control_file import opened_control
from qa2pack.manifest.problem import Code, PackError, Problem
from qa2pack.manifest.signature.signature import NOBODY, Signature, Verifier, signature_name
from qa2pack.manifest.signature.ssh_keygen import check_key
from qa2pack.manifest.signature.ssh_keygen import sign as signature_of
from qa2pack.pack.jobs.change import check_name
from qa2pack.pack.jobs.control_folder import check_plannable, locked_control
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.members import Member, chosen_members, members_of, usable_manifest
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.target import Target


@dataclass(frozen=True, slots=True)
class SignedMember:
    """A member whose manifest is signed.

    Attributes:
        is_new: this run signed it; else a signature that fits was there.
    """

    member: bytes
    signature: Signature
    is_new: bool


@dataclass(frozen=True, slots=True)
class Signing:
    """Result of signing what an apply made.

    Attributes:
        members: those that are signed.
        problems: why they are not; the package is applied.
    """

    members: tuple[SignedMember, ...] = ()
    problems: tuple[Problem, ...] = ()


def sign(
    target: Target, key: bytes, workers: Workers, *, wanted: bytes = b"", is_replacing: bool = False
) -> list[SignedMember]:
    """Sign the manifests of all members, or of one, and return these members; they are on disk then.

    Args:
        key: file of the SSH key.
        wanted: name of the only member; empty for all.
        is_replacing: sign also what has a signature that fits, whoever's it is.

    Raises:
        Refused: the key cannot be used, or a manifest cannot; then none is signed.
        UnfinishedError: a transaction must be finished or rolled back first.
        LockedError: another process has locked the package.
    """
    package = target.package
    check_key(key)
    existing_package(target)
    check_owned(package, workers.trusted)
    with locked_control(package, workers.wait):
        check_owned(package, workers.trusted)
        check_plannable(package)
        state = existing_package(target)
        members = chosen_members(state, members_of(state, target.opened), wanted)
        for member in members:
            check_name(package, usable_manifest(member).header)
        with closing(Verifier(NOBODY)) as verifier:
            return list(_signed(package, members, key, verifier, is_replacing=is_replacing))


def sign_applied(applied: Applied, target: Target, key: bytes, workers: Workers) -> Signing:
    """Sign what an apply made, if it has no signature; a failure is a part of the result, as all else is done."""
    if applied.is_rolled_back or applied.is_removal:
        return Signing()
    try:
        wanted = b"" if applied.renamed_from else applied.member
        return Signing(tuple(sign(target, key, workers, wanted=wanted)))
    except PackError as error:
        return Signing(problems=error.problems)
    except OSError as error:
        path = os.fsencode(error.filename) if error.filename else target.package.path
        return Signing(problems=(Problem(Code.SYSTEM_ERROR, path, found=error.strerror or ""),))


def _signed(
    package: Package, members: list[Member], key: bytes, verifier: Verifier, *, is_replacing: bool
) -> Iterator[SignedMember]:
    for member in members:
        path = package.manifest(member.path)
        before, _ = verifier.look_at(path)
        if before.key and not is_replacing:
            yield SignedMember(member.path, before, is_new=False)
            continue
        with opened_control(path) as file:
            signature = signature_of(key, file)
        write_durably(Disk(), signature_name(path), signature)
        yield SignedMember(member.path, verifier.look_at(path)[0], is_new=True)
