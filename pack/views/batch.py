"""View of a job of `pack batch`: one line, and its JSON fields; the whole plan where it is wanted."""

from collections.abc import Iterator

from qa2pack.manifest.alma.member_ids import Append, member_words
from qa2pack.manifest.alma.package import DestinationKind
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.humanize import counted, human_bytes
from qa2pack.manifest.path import shown
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.jobs.batch import Found, Job, JobState
from qa2pack.pack.views.apply import apply_view
from qa2pack.pack.views.json_fields import Fields, path_fields
from qa2pack.pack.views.plan import plan_view
from qa2pack.pack.views.totals import totals_fields
from qa2pack.pack.views.view import View

_WORDS = {
    JobState.NEW: "not planned",
    JobState.PLANNED: "planned",
    JobState.STALE: "planned, and changed since",
    JobState.OTHER_PLAN: "another plan waits",
    JobState.RUNNING: "another run works on it",
    JobState.INTERRUPTED: "interrupted",
    JobState.IN_THE_WAY: "not planned; another apply of the package is unfinished",
    JobState.APPLIED: "applied",
}


def job_view(job: Job, found: Found, *, has_plan: bool = False) -> View:
    """Return the view of a job.

    Args:
        has_plan: its lines and fields are those of the whole plan, too, if this run made it.
    """
    if found.applied:
        made = apply_view(found.applied, job.target)
        fields = made.fields
        return View(
            made.lines,
            lambda: {**fields(), **job_fields(job, found)},
            made.code,
            summary=f"applied: {_member(found)}",
        )
    attempt = Attempt("plan", job.target, job.origin, defaults=job.defaults, shows_all=True)
    whole = plan_view(found.plan, attempt, defaults=job.defaults) if has_plan and found.plan else None
    summary = _text(job, found)
    return View(
        lines=whole.lines if whole else lambda style: [summary],
        fields=lambda: {**job_fields(job, found), **({"plan": whole.fields()} if whole else {})},
        summary=summary,
    )


def task_fields(job: Job) -> Fields:
    """Return what tells the job from others."""
    return {"place": job.place, **path_fields("origin", job.request.origin)}


def job_fields(job: Job, found: Found) -> Fields:
    """Return the fields of a job; counts are null where no plan waits."""
    plan = found.plan
    totals = totals_fields(plan.notes.totals, plan.header) if plan else {}
    return {
        **task_fields(job),
        **path_fields("package", job.target.package.path),
        "state": found.state,
        "is_done_now": found.is_done_now,
        **(path_fields("member", member) if (member := _member_path(found)) else {"member": None}),
        "plan_digest": plan.stream.digest.hex() if plan else _applied_digest(found),
        "file_count": totals.get("file_count"),
        "byte_count": totals.get("byte_count"),
        "warning_count": len(plan.notes.warnings) if plan else None,
    }


def _text(job: Job, found: Found) -> str:
    match found.state:
        case JobState.LATER:
            return f"is planned by apply, after {shown(job.earlier.place) if job.earlier else 'an earlier job'}"
        case JobState.APPLIED:
            return f"applied before: {_member(found)}"
        case JobState.PLANNED if found.plan:
            when = "planned" if found.is_done_now else "planned before"
            return f"{when}: {'; '.join(_plan_words(found.plan))}"
        case state:
            return _WORDS[state]


def _plan_words(plan: Described) -> Iterator[str]:
    totals = totals_fields(plan.notes.totals, plan.header)
    yield f"{member_words(plan.header.member)}, {counted(plan.notes.file_count, 'file')}, " + human_bytes(
        int(str(totals["byte_count"]))
    )
    header = plan.header
    if header.standing is DestinationKind.FOREIGN:
        yield "EVERYTHING there is removed"
    elif header.append is Append.NOTHING and header.base:
        yield f"REPLACES {counted(len(header.base), 'member')}"
    elif header.append is Append.REPLACE:
        yield "REPLACES this member"
    if plan.notes.warnings:
        yield counted(len(plan.notes.warnings), "warning")


def _member_path(found: Found) -> bytes:
    if found.applied:
        return found.applied.member
    header = found.plan.header if found.plan else found.made
    return header.member if header else b""


def _member(found: Found) -> str:
    return member_words(_member_path(found))


def _applied_digest(found: Found) -> str | None:
    plan = found.applied.plan if found.applied else None
    return plan.digest.hex() if plan else None
