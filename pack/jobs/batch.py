"""Batch: many jobs, each the plan and the apply of one origin; what is done already is seen from the package.

No state of the list is kept. Whether a job is planned is said by the plan that waits, whether it is applied by the
manifests, whether its apply was stopped by the journal. So a list can be changed, and given again after any stop.

A package has one plan at a time. A job that adds to the package of an earlier job is planned when the earlier one is
applied: by `apply`, just before it is applied itself, under one lock.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum

from qa2pack.executor.apply import Applied, ApplyOptions
from qa2pack.executor.status import State, Status, read_status
from qa2pack.executor.transaction.journal import read_journal
from qa2pack.executor.transaction.lock import locked_for_reading, when_free
from qa2pack.executor.transaction.paths import journal_path, lock_path
from qa2pack.executor.transaction.recovery import Phase, begin_of
from qa2pack.manifest.alma.member_ids import Append, member_named, named_so
from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header, StreamKind
from qa2pack.manifest.fs.presence import is_folder, status_of
from qa2pack.manifest.layout.given import with_absolute_paths
from qa2pack.manifest.layout.load import is_layout_path, load_layout
from qa2pack.manifest.plan.destination import choose_destination, origin_problems
from qa2pack.manifest.plan.plan_header import lasting_path, readme_header
from qa2pack.manifest.plan.remembered_options import recall, recall_from
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy, refuse_any
from qa2pack.pack.jobs.apply import apply
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.package import packaging
from qa2pack.pack.jobs.plan import plan
from qa2pack.pack.jobs.read import unfinished
from qa2pack.pack.jobs.status import plan_problems
from qa2pack.pack.settings.option_source import Default
from qa2pack.pack.target import Target


class JobState(StrEnum):
    """How far a job is.

    LATER: an earlier job of the same package is not applied. STALE: origin, layout or package changed since it was
    planned. OTHER_PLAN: a plan of something else waits. IN_THE_WAY: an apply of something else is unfinished.
    """

    NEW = "new"
    LATER = "later"
    PLANNED = "planned"
    STALE = "stale"
    OTHER_PLAN = "other-plan"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    IN_THE_WAY = "in-the-way"
    APPLIED = "applied"


@dataclass(frozen=True, slots=True)
class Job:
    """One origin that is packaged.

    Attributes:
        place: where it is in the list, for messages.
        origin: as it was written, quoted for a shell.
        defaults: the options that are neither in the list nor typed.
        earlier: the job before it of the same package.
        given: how the jobs were given, as words that follow the verb of `pack batch`.
    """

    place: str
    request: PlanRequest
    target: Target
    origin: str
    defaults: tuple[Default, ...] = ()
    earlier: "Job | None" = None
    given: str = "LIST"


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a job.

    Attributes:
        plan: its plan, if that waits.
        made: the header of the manifest of its member, if it is applied.
        is_done_now: this run did it.
        applied: what the apply of this run returned.
    """

    state: JobState
    plan: Described | None = None
    made: Header | None = None
    is_done_now: bool = False
    applied: Applied | None = None


def plan_job(job: Job, workers: Workers) -> Found:
    """Plan a job unless it is planned, applied, or waits for an earlier one; raises as `jobs.plan`.

    Of one that waits the origin is looked for, so that it is not missed only in the middle of an apply.
    """
    _wait_until_free(job, workers)
    found = look_at(job)
    match found.state:
        case JobState.PLANNED | JobState.APPLIED:
            return found
        case JobState.LATER:
            refuse_any(tuple(origin_problems(job.request.origin, job.target.package)))
            return found
        case _:
            made = plan(job.request, workers, job.target.opened)
            return Found(JobState.PLANNED, plan=made, is_done_now=True)


def apply_job(job: Job, options: ApplyOptions, workers: Workers) -> Found:
    """Apply the plan of a job, or finish its apply; one that adds to what an earlier job made is planned first.

    Raises:
        Refused: it is not planned, its plan is another one's, or the job that makes the package is not applied.
        Errors of `jobs.apply` and `jobs.package`.
    """
    _wait_until_free(job, workers)
    found = look_at(job)
    package = job.target.package
    if found.state is JobState.LATER:
        _check_made(job)
        found = _look_past_earlier(job)
    match found.state:
        case JobState.APPLIED:
            return found
        case JobState.IN_THE_WAY:
            raise unfinished(package, read_journal(journal_path(package)))
        case JobState.OTHER_PLAN:
            raise Refused(Problem(Code.PLAN_OTHER, package.plan), remedies=_plan_first(job))
        case JobState.NEW if job.earlier is None:
            raise Refused(Problem(Code.PLAN_MISSING, package.plan), remedies=_plan_first(job))
        case JobState.NEW:
            return _plan_and_apply(job, options, workers)
        case _:
            expected = found.plan.stream.digest.hex() if found.plan else ""
            applied = apply(package, replace(options, expected=expected), workers, job.target.opened)
            return Found(JobState.APPLIED, is_done_now=True, applied=applied)


