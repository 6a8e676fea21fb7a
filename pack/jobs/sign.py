"""Sign: the work of signing the members of a package, under its lock.

What is signed of a member is a list of the sha256 of its manifest and of all its files, which are read for it.

It is a step of its own and no part of the transaction that makes a member. The last step of a transaction writes the
manifest again, with the ctimes that the removal of links left, so there is nothing to sign before; and a key that is
not at hand must not stop a transaction between commit and end. The step can be repeated: what is signed is left.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

from qa2pack.executor.apply import Applied
from qa2pack.executor.io.disk import Disk, sync_folder, write_durably
from qa2pack.executor.io.output_file import write_output
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.fs.control_file import opened_control
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.problem import Code, PackError, Problem
from qa2pack.manifest.signature.names import signed_names
from qa2pack.manifest.signature.signature import NOBODY, Verifier
from qa2pack.manifest.signature.ssh_keygen import check_key
from qa2pack.manifest.signature.ssh_keygen import sign as signature_of_file
from qa2pack.manifest.verify.signatures import signature_of
from qa2pack.manifest.verify.sum_list import read_sum_list
from qa2pack.pack.jobs.change import check_name
from qa2pack.pack.jobs.control_folder import check_plannable, locked_control
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.jobs.members import chosen_members, members_of, usable_manifest
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.jobs.signing import SignedMember, Signing
from qa2pack.pack.target import Target


def sign(
    target: Target, key: bytes, workers: Workers, *, wanted: bytes = b"", is_replacing: bool = False
) -> list[SignedMember]:
    """Sign all members, or one, and return these members; the signatures are on disk then.

    Each member that is signed is read once, all of them before the first is signed.

    Args:
        key: file of the SSH key.
        wanted: name of the only member; empty for all.
        is_replacing: sign also what has a signature that fits, whoever's it is.

    Raises:
        Refused: the key cannot be used, or a manifest cannot, or files are not as it says; then none is signed.
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
        return _signed(target, [member.path for member in members], key, workers, is_replacing=is_replacing)


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
    target: Target, members: Sequence[bytes], key: bytes, workers: Workers, *, is_replacing: bool
) -> list[SignedMember]:
    package = target.package
    with closing(Verifier(NOBODY)) as verifier:
        found = {member: signature_of(package, member, OpenedFiles(), verifier) for member in members}
        lists = dict(_lists(target, [each for each in members if is_replacing or not found[each].sums], workers))
        for member, lines in lists.items():
            _sign_list(package.manifest(member), lines, key)
            found[member] = signature_of(package, member, OpenedFiles(), verifier)
    return [SignedMember(member, found[member].signed.signature, is_new=member in lists) for member in members]


def _lists(target: Target, members: Sequence[bytes], workers: Workers) -> Iterator[tuple[bytes, Iterator[bytes]]]:
    """Read these members, and yield the lines that are signed of each."""
    package, opened = target.package, target.opened
    with started_engine(workers, (package.path,)) as engine:
        for member in members:
            manifest = opened.manifest_of(member, package.manifest(member))
            yield member, read_sum_list(package, manifest, engine=engine, progress=workers.progress)


def _sign_list(manifest: bytes, lines: Iterable[bytes], key: bytes) -> None:
    """Write the list of a member and its signature; stopped anywhere, there is no signature of another list."""
    disk = Disk()
    signature, path = signed_names(manifest)
    if is_there(signature):
        disk.unlink(signature)
        sync_folder(disk, os.path.dirname(path))
    write_output(disk, path, lines, is_replacing=True)
    with opened_control(path) as file:
        armored = signature_of_file(key, file)
    write_durably(disk, signature, armored)
