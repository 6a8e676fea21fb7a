"""Write an export of a package, and print its path and how to check it."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.output_file import write_output
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.fs.presence import is_folder, is_there
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.export.bag import bagged
from qa2pack.pack.export.checksum_lists import ALGORITHMS, read_sums, spooled, xxhsum_lines
from qa2pack.pack.export.json_lines import json_lines
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.members import Member, chosen_members, members_of, usable_manifest
from qa2pack.pack.jobs.read import existing_package, held, working
from qa2pack.pack.jobs.workers import RunOptions, shown_workers
from qa2pack.pack.protected_paths import folder_missing, folder_of, protected_place
from qa2pack.pack.target import quoted
from qa2pack.pack.terminal.style import Style, style_for
from qa2pack.pack.views.json_fields import path_fields, print_fields

_ENDINGS = {"xxhsum": b".xxh128", "md5sum": b".md5", "sha256sum": b".sha256", "json": b".jsonl"}
_CHECKS = {
    "xxhsum": "xxhsum -c {}",
    "md5sum": "md5sum -c {}",
    "sha256sum": "sha256sum -c {}",
    "bagit": "bagit.py --validate {}",
}

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
class _Written:
    format: str
    path: bytes


def write_export(attempt: Attempt, wanted: ExportOptions, run_options: RunOptions) -> Exit:
    """Write the export; a list without an output file goes to stdout, otherwise the paths are printed there."""
    target = attempt.target
    state = existing_package(target)
    with held(target.package):
        members = chosen_members(members_of(state, target.opened), wanted.member)
        manifests = _manifests(members, wanted)
        places = _places(target.package, wanted)
        with shown_workers(run_options) as workers:
            if wanted.formats == ("bagit",):
                bagged(target.package, manifests, places[0].path, workers)
                lists: list[Iterable[bytes]] = []
            else:
                lists = _lists(target.package, manifests, wanted.formats, workers)
        if wanted.output is None:
            _print_list(lists[0])
            return Exit.DONE
        for place, lines in zip(places, lists, strict=False):
            write_output(Disk(), place.path, lines, is_replacing=wanted.is_replacing)
    _print_written(attempt, places, manifests, is_json=run_options.is_json)
    return Exit.DONE


def _manifests(members: Sequence[Member], wanted: ExportOptions) -> list[Described]:
    """Return the manifests of members after checking that all can be exported in these formats."""
    manifests = [usable_manifest(member) for member in members]
    for header in (manifest.header for manifest in manifests):
        if header.mode in (Mode.FAKE, Mode.TICKET) and wanted.formats != ("json",):
            raise Refused(Problem(Code.PLACEHOLDERS, header.member_path, found=f"the mode {header.mode}"))
    return manifests


def _places(package: Package, wanted: ExportOptions) -> list[_Written]:
    if wanted.output is None:
        return []
    output = os.path.join(folder_of(wanted.output), os.path.basename(os.path.abspath(wanted.output)))
    is_into = is_folder(output) and wanted.formats != ("bagit",)
    if len(wanted.formats) > 1 and not is_into:
        raise folder_missing(output)
    places = [
        _Written(form, os.path.join(output, package.project + _ENDINGS[form]) if is_into else output)
        for form in wanted.formats
    ]
    for place in places:
        if kept := protected_place(place.path, package):
            raise Refused(Problem(Code.OUTPUT_PROTECTED, place.path, found=f"a place in {kept}"))
        _check_free(place, wanted)
    return places


def _check_free(place: _Written, wanted: ExportOptions) -> None:
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
        with working(workers) as engine:
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


def _print_list(lines: Iterable[bytes]) -> None:
    sys.stdout.flush()
    for line in lines:
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _print_written(
    attempt: Attempt, places: Sequence[_Written], manifests: Sequence[Described], *, is_json: bool
) -> None:
    files = sum(manifest.notes.file_count for manifest in manifests)
    if is_json:
        print_fields(
            {
                "command": "export",
                "exit_code": Exit.DONE,
                **path_fields("package", attempt.target.package.path),
                "file_count": files,
                "written": [{"format": place.format, **path_fields("path", place.path)} for place in places],
            }
        )
        return
    for line in _lines(attempt.target.package, places, files, style_for(sys.stdout)):
        print(line)


def _lines(package: Package, places: Sequence[_Written], files: int, style: Style) -> Iterator[str]:
    for place in places:
        yield f"{style.good('Written')}: {counted(files, 'file')} of {shown(package.project)} in"
        yield f"  {shown(place.path)}"
    if any(place.format in _CHECKS for place in places):
        yield "To check it:"
    if any(place.format in ALGORITHMS or place.format == "xxhsum" for place in places):
        yield f"  cd {quoted(package.parent)}"
    for place in places:
        if place.format in _CHECKS:
            yield f"  {_CHECKS[place.format].format(quoted(place.path))}"
