"""Check a delivery, or a tree unpacked from one."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import unusable_manifest
from qa2pack.manifest.format.stream import StreamError, unhashed_stream
from qa2pack.manifest.fs.presence import is_file, is_folder, real_path
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.progress import Progress
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.target import Target, target_of
from qa2pack.tarsplit.check import check_delivery, compare_with_package, find_sidecars, verify_unpacked
from qa2pack.tarsplit.sidecar import KIND, Sidecar, kind_in_words, open_sidecar


@dataclass(frozen=True, slots=True)
class Checked:
    """Result of a check.

    Attributes:
        path: the folder that was checked.
        scope: what was read, as text.
    """

    command: str
    path: bytes
    problems: Sequence[Problem]
    scope: str


def check_deliveries(folder: str, package: str | None, workers: Workers) -> Checked:
    """Check every delivery in a folder, optionally against a package.

    Raises:
        Refused: there is no delivery in the folder, or it is a file.
        OSError: the folder does not exist.
    """
    path = real_path(os.fsencode(folder))
    if is_file(path):
        raise _file_for_folder(path)
    target = None if package is None else target_of(package)
    with started_engine(workers, (path,)) as engine:
        names = find_sidecars(path)
        if not names:
            raise Refused(Problem(Code.DELIVERY_MISSING, path))
        problems = [
            problem
            for name in names
            for problem in _delivery_problems(join(path, name), target, engine, workers.progress)
        ]
    scope = "1 delivery" if len(names) == 1 else f"{len(names)} deliveries"
    scope += "" if problems else ", every byte of every tar read"  # not true for a missing or short tar
    return Checked("tarsplit --check", path, problems, scope)


def check_unpacked(file: str, tree: str, workers: Workers) -> Checked:
    """Compare a tree that was unpacked from a delivery with the sidecar.

    Args:
        file: the sidecar, which came with the tars.
        tree: the folder of the unpacked package.

    Raises:
        StreamError: the file is damaged, or not a sidecar.
        Refused: the file is a folder.
    """
    path = real_path(os.fsencode(tree))
    manifest = os.path.abspath(os.fsencode(file))
    _check_is_file(manifest)
    sidecar = open_sidecar(manifest)
    with started_engine(workers, (path,)) as engine:
        problems = list(verify_unpacked(sidecar, path, engine=engine, progress=workers.progress))
    count = sum(row.file_count for row in sidecar.chunks)
    scope = counted(count, "file") + ("" if problems else ", all content compared")
    return Checked("verify", path, problems, scope)


def _delivery_problems(path: bytes, target: Target | None, engine: Engine, progress: Progress) -> Iterator[Problem]:
    try:
        sidecar = open_sidecar(path)
        if target is not None:
            _check_project(sidecar, target.package)
            yield from compare_with_package(sidecar, target.package, read_state(target.package), target.opened)
        yield from check_delivery(sidecar, engine=engine, progress=progress)
    except StreamError as error:
        yield unusable_manifest(error)


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
        raise Refused(Problem(Code.DELIVERY_OTHER, sidecar.stream.path, shown(package.project), shown(project)))
