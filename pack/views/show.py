"""View of `pack show`: contents of a package from its manifests; no file of the package is read.

A manifest that cannot be used is a problem, as for verify; the other members are shown.
"""

from collections.abc import Iterator, Sequence

from qa2pack.manifest.alma.member_ids import member_words
from qa2pack.manifest.alma.package import PUT_BACK
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import unusable_manifest
from qa2pack.manifest.format.header import BundleTask, Header, Notes
from qa2pack.manifest.format.inside import records_inside
from qa2pack.manifest.humanize import counted, human_bytes, local_time, utc_time
from qa2pack.manifest.path import shown
from qa2pack.manifest.signature.signature import NOBODY, Signed, Trust, signature_problems
from qa2pack.pack.errors.problem_view import problem_lines, remedies_lines
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.members import Member
from qa2pack.pack.jobs.show import Contents
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.files import bundle_fields, file_fields, file_lines, records_of
from qa2pack.pack.views.json_fields import Fields, arrived_in_fields, path_fields, problem_fields
from qa2pack.pack.views.placeholders import mode_text
from qa2pack.pack.views.signatures import signature_fields, signature_lines
from qa2pack.pack.views.totals import totals_fields, totals_lines
from qa2pack.pack.views.view import View


@dataclass(frozen=True, slots=True)
class ShowOptions:
    """What of the members is shown.

    Attributes:
        role: the only role to show; empty for all.
        has_files: list every file.
        trust: who is known as a signer.
    """

    role: str = ""
    has_files: bool = False
    trust: Trust = NOBODY


def show_view(contents: Contents, target: Target, what: ShowOptions, signatures: Sequence[Signed] = ()) -> View:
    """Return the view of the members.

    Args:
        signatures: of those of them that have a manifest.
    """
    members = contents.members
    wrong = [problem for signed in signatures for problem in signature_problems(signed, what.trust)]
    problems = [*(unusable_manifest(member.fault) for member in members if member.fault), *contents.lost, *wrong]

    def lines(style: Style) -> Iterator[str]:
        yield from _lines(contents, target, what, style)
        lines = [*signature_lines(signatures, what.trust, style, of="Member ")]
        yield from ("", *lines) if lines else ()
        yield from ("", *problem_lines(wrong, target, style)) if wrong else ()

    return View(
        lines=lines,
        fields=lambda: {
            **path_fields("package", target.package.path),
            "members": [_fields(member, what) for member in members],
            "problems": problem_fields(problems),
            "signatures": signature_fields(signatures),
        },
        code=Exit.PROBLEMS if problems else Exit.DONE,
        summary=_summary(members),
    )


def _summary(members: Sequence[Member]) -> str:
    notes = [member.notes for member in members if member.notes]
    files, size = sum(note.file_count for note in notes), sum(note.byte_count for note in notes)
    some = counted(len(members), "member")
    unlisted = len(members) - len(notes)
    without = f"; {unlisted} without a usable manifest" if unlisted else ""
    return f"{some}, {counted(files, 'file')}, {human_bytes(size)}{without}"


def _lines(contents: Contents, target: Target, what: ShowOptions, style: Style) -> Iterator[str]:
    members, count = contents.members, contents.member_count
    some = "" if len(members) == count else f"{len(members)} of "
    yield style.bold(f"{shown(target.package.project)}: {some}{counted(count, 'member')}")
    yield f"  {shown(target.package.path)}"
    for member in members:
        yield ""
        yield style.bold(member_words(member.path))
        yield from _member_lines(member, target, what, style)
    if contents.lost:
        yield ""
        yield from problem_lines(contents.lost, target, style, has_remedies=False)
        yield from remedies_lines((PUT_BACK,), target)


def _member_lines(member: Member, target: Target, what: ShowOptions, style: Style) -> Iterator[str]:
    if member.manifest is None:
        yield from _fault_lines(member, target, style)
        return
    header, notes = member.manifest.header, member.manifest.notes
    yield from (f"  {label:<8} {text}" for label, text in _facts(header))
    yield from totals_lines(notes.totals, style, header, what.role)
    if notes.splits and not what.role:
        saved = sum(task.saved_bytes for task in notes.splits)
        yield f"  {counted(len(notes.splits), 'table')} without data columns worth {human_bytes(saved)}"
    if what.has_files:
        yield ""
        yield from file_lines(records_of(member.manifest.stream, what.role))
        for task in _bundles(notes, what):
            yield ""
            yield f"  in {shown(task.path)}:"
            yield from file_lines(records_inside(task))


def _bundles(notes: Notes, what: ShowOptions) -> Iterator[BundleTask]:
    return (task for task in notes.bundles if what.role in ("", shown(task.path.partition(b"/")[0])))


def _fault_lines(member: Member, target: Target, style: Style) -> Iterator[str]:
    if member.fault:
        yield from problem_lines([unusable_manifest(member.fault)], target, style)
    else:
        yield style.warning("  It has no manifest, so it cannot be verified. To give it one:")
        yield f"  {style.bold(f'pack adopt {target.quoted}')}"


def _facts(header: Header) -> Iterator[tuple[str, str]]:
    if header.arrived_in:
        yield "received", local_time(header.scanned_ns)
        yield "in", str(header.arrived_in)
    elif header.is_adopted:
        yield "adopted", f"{local_time(header.scanned_ns)}; it was found as it is, not made by this program"
    if header.is_adopted:
        if header.layout:
            yield "layout", shown(header.layout)
        if header.missing_sets:
            yield "missing", f"sets that are to come: {', '.join(header.missing_sets)}"
        return
    yield "from", shown(header.origin)
    yield "planned", f"{local_time(header.scanned_ns)}, by {shown(header.user)} on {shown(header.host)}"
    yield "mode", mode_text(header)


def _fields(member: Member, what: ShowOptions) -> Fields:
    named = path_fields("member", member.path)
    if member.manifest is None:
        fault = shown(member.fault.reason) if member.fault else ""
        return {**named, "has_manifest": bool(fault), "manifest_fault": fault}
    header, notes = member.manifest.header, member.manifest.notes
    files: dict[str, object] = {}
    if what.has_files:
        files["files"] = list(file_fields(records_of(member.manifest.stream, what.role)))
        files["bundles"] = [bundle_fields(task) for task in _bundles(notes, what)]
    return {
        **named,
        "has_manifest": True,
        "manifest_fault": "",
        "is_adopted": header.is_adopted,
        "arrived_in": arrived_in_fields(header.arrived_in) if header.arrived_in else None,
        **path_fields("origin", header.origin),
        "planned_at": utc_time(header.scanned_ns),
        "user": shown(header.user),
        "host": shown(header.host),
        "program": shown(header.program),
        "mode": header.mode,
        "missing_sets": header.missing_sets,
        **totals_fields([total for total in notes.totals if what.role in ("", total.role)], header),
        **files,
    }