def _plan_first(job: Job) -> tuple[Remedy, ...]:
    text = "Look at the plan that it gets, and then give this command again:"
    return (Remedy(text, (f"pack batch plan {job.given}",)),)


def _plan_and_apply(job: Job, options: ApplyOptions, workers: Workers) -> Found:
    package, opened = job.target.package, job.target.opened
    with packaging(job.request, workers, opened):
        header = next(_headers_of(job), None)  # another run of the list may have been faster: never add it twice
        if header is not None:
            return Found(JobState.APPLIED, made=header)
        plan(job.request, workers, opened, is_locked=True)
        applied = apply(package, options, workers, opened, is_locked=True)
    return Found(JobState.APPLIED, is_done_now=True, applied=applied)


def look_at(job: Job) -> Found:
    """Return how far a job is, without reading content.

    Raises:
        Refused: the place cannot be packaged into, or a member of the same origin was made with other options.
        JournalError, StreamError: the journal or a manifest cannot be used.
    """
    found = _look_at_alone(job)
    is_free = found.state in (JobState.APPLIED, JobState.RUNNING, JobState.INTERRUPTED)
    if not is_free and job.earlier and look_at(job.earlier).state is not JobState.APPLIED:
        return Found(JobState.LATER)
    return found


def _look_at_alone(job: Job) -> Found:
    package, opened = job.target.package, job.target.opened
    known = read_status(package, opened)
    match known.state:
        case State.RUNNING:
            return Found(JobState.RUNNING)
        case State.INTERRUPTED if not known.is_origin_changed:
            return _look_after_stop(job, known)
    header = next(_headers_of(job), None)
    if known.plan and _is_planned_as(job, known.plan):
        is_newer = _has_other_texts(known.plan.header) or _is_newer(job, known.plan.header.scanned_ns)
        is_stale = is_newer or bool(plan_problems(package, known.plan, opened))
        return Found(JobState.STALE if is_stale else JobState.PLANNED, plan=known.plan)
    if header is not None:
        return Found(JobState.APPLIED, made=header)
    return Found(JobState.OTHER_PLAN if known.plan or known.plan_fault else JobState.NEW)


def _look_after_stop(job: Job, known: Status) -> Found:
    """Return what an unfinished transaction is for the job: its own, or one of another job or another person."""
    begin = begin_of(read_journal(journal_path(job.target.package)))
    if begin.origin == job.request.origin and known.phase is not Phase.ROLLING_BACK:
        return Found(JobState.INTERRUPTED)
    header = next(_headers_of(job), None)
    return Found(JobState.IN_THE_WAY) if header is None else Found(JobState.APPLIED, made=header)


def _headers_of(job: Job) -> Iterator[Header]:
    """Yield the header of the member that the job made.

    Raises:
        Refused: a job that adds a member finds one of the same origin, made with other options.
    """
    request, opened = job.request, job.target.opened
    state = read_state(Package(request.package))
    for member in state.members:
        if member not in state.manifests:
            continue
        header = opened.peek_header(state.manifests[member], StreamKind.MANIFEST)
        if header.origin != request.origin or header.is_adopted:
            continue
        wanted = request if request.typed is None else recall_from(request, header).request
        if _is_made_as(header, wanted):
            if request.append is not Append.REPLACE or _is_replaced(job, header):
                yield header
        elif request.append in (Append.MEMBER, Append.GROUP):
            raise Refused(Problem(Code.MADE_OTHERWISE, job.target.package.member(member)))


def _is_replaced(job: Job, header: Header) -> bool:
    """Return whether the member was made by replacing the one that the job names."""
    return header.append is Append.REPLACE and bool(named_so([header.member], job.request.replaced))


def _is_planned_as(job: Job, waiting: Described) -> bool:
    """Return whether a plan that waits is what planning the job would ask for now."""
    header, request = waiting.header, job.request
    if header.origin != request.origin or not is_folder(request.origin):
        return False
    if header.append is not request.append and not is_by_values(request):
        return False
    destination = choose_destination(request, job.target.opened)
    if request.append is Append.REPLACE:
        wanted = member_named(destination.state.members, request.replaced)
        if header.member != wanted:
            return False
    wanted_request = recall(request, destination).request
    return _is_made_as(header, wanted_request) and _is_same_readme(header, wanted_request)


