"""View of `pack audit`: a short text, fit for a mail, and JSON fields."""

from collections.abc import Iterator, Sequence
from itertools import islice

from qa2pack.manifest.humanize import counted, human_bytes, local_time, utc_time
from qa2pack.manifest.path import shown
from qa2pack.pack.audit.make import Audited, Wrong
from qa2pack.pack.audit.shelved import Standing
from qa2pack.pack.audit.stock import Change, failed_folders
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.target import quoted
from qa2pack.pack.terminal.style import Style, folded
from qa2pack.pack.views.json_fields import Fields, path_fields, problem_fields
from qa2pack.pack.views.view import View

_MOST_PACKAGES = 20  # in the text; --json and the page have all
_MOST_FINDINGS = 3


def audit_view(audited: Audited, *, is_quiet: bool) -> View:
    """Return the view of an audit.

    Args:
        is_quiet: there is no text where nothing is wrong.
    """
    code = _code(audited)
    return View(
        lines=lambda style: () if is_quiet and code is Exit.DONE else _lines(audited, style),
        fields=lambda: _fields(audited),
        code=code,
    )


def _code(audited: Audited) -> Exit:
    if audited.is_stopped:
        return Exit.RESUMABLE
    # A root without a package may be a disk that is not mounted, or misspelt: it must not be silent for ever.
    is_bad = bool(audited.wrong or failed_folders(audited.unsearched)) or not audited.summary.package_count
    return Exit.PROBLEMS if is_bad else Exit.DONE


def _lines(audited: Audited, style: Style) -> Iterator[str]:
    summary = audited.summary
    scope = f"{counted(summary.package_count, 'package')}, {human_bytes(summary.byte_count)}"
    if audited.wrong:
        yield style.bad(f"{counted(len(audited.wrong), 'package')} to be looked at") + f", of {scope}"
    elif failed := failed_folders(audited.unsearched):
        yield style.bad(f"{counted(len(failed), 'folder')} could not be searched") + f"; {scope} are known"
    elif not summary.package_count:
        yield f"{style.bad('There is no package')} below {', '.join(map(shown, audited.roots))}"
    elif summary.counts[Standing.UNVERIFIED]:
        yield f"{style.good('Nothing is wrong')} as far as it was verified: {scope}"
    else:
        yield f"{style.good('All as packaged')}: {scope}"
    for wrong in audited.wrong[:_MOST_PACKAGES]:
        yield from _wrong_lines(wrong)
    if len(audited.wrong) > _MOST_PACKAGES:
        yield f"  and {len(audited.wrong) - _MOST_PACKAGES:,} more (--json and --report list all)"
    yield from _advice(audited)
    yield from map(_change_line, audited.changes)
    yield from (f"left for later, another run works on it: {shown(path)}" for path in audited.busy)
    yield from (f"not searched: {shown(problem.path)}; {shown(problem.details[1])}" for problem in audited.unsearched)
    yield from folded(_turn_text(audited))
    if summary.oldest_ns is not None:
        yield f"The oldest verification is of {local_time(summary.oldest_ns)}"
    yield from (f"Written: {shown(path)}" for path in (audited.report, audited.metrics) if path is not None)
    if audited.is_stopped:
        yield "Stopped. What was verified is noted; the same command goes on with the rest."


def _wrong_lines(wrong: Wrong) -> Iterator[str]:
    package = wrong.package
    match package.standing:
        case Standing.GONE:
            text = f"gone; it was missing first at {local_time(package.gone_ns or 0)}"
        case Standing.FAILED:
            text = "could not be verified"
        case _:
            text = f"{counted(package.problem_count, 'problem')}, found {local_time(package.verified_ns or 0)}"
    yield f"  {shown(package.path)}: {text}"
    yield from (f"    {each.text}" for each in islice(wrong.findings, _MOST_FINDINGS))
    if (more := package.problem_count - _MOST_FINDINGS) > 0:
        yield f"    and {more:,} more"


def _advice(audited: Audited) -> Iterator[str]:
    """Yield what to do about packages that are wrong, each command alone on its line."""
    there = [each.package.path for each in audited.wrong if each.package.standing is not Standing.GONE]
    listed = there[:_MOST_PACKAGES]
    if listed:
        yield "To see all that is wrong, and what to do:"
        yield from (f"  pack verify {quoted(path)}" for path in listed)
        yield "When that is done, to have the new result here:"
        yield f"  pack audit {_words(listed, audited)}"
    if len(there) < len(audited.wrong):
        yield "If what is gone shall not come back:"
        yield f"  pack audit {_words(audited.roots, audited)} --forget"


def _words(paths: Sequence[bytes], audited: Audited) -> str:
    own = "" if audited.has_own_catalogue else f" --catalogue {quoted(audited.catalogue)}"
    return " ".join(map(quoted, paths)) + own


def _change_line(change: Change) -> str:
    was = f", from {shown(change.was)}" if change.was else ""
    return f"{change.kind}: {shown(change.path)}{was}"


def _turn_text(audited: Audited) -> str:
    parts = [f"Verified now: {counted(len(audited.verified), 'package')}"]
    if audited.left_count:
        parts.append(f"left for the next run: {audited.left_count:,}")
    if audited.forgotten_count:
        parts.append(f"forgotten: {audited.forgotten_count:,}")
    return "; ".join(parts)


def _fields(audited: Audited) -> Fields:
    summary = audited.summary
    return {
        "roots": [path_fields("path", root) for root in audited.roots],
        **path_fields("catalogue", audited.catalogue),
        "summary": {
            "package_count": summary.package_count,
            **{f"{standing}_count": count for standing, count in summary.counts.items()},
            "file_count": summary.file_count,
            "byte_count": summary.byte_count,
            "oldest_at": _time(summary.oldest_ns),
        },
        "wrong": [_wrong_fields(each) for each in audited.wrong],
        "changes": [
            {"change": each.kind, **path_fields("path", each.path), **path_fields("was", each.was)}
            for each in audited.changes
        ],
        "verified": [{**path_fields("path", path), "standing": standing} for path, standing in audited.verified],
        "busy": [path_fields("path", path) for path in audited.busy],
        "left_count": audited.left_count,
        "forgotten_count": audited.forgotten_count,
        "unsearched": problem_fields(audited.unsearched),
        "is_stopped": audited.is_stopped,
        **_output_fields("report", audited.report),
        **_output_fields("metrics", audited.metrics),
    }


def _output_fields(name: str, path: bytes | None) -> Fields:
    return {name: None} if path is None else path_fields(name, path)


def _wrong_fields(wrong: Wrong) -> Fields:
    package = wrong.package
    return {
        **path_fields("path", package.path),
        "standing": package.standing,
        "problem_count": package.problem_count,
        "warning_count": package.warning_count,
        "verified_at": _time(package.verified_ns),
        "gone_at": _time(package.gone_ns),
        "findings": [{"code": each.code, "text": each.text} for each in wrong.findings],
    }


def _time(at_ns: int | None) -> str | None:
    return None if at_ns is None else utc_time(at_ns)
