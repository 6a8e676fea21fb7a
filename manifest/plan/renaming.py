"""Renaming: a plan that gives a package another project code, in its folder, README, manifests and ticket files.

The plan holds no records: each member is made of its own files, and what changes follows from its manifest, whose
digest is in the plan. The functions below say what changes; the executor uses the same ones.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.member_ids import Append, folder_of
from qa2pack.manifest.alma.package import (
    README,
    DestinationKind,
    Package,
    PackageState,
    manifest_names,
    read_state,
)
from qa2pack.manifest.alma.readme import with_project
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header, Notes, StreamKind, Total
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_folder, status_of
from qa2pack.manifest.layout.check import ProjectCode
from qa2pack.manifest.layout.globs import matches
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.plan.destination import Destination, base_of, writing_problems
from qa2pack.manifest.plan.extra_files import extra_in_package
from qa2pack.manifest.plan.obstacles import ticket_obstacles
from qa2pack.manifest.plan.plan import Plan
from qa2pack.manifest.plan.plan_header import header_of_member, read_packaged_readme
from qa2pack.manifest.plan.rebuild import own_records, paths_in
from qa2pack.manifest.plan.written import header_text_of, with_texts
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy, refuse_any
from qa2pack.manifest.scan.gathered import Gathered

_MEND = (
    Remedy("To see what mends it:", ("pack verify PACKAGE",)),
    Remedy("Then give the same command again."),
)
_CODE = (Remedy("Give the code of the project, or leave out --strict."),)


def plan_rename(
    old: Package, new: Package, opened: OpenedFiles, *, program: str, now_ns: int, strict: bool = False
) -> Plan:
    """Plan to give a package the name of another path in the same folder.

    Args:
        now_ns: the time of the plan, ns since the epoch.
        strict: refuse a code of which otherwise is warned.

    Raises:
        Refused: the new name is taken or cannot be had, a member has no manifest or is not as packaged, or there are
            files that no manifest knows.
    """
    state = read_state(old)
    manifests = _manifests(old, state, opened)
    refuse_any(tuple(_place_problems(old, new, opened)))
    first = manifests[0].header
    base = base_of(state, opened)
    destination = Destination(new, read_state(new), first.member, base, opened, Append.RENAME)
    header = replace(
        header_of_member(first, destination, program=program, now_ns=now_ns),
        project=new.project,
        origin=old.path,
        standing=DestinationKind.ABSENT,
        may_leave=False,
        is_adopted=False,
        readme=b"",
        written=(),
        beside=(),
        made_with=None,
    )
    changed = [each for one in manifests for each in _not_as_packaged(old, one, header)]
    in_place = {problem.path for problem in changed}  # what stands in the place of a folder is no extra file
    problems = [*(each for each in extra_in_package(old, state) if each.path not in in_place), *changed]
    if problems:
        raise Refused(*problems, remedies=_MEND)
    warnings = tuple(_code_warnings(new, manifests))
    if warnings and strict:
        raise Refused(*warnings, remedies=_CODE)
    totals = tuple(_sums(total for manifest in manifests for total in manifest.notes.totals))
    return Plan(header, Notes(totals=totals, new_files=len(manifests), warnings=warnings), destination, Gathered())


def renamed_header(manifest: Described, plan: Header) -> Header:
    """Return the header of a plan for one member: what its manifest says, with the new code.

    Raises:
        Refused: a text cannot be made with it.
    """
    old = manifest.header
    made_with = old.made_with
    if made_with is not None:
        text = with_project(made_with.readme_header, old.project, plan.project)
        is_same = text == made_with.readme_header
        made_with = replace(made_with, readme_header=text, readme=made_with.readme if is_same else b"")
    header = replace(
        old,
        kind=StreamKind.PLAN,
        project=plan.project,
        origin=renamed_path(plan, old.origin),
        scanned_ns=plan.scanned_ns,
        readme=with_project(old.readme, old.project, plan.project),
        made_with=made_with,
        host=plan.host,
        user=plan.user,
        program=plan.program,
    )
    return with_texts(header, header_text_of(header), paths_in(manifest))


def renamed_record(record: FolderRecord, plan: Header) -> FolderRecord:
    """Return a record of the new manifest: sources that lie in the package have the new path."""
    if not record.source.startswith(b"/") and not any(name.startswith(b"/") for name in record.source_names):
        return record
    return replace(
        record,
        source=renamed_path(plan, record.source),
        source_names=[renamed_path(plan, name) for name in record.source_names],
    )


def renamed_path(plan: Header, path: bytes) -> bytes:
    """Return a path as it is after the renaming; only that of the package, and those in it, change."""
    old = plan.origin
    return join(os.path.dirname(old), plan.project) + path[len(old) :] if is_within(path, old) else path


def _place_problems(old: Package, new: Package, opened: OpenedFiles) -> Iterator[Problem]:
    """Yield what keeps the package from getting the new name."""
    yield from writing_problems(old, opened, force=True)
    if not os.access(old.path, os.W_OK | os.X_OK):  # its `..` may change, when it is kept
        yield Problem(Code.NOT_WRITABLE, old.path)
    check_control(new.control)
    too_long = [problem for problem in ticket_obstacles(new) if problem.code is Code.NAME_REFUSED]
    yield from too_long
    if not too_long:
        yield from (
            Problem(Code.NAME_TAKEN, path) for path in (new.path, *new.tickets) if status_of(path) is not None
        )
        if status_of(new.control) is not None and not _is_leftover(new, old, opened):
            yield Problem(Code.NAME_TAKEN, new.control)


# What a renaming that was stopped may leave before its journal is there: locks, the plan, and probes of the disk.
_BEFORE_THE_BEGIN = frozenset(
    {b"lock", b"lock.workers", b"plan", b"plan.new", b"probe.one", b"probe.two", b"probe.disk", b"journal.new"}
)


def _is_leftover(new: Package, old: Package, opened: OpenedFiles) -> bool:
    """Return whether a control folder holds no more than what a renaming leaves that was stopped before it began."""
    if manifest_names(new) or set(os.listdir(new.control)) - _BEFORE_THE_BEGIN:
        return False
    try:
        waiting = opened.peek_header(new.plan, StreamKind.PLAN)
    except FileNotFoundError:
        return True
    except StreamError:
        return False
    return waiting.append is Append.RENAME and waiting.origin == old.path


def _manifests(old: Package, state: PackageState, opened: OpenedFiles) -> list[Described]:
    """Return the manifests of all members, sorted by member; each manifest has its member, and each member one."""
    if state.lost:
        raise Refused(*dict.fromkeys(state.lost.values()), remedies=_MEND)
    missing = [Problem(Code.MANIFEST_MISSING, old.member(member)) for member in state.without_manifest]
    if missing:
        raise Refused(*missing, remedies=(Remedy("To make the manifests:", ("pack adopt PACKAGE",)),))
    return [opened.manifest_of(member, state.manifests[member]) for member in state.members]


def _not_as_packaged(old: Package, manifest: Described, plan: Header) -> list[Problem]:
    member = old.member(manifest.header.member)
    problems: list[Problem] = []
    for _ in own_records(manifest, renamed_header(manifest, plan), member, problems):
        pass  # each looks at the files of a folder, and at what is there beside them
    origin = manifest.header.origin
    if manifest.header.mode is Mode.MOVE and is_folder(origin) and not os.access(origin, os.W_OK | os.X_OK):
        problems.append(Problem(Code.ORIGIN_NOT_WRITABLE, origin))  # its symlinks could not be turned
    problems += (
        Problem(Code.TEXT_FAILED, join(member, file.path), "a path without the project code, which can be renamed")
        for file in manifest.header.written
        if file.has_project
    )
    problems += (
        Problem(Code.TEXT_FAILED, join(old.parent, file.name), "no file beside the package")
        for file in manifest.header.beside
    )
    if old.project in folder_of(manifest.header.member):
        problems.append(Problem(Code.TEXT_FAILED, member, "a folder without the project code, which can be renamed"))
    if manifest.header.mode is not Mode.FAKE:
        problems.extend(_changed_texts(member, manifest.header))
    return problems


def _changed_texts(member: bytes, header: Header) -> Iterator[Problem]:
    """Yield a problem for each text that was changed by hand: it would be overwritten."""
    for path, text in header.texts.items():
        status = status_of(join(member, path))
        if (
            path in header.late
            or status is None
            or not stat.S_ISREG(status.st_mode)
            or not (status.st_size or path == README)
        ):
            continue
        with suppress(Refused):  # no text: changed by hand, too
            if read_packaged_readme(join(member, path)) == text:
                continue
        yield Problem(Code.CHANGED, join(member, path))


def _code_warnings(new: Package, manifests: Iterable[Described]) -> Iterator[Problem]:
    """Yield the warning that a plan of one of the members would give for the code, once."""
    for name in sorted({manifest.header.layout for manifest in manifests} - {""}):
        with suppress(Refused):  # a layout of the user that is not there any more asks for nothing
            checks = load_layout(name).checks
            if any(isinstance(check, ProjectCode) and not matches(new.project, check.globs) for check in checks):
                yield Problem(Code.W_PROJECT_CODE, new.path, expected="a code such as 2011.0.00229.S")
                return


def _sums(totals: Iterable[Total]) -> Iterator[Total]:
    """Yield one total for each role."""
    sums: dict[str, list[int]] = {}
    for total in totals:
        counts = sums.setdefault(total.role, [0, 0])
        counts[0] += total.file_count
        counts[1] += total.byte_count
    yield from (Total(role, *sums[role]) for role in sorted(sums))