def _is_made_as(header: Header, request: PlanRequest) -> bool:
    made = header.made_with
    return (header.mode, header.layout, header.may_leave) == (
        request.mode,
        request.layout,
        request.follow_outside,
    ) and (
        made is None
        or (
            made.readme,
            made.include,
            made.exclude,
            made.no_split,
            made.weights,
            made.as_is,
            made.compression,
            made.values,
        )
        == (
            lasting_path(request.readme),
            tuple((include.glob, include.role) for include in request.include),
            request.exclude,
            request.no_split,
            request.weights,
            request.as_is,
            request.compression,
            _values(request),
        )
    )


def _values(request: PlanRequest) -> tuple[tuple[str, str], ...]:
    """Return the values of variables as a plan records them."""
    try:
        return with_absolute_paths(request.values, load_layout(request.layout)) if request.values else ()
    except Refused:
        return request.values  # of the layout: a plan made now says why


def _has_other_texts(header: Header) -> bool:
    """Return whether a text that the layout writes was changed since the plan: a template, or a file elsewhere."""
    try:
        layout = load_layout(header.layout)
    except Refused:
        return True  # a plan made now says why
    values = header.made_with.values if header.made_with else ()
    paths = [value for name, value in values if name in layout.variables and layout.variables[name].is_path]
    templates = {write.template.text for write in layout.writes if write.template}
    return {file.template for file in header.written} - {""} != templates - {""} or any(
        _is_changed(os.fsencode(path), header.scanned_ns) for path in paths
    )


def _is_changed(path: bytes, since_ns: int) -> bool:
    status = status_of(path)
    return status is None or status.st_mtime_ns > since_ns


def _is_same_readme(header: Header, request: PlanRequest) -> bool:
    text = b"" if request.readme is request.readme_text is None else readme_header(request)
    return header.made_with is None or header.made_with.readme_header == text


def _is_newer(job: Job, since_ns: int) -> bool:
    """Return whether anything in the origin, or the layout file, was changed since.

    The ctime tells: nobody can set it back. It is also newer after a hard link was made; then a plan is made again in
    vain. What a symlink leads to outside of the origin is left to the apply, which compares each file.
    """
    if is_layout_path(job.request.layout) and os.stat(job.request.layout).st_mtime_ns > since_ns:
        return True
    return any(ctime_ns > since_ns for ctime_ns in _ctimes(job.request.origin))


def _ctimes(origin: bytes) -> Iterator[int]:
    for folder, _, names in os.walk(origin):
        yield os.lstat(folder).st_ctime_ns
        yield from (os.lstat(os.path.join(folder, name)).st_ctime_ns for name in names)


def _wait_until_free(job: Job, workers: Workers) -> None:
    """Wait for another run, as long as the user wants: what it does may be this job.

    Raises:
        LockedError: it is still at work.
    """
    with when_free(locked_for_reading, lock_path(job.target.package), workers.wait):
        return


def _check_made(job: Job) -> None:
    """Refuse to add to a package before the job that makes it is applied: that one would replace what was added."""
    by_values: dict[str, bool] = {}  # a layout is loaded once, not for each job before this one
    for earlier in all_earlier(job):
        if earlier.request.append is not Append.NOTHING:
            continue
        layout = earlier.request.layout
        if layout not in by_values:
            by_values[layout] = is_by_values(earlier.request)
        if not by_values[layout] and look_at(earlier).state is not JobState.APPLIED:
            raise Refused(Problem(Code.EARLIER_JOB, job.target.package.path, found=f"{earlier.place} is not applied"))


def _look_past_earlier(job: Job) -> Found:
    """Return how far a job is whose earlier jobs failed; a plan of one of them that waits gives way."""
    found = _look_at_alone(job)
    if found.state is JobState.OTHER_PLAN:
        waiting = job.target.opened.peek_header(job.target.package.plan, StreamKind.PLAN)
        if waiting.origin in [each.request.origin for each in all_earlier(job)]:
            return Found(JobState.NEW)
    return found


def is_by_values(request: PlanRequest) -> bool:
    """Return whether values tell the members of the package apart, so that others stay whatever is planned."""
    try:
        return bool(load_layout(request.layout).tree.variables)
    except Refused:
        return False  # planning tells what is wrong with the layout


def all_earlier(job: Job) -> Iterator[Job]:
    """Yield the earlier jobs of the same package, the last one first."""
    while job.earlier:
        job = job.earlier
        yield job
