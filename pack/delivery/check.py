"""Check a delivery, or a tree unpacked from one."""

import os
from collections.abc import Sequence
from contextlib import closing

from qa2pack.manifest.alma.member_ids import member_at
from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import unusable_manifest
from qa2pack.manifest.format.stream import StreamError, unhashed_stream
from qa2pack.manifest.fs.presence import is_file, is_folder, real_path
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import is_address, join, shown
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.signature.signature import Signed, Trust, Verifier, signature_problems
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.jobs.signed_sidecar import look_at_sidecar, signed_sidecar
from qa2pack.pack.target import Target, target_of
from qa2pack.tarsplit.check import check_delivery, compare_with_package, find_sidecars, verify_unpacked
from qa2pack.tarsplit.naming import is_beside_chunks
from qa2pack.tarsplit.place.find import place_at
from qa2pack.tarsplit.place.place import Place
from qa2pack.tarsplit.sidecar import KIND, Sidecar, kind_in_words, open_sidecar

_GO_ON = Remedy("The delivery was stopped, or is being written: give the command that makes it again.")


@dataclass(frozen=True, slots=True)
class Checked:
    """Result of a check.

    Attributes:
        path: the folder that was checked.
        scope: what was read, as text.
        signatures: one for each sidecar.
        not_delivered: members of the package that is compared which are in none of the deliveries.
    """

    command: str
    path: bytes
    problems: Sequence[Problem]
    scope: str
    signatures: Sequence[Signed] = ()
    not_delivered: Sequence[bytes] = ()


def check_deliveries(folder: str, package: str | None, workers: Workers, trust: Trust) -> Checked:
    """Check every delivery in a folder, optionally against a package.

    Args:
        folder: its path, or the address of a store.

    Raises:
        Refused: there is no delivery in the folder, or it is a file; or known signers cannot be looked for.
        OSError: the folder does not exist.
    """
    place = place_at(os.fsencode(folder) if is_address(folder) else real_path(os.fsencode(folder)))
    if is_file(place.path):
        raise _file_for_folder(place.path)
    place.check()
    target = None if package is None else target_of(package)
    signatures: list[Signed] = []
    with (
        closing(Verifier(trust)) as verifier,
        place.local(is_beside_chunks) as beside,
        started_engine(workers, (beside,), reads=(beside,)) as engine,
    ):
        names = find_sidecars(beside)
        if not names:
            raise _none_there(place)
        problems: list[Problem] = []
        nouns, delivered = set(), set[bytes]()
        for name in names:
            signed, sidecar, found = _check_one(join(beside, name), place, target, verifier, engine, workers)
            signatures.append(signed)
            nouns.add(sidecar.noun if sidecar else "tar")
            delivered |= {member_at(source) for _, source in sidecar.header.members} if sidecar else set()
            problems += [*signature_problems(signed, trust), *found]
        members = read_state(target.package).members if target else ()
    scope = "1 delivery" if len(names) == 1 else f"{len(names)} deliveries"
    scope += "" if problems else f", every byte of every {min(nouns)} read"  # not true for a missing or short tar
    others = sorted(set(members) - delivered)
    return Checked("tarsplit --check", place.path, problems, scope, signatures, others)


def _none_there(place: Place) -> Refused:
    """Return the refusal of a place without a sidecar, which comes last when a delivery is made."""
    if states := [name for name in place.names() if name.endswith(b".state")]:
        paths = (join(place.path, name) for name in states)
        problems = (
            Problem(Code.DELIVERY_MISSING, path, "a finished delivery", "one that was begun") for path in paths
        )
        return Refused(*problems, remedies=(_GO_ON,))
    return Refused(Problem(Code.DELIVERY_MISSING, place.path))


def check_unpacked(file: str, tree: str, workers: Workers, trust: Trust) -> Checked:
    """Compare a tree that was unpacked from a delivery with the sidecar.

    Args:
        file: the sidecar, which came with the tars.
        tree: the folder of the unpacked package.

    Raises:
        StreamError: the file is damaged, or not a sidecar.
        Refused: the file is a folder; or known signers cannot be looked for.
    """
    path = real_path(os.fsencode(tree))
    manifest = os.path.abspath(os.fsencode(file))
    _check_is_file(manifest)
    with closing(Verifier(trust)) as verifier, started_engine(workers, (path,), reads=(path,)) as engine:
        signature, read_from = verifier.look_at(manifest)
        sidecar = open_sidecar(manifest, read_from=read_from)
        signed = signed_sidecar(sidecar, signature)
        problems = list(signature_problems(signed, trust))
        problems += verify_unpacked(sidecar, path, engine=engine, progress=workers.progress)
    scope = counted(sidecar.file_count, "file") + ("" if problems else ", all content compared")
    return Checked("verify", path, problems, scope, (signed,))


def _check_one(
    path: bytes, place: Place, target: Target | None, verifier: Verifier, engine: Engine, workers: Workers
) -> tuple[Signed, Sidecar | None, list[Problem]]:
    """Check one delivery by its sidecar, as it was when its signature was checked; None if that cannot be used."""
    signature, read_from = look_at_sidecar(path, verifier, is_cluster=bool(workers.cluster))
    signed = Signed(os.path.basename(path), signature)
    problems: list[Problem] = []
    sidecar = None
    try:
        sidecar = open_sidecar(path, read_from=read_from)
        signed = signed_sidecar(sidecar, signature)
        if target is not None:
            _check_project(sidecar, target.package)
            problems += compare_with_package(sidecar, target.package, read_state(target.package), target.opened)
        problems += check_delivery(sidecar, place, engine=engine, progress=workers.progress)
    except StreamError as error:
        problems.append(unusable_manifest(error, path))
    return signed, sidecar, problems


def _file_for_folder(path: bytes) -> Refused:
    """Return the refusal of a file where the folder of the tars is expected; it says what the file is."""
    try:
        what = kind_in_words(unhashed_stream(path).header)
    except StreamError:
        what = "a file"
    problem = Problem(Code.DELIVERY_MISSING, path, "the folder of the tars", what)
    folder = Remedy("Name the folder that it is in:", ("tarsplit --check PATH",), os.path.dirname(path))
    is_of_delivery = what == kind_in_words({"kind": KIND}) or path.endswith(b".tar")
    return Refused(problem, remedies=(folder,) if is_of_delivery else ())


def _check_is_file(path: bytes) -> None:
    if is_folder(path):
        names = find_sidecars(path)
        command = ("pack verify PACKAGE --manifest PATH",)
        remedies = tuple(Remedy("Name the file:", command, join(path, name)) for name in names[:1])
        raise Refused(Problem(Code.NOT_A_DELIVERY_MANIFEST, path, found="a folder"), remedies=remedies)


def _check_project(sidecar: Sidecar, package: Package) -> None:
    """Refuse to compare a delivery with a package of another project: every folder would differ."""
    project = sidecar.header.project
    if project != package.project:
        raise Refused(Problem(Code.DELIVERY_OTHER, sidecar.path, shown(package.project), shown(project)))
