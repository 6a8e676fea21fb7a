"""Checking a delivery, or what was unpacked from one, and telling what was found."""

import os

from pack import job
from pack.amounts import counted
from pack.exits import Exit
from pack.workers import shown_workers
from tarsplit.check import find_sidecars


def checked(folder: str, package: str | None, *, jobs: int, is_quiet: bool, is_json: bool) -> Exit:
    """Check every delivery in the folder, and with a package that it is its; print all problems on stdout."""
    path = os.path.realpath(os.fsencode(folder))
    with shown_workers(jobs, is_quiet=is_quiet) as workers, job.working(workers) as engine:
        names = find_sidecars(path)
        problems = list(_problems(path, names, package, engine, workers.progress))
    return _told("tarsplit --check", path, problems, f"{counted(len(names), 'delivery')}", is_json=is_json)
