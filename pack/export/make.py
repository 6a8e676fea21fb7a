"""Write an export of a package."""

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.output_file import write_output
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.fs.presence import is_folder, is_there
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.quantity import Name
from qa2pack.manifest.verify.checksum_lists import ALGORITHMS, read_sums, spooled, xxhsum_lines
from qa2pack.pack.export.bag import bagged
from qa2pack.pack.export.json_lines import json_lines
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.jobs.members import Member, check_delivered_whole, chosen_members, members_of, usable_manifest
from qa2pack.pack.jobs.read import existing_package, held
from qa2pack.pack.protected_paths import folder_missing, folder_of, protected_place
from qa2pack.pack.target import Target
from qa2pack.pack.views.lost_members import lost_notes
from qa2pack.pack.views.view import Listing

_ENDINGS = {"xxhsum": b".xxh128", "md5sum": b".md5", "sha256sum": b".sha256", "json": b".jsonl"}

_REPLACE = Remedy("Name another place with -o, or give --replace")


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Options of `pack export`.

    Attributes:
        output: a file, a folder for several lists, or the bag; None is stdout.
        member: name of the only member to export; empty for all.
        is_replacing: an existing file may be replaced.
    """

    formats: tuple[str, ...]
    output: bytes | None
    member: bytes
    is_replacing: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list, or the bag, goes."""

    format: str
    path: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """An export that was written.

    Attributes:
        file_count: how many files each list names.
        lost: of other members, which have a manifest and no folder.
    """

    places: Sequence[Place]
    file_count: int
    lost: Sequence[Problem] = ()


def write_export(target: Target, wanted: ExportOptions, workers: Workers) -> Written | Listing:
    """Write the export, or return the list for stdout if there is no output; that holds a lock until it is closed.

    Raises:
        Refused: the package cannot be exported like that, or the place is not free; nothing was made.
        Refused: files differ from the manifests; nothing was made.
    """
    state = existing_package(target)
    check_delivered_whole(target.package, state, target.opened, wanted.member)
    lost = tuple(state.lost.values())
    with ExitStack() as stack:
        stack.enter_context(held(target.package))
        members = chosen_members(state, members_of(state, target.opened), wanted.member)
        manifests = _manifests(members, wanted)
        places = _places(target.package, wanted)
        if wanted.formats == ("bagit",):
            bagged(target.package, manifests, places[0].path, workers)
            lists: list[Iterable[bytes]] = []
        else:
            lists = _lists(target.package, manifests, wanted.formats, workers)
        if wanted.output is None:
            return Listing(lists[0], stack.pop_all().close, tuple(lost_notes(lost)))
        for place, lines in zip(places, lists, strict=False):
            write_output(Disk(), place.path, lines, is_replacing=wanted.is_replacing)
    return Written(places, sum(manifest.notes.file_count for manifest in manifests), lost)


def _manifests(members: Sequence[Member], wanted: ExportOptions) -> list[Described]:
    """Return the manifests of members after checking that all can be exported in these formats."""
    manifests = [usable_manifest(member) for member in members]
    for header in (manifest.header for manifest in manifests):
        if not header.mode.has_content and wanted.formats != ("json",):
            raise Refused(Problem(Code.PLACEHOLDERS, header.member, found=Name(header.mode, "the mode")))
    return manifests


def _places(package: Package, wanted: ExportOptions) -> list[Place]:
    if wanted.output is None:
        return []
    output = os.path.join(folder_of(wanted.output), os.path.basename(os.path.abspath(wanted.output)))
    is_into = is_folder(output) and wanted.formats != ("bagit",)
    if len(wanted.formats) > 1 and not is_into:
        raise folder_missing(output)
    places = [
        Place(form, os.path.join(output, package.project + _ENDINGS[form]) if is_into else output)
        for form in wanted.formats
    ]
    for place in places:
        if kept := protected_place(place.path, package):
            raise Refused(Problem(Code.OUTPUT_PROTECTED, place.path, found=f"a place in {kept}"))
        _check_free(place, wanted)
    return places


def _check_free(place: Place, wanted: ExportOptions) -> None:
    if not is_folder(os.path.dirname(place.path)):
        folder = os.path.dirname(place.path)
        raise folder_missing(folder)
    is_file = is_there(place.path) and not is_folder(place.path)
    if is_there(place.path) and not (is_file and wanted.is_replacing and place.format != "bagit"):
        can_replace = (_REPLACE,) if is_file and place.format != "bagit" else ()
        raise Refused(Problem(Code.OUTPUT_EXISTS, place.path), remedies=can_replace)


def _lists(
    package: Package, manifests: Sequence[Described], formats: Sequence[str], workers: Workers
) -> list[Iterable[bytes]]:
    """Return the lines of each list; all files are read here, before anything is written."""
    read = [form for form in formats if form in ALGORITHMS]
    spools = {}
    if read:
        with started_engine(workers) as engine:
            spools = read_sums(
                package,
                manifests,
                [ALGORITHMS[form] for form in read],
                engine=engine,
                progress=workers.progress,
            )
    lists: list[Iterable[bytes]] = []
    for form in formats:
        match form:
            case "xxhsum":
                lists.append(xxhsum_lines(package, manifests))
            case "json":
                lists.append(json_lines(package, manifests))
            case _:
                lists.append(spooled(spools[ALGORITHMS[form]]))
    return lists
