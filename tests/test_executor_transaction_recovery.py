"""The decision what to do next, as a table."""

import pytest

from qa2pack.executor.transaction.journal_records import (
    Commit,
    Discard,
    End,
    Published,
    Record,
    Resume,
    RollBack,
    Staged,
    Stale,
    SyncFailed,
)
from qa2pack.executor.transaction.recovery import Facts, Goal, Phase, Step, begin_of, decide, may_plan_again, phase_of
from support.journals import BEGIN

COMMIT = Commit(12, had_manifests=True, had_tickets=(b"tar", b"zip"))
RESUME = Resume("b", "here", "reducer", 8, 1)
PLANNED, OTHER = BEGIN.plan, b"o" * 16

STAGING: tuple[Record, ...] = (BEGIN, Staged(1, 2))
COMMITTED = (*STAGING, COMMIT)
PUBLISHED = (*COMMITTED, Published())
DISCARDING = (*PUBLISHED, Discard())
ENDED = (*DISCARDING, End(1))

# journal, plan that waits: what apply does, what roll back does
TABLE: list[tuple[tuple[Record, ...], bytes | None, Step, Step]] = [
    ((), None, Step.NO_PLAN, Step.NOTHING),
    ((), PLANNED, Step.BEGIN, Step.NOTHING),
    ((BEGIN,), PLANNED, Step.CONTINUE, Step.ROLL_BACK),
    (STAGING, PLANNED, Step.CONTINUE, Step.ROLL_BACK),
    ((*STAGING, RESUME), PLANNED, Step.CONTINUE, Step.ROLL_BACK),
    (STAGING, OTHER, Step.RESTAGE, Step.ROLL_BACK),
    (STAGING, None, Step.NO_PLAN, Step.ROLL_BACK),
    ((*STAGING, Stale(1)), None, Step.NO_PLAN, Step.ROLL_BACK),
    ((*STAGING, SyncFailed()), None, Step.NO_PLAN, Step.ROLL_BACK),
    ((*STAGING, Stale(1)), OTHER, Step.RESTAGE, Step.ROLL_BACK),
    ((*STAGING, SyncFailed()), PLANNED, Step.START_OVER, Step.ROLL_BACK),
    ((*STAGING, SyncFailed()), OTHER, Step.START_OVER, Step.ROLL_BACK),
    (COMMITTED, PLANNED, Step.ROLL_FORWARD, Step.ROLL_BACK),
    (COMMITTED, OTHER, Step.ROLL_FORWARD, Step.ROLL_BACK),
    (COMMITTED, None, Step.ROLL_FORWARD, Step.ROLL_BACK),
    ((*COMMITTED, RESUME), PLANNED, Step.ROLL_FORWARD, Step.ROLL_BACK),
    (PUBLISHED, PLANNED, Step.ROLL_FORWARD, Step.ROLL_BACK),
    (DISCARDING, PLANNED, Step.ROLL_FORWARD, Step.TOO_LATE),
    (ENDED, None, Step.FILE_JOURNAL, Step.FILE_JOURNAL),
    (ENDED, OTHER, Step.FILE_JOURNAL, Step.FILE_JOURNAL),
    ((*STAGING, RollBack(1)), PLANNED, Step.ROLL_BACK, Step.ROLL_BACK),
    ((*COMMITTED, RollBack(1)), PLANNED, Step.ROLL_BACK, Step.ROLL_BACK),
    ((*PUBLISHED, RollBack(1)), OTHER, Step.ROLL_BACK, Step.ROLL_BACK),
    ((*ENDED, RollBack(1)), None, Step.ROLL_BACK, Step.ROLL_BACK),
]


@pytest.mark.parametrize(("records", "plan", "applying", "rolling_back"), TABLE)
def test_next_step(records: tuple[Record, ...], plan: bytes | None, applying: Step, rolling_back: Step) -> None:
    assert decide(records, Facts(plan), Goal.APPLY) is applying
    assert decide(records, Facts(plan), Goal.ROLL_BACK) is rolling_back


def test_every_step_is_in_the_table() -> None:
    assert {step for row in TABLE for step in row[2:]} == set(Step)


@pytest.mark.parametrize(
    ("records", "phase"),
    [
        ((), Phase.NONE),
        (STAGING, Phase.STAGING),
        (COMMITTED, Phase.COMMITTED),
        (PUBLISHED, Phase.PUBLISHED),
        (DISCARDING, Phase.DISCARDING),
        (ENDED, Phase.ENDED),
        ((*ENDED, RollBack(1)), Phase.ROLLING_BACK),
        ((*STAGING, Stale(1), RESUME), Phase.STAGING),
    ],
)
def test_phase_is_the_furthest_that_was_reached(records: tuple[Record, ...], phase: Phase) -> None:
    assert phase_of(records) is phase


@pytest.mark.parametrize(
    ("records", "may"),
    [
        ((), True),
        (STAGING, False),
        ((*STAGING, Stale(1)), True),
        ((*STAGING, Stale(1), RESUME), False),
        (COMMITTED, False),
        (PUBLISHED, False),
        (ENDED, True),
        ((*STAGING, RollBack(1)), False),
    ],
)
def test_new_plan_is_welcome_when_nothing_is_under_way_or_the_origin_changed(
    records: tuple[Record, ...], may: bool
) -> None:
    assert may_plan_again(records) is may


def test_journal_without_its_begin_is_not_believed() -> None:
    with pytest.raises(ValueError, match="Begin record"):
        begin_of((COMMIT,))
