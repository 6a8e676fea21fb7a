"""How many processes a command uses."""

import os

from qa2pack.pack.jobs.engines import job_count


def test_no_more_than_four_processes_work_for_each_processor() -> None:
    processors = len(os.sched_getaffinity(0))
    assert [job_count(wanted) for wanted in (0, 1, 3, 100_000)] == [processors, 1, 3, 4 * processors]
