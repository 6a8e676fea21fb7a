"""What each verb of `pack batch` does with one job."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from qa2pack.executor.apply import AppliedPlan, ApplyOptions
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.signature.signature import NOBODY, Trust
from qa2pack.pack.commands.options import ClusterRunOptions
from qa2pack.pack.commands.several import Task
from qa2pack.pack.commands.verified import verified_view
from qa2pack.pack.commands.workers import shown_workers
from qa2pack.pack.delivery.at_apply import deliver_applied, with_delivery
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.jobs import batch as batch_job
from qa2pack.pack.jobs.batch import Job
from qa2pack.pack.views.apply import plan_announced, resume_lines
from qa2pack.pack.views.batch import job_view, task_fields
from qa2pack.pack.views.view import View


@dataclass(frozen=True, slots=True)
class BatchRun:
    """The options that are of the whole run.

    Attributes:
        trusted: ids of other users whose control folders are accepted.
        trust: whose signatures are wanted of what is verified.
        shows_all: show the whole plans, or every problem.
    """

    options: ClusterRunOptions
    trusted: frozenset[int]
    wait_seconds: int
    apply_options: ApplyOptions
    trust: Trust = NOBODY
    is_quick: bool = False
    shows_all: bool = False


def tasks_of(step: str, jobs: Sequence[Job], run: BatchRun) -> list[Task]:
    """Return a task for each job; to verify, one for each package."""
    if step == "verify":
        first = {job.target.package: job for job in reversed(jobs)}
        jobs = [job for job in jobs if first[job.target.package] is job]
    views = {"plan": _planned, "apply": _applied, "verify": _verified, "status": _looked_at}
    return [_task(step, job, run, views[step]) for job in jobs]


def _task(step: str, job: Job, run: BatchRun, view_of: Callable[[Job, BatchRun], View]) -> Task:
    attempt = Attempt(step, job.target, job.origin, defaults=job.defaults, shows_all=run.shows_all)
    if step == "verify":
        return Task(job.target.quoted, attempt, partial(view_of, job, run))
    name = f"{job.origin} in {job.target.quoted}"
    return Task(name, attempt, partial(view_of, job, run), task_fields(job))


def _planned(job: Job, run: BatchRun) -> View:
    with shown_workers(run.options, run.trusted, run.wait_seconds, title=f"{job.origin}: ") as workers:
        return job_view(job, batch_job.plan_job(job, workers), has_plan=run.shows_all)


def _applied(job: Job, run: BatchRun) -> View:
    def announce(plan: AppliedPlan) -> None:
        for line in plan_announced(plan):
            print(line, file=sys.stderr)

    for line in resume_lines(job.target):
        print(line, file=sys.stderr)
    with shown_workers(run.options, run.trusted, run.wait_seconds, title=f"{job.origin}: ") as workers:
        found = batch_job.apply_job(job, replace(run.apply_options, announce=announce), workers)
        view = job_view(job, found)
        return with_delivery(view, deliver_applied(found.applied, job.target, workers)) if found.applied else view


def _verified(job: Job, run: BatchRun) -> View:
    with shown_workers(run.options, title=f"{job.target.quoted}: ") as workers:
        return verified_view(job.target, workers, run.trust, is_quick=run.is_quick, shows_all=run.shows_all)


def _looked_at(job: Job, run: BatchRun) -> View:
    return job_view(job, batch_job.look_at(job))
