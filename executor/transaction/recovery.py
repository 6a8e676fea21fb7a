"""Recovery: decides the next step from the journal and a few facts. Pure.

The rules: before the commit nothing is visible and everything may be rolled back; after it the transaction only goes
forward, unless it is being rolled back; a rollback that was begun is finished before anything else.
"""

from collections.abc import Sequence
from enum import StrEnum

from qa2pack.executor.transaction.journal_records import (
    Begin,
    Commit,
    Discard,
    End,
    Published,
    Record,
    RollBack,
    Stale,
    SyncFailed,
)
from qa2pack.manifest.dataclass import dataclass


class Goal(StrEnum):
    """What the user requests: apply or roll back."""

    APPLY = "apply"
    ROLL_BACK = "roll-back"


class Phase(StrEnum):
    """Phase of a transaction."""

    NONE = "none"  # there is no transaction
    STAGING = "staging"
    COMMITTED = "committed"  # everything is on disk, perhaps nothing is visible yet
    PUBLISHED = "published"
    DISCARDING = "discarding"  # the replaced package is being removed
    ROLLING_BACK = "rolling-back"
    ENDED = "ended"  # only the journal is still to be filed


class Step(StrEnum):
    """The next step of the executor."""

    NOTHING = "nothing"  # nothing to do
    NO_PLAN = "no-plan"  # there is no plan to apply
    BEGIN = "begin"  # a new transaction
    CONTINUE = "continue"  # resume staging
    START_OVER = "start-over"  # discard staging, because its sync failed, and begin again
    RESTAGE = "restage"  # a new plan that can reuse the staged files
    ROLL_FORWARD = "roll-forward"
    ROLL_BACK = "roll-back"
    TOO_LATE = "too-late"  # a rollback is not possible any more
    FILE_JOURNAL = "file-journal"


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts from the disk.

    Attributes:
        plan: digest of the waiting plan, None if there is none.
    """

    plan: bytes | None


def phase_of(records: Sequence[Record]) -> Phase:
    """Return the phase of the transaction in the journal."""
    kinds = {type(record) for record in records}
    if not kinds:
        return Phase.NONE
    for kind, phase in (
        (RollBack, Phase.ROLLING_BACK),  # before the end: a finished transaction can be rolled back too
        (End, Phase.ENDED),
        (Discard, Phase.DISCARDING),
        (Published, Phase.PUBLISHED),
        (Commit, Phase.COMMITTED),
    ):
        if kind in kinds:
            return phase
    return Phase.STAGING


def decide(records: Sequence[Record], facts: Facts, goal: Goal) -> Step:
    """Return the next step; after FILE_JOURNAL, decide again without the journal."""
    phase = phase_of(records)
    if phase in _STEPS_IN_ANY_CASE:
        return _STEPS_IN_ANY_CASE[phase]
    if goal is Goal.ROLL_BACK:
        return _STEPS_BACK[phase]
    if phase is Phase.NONE:
        return Step.NO_PLAN if facts.plan is None else Step.BEGIN
    return _step_from_staging(records, facts) if phase is Phase.STAGING else Step.ROLL_FORWARD


def _step_from_staging(records: Sequence[Record], facts: Facts) -> Step:
    if facts.plan is None:  # lost, or taken away; a rollback is not what an apply was asked for
        return Step.NO_PLAN
    if any(isinstance(record, SyncFailed) for record in records):
        return Step.START_OVER
    return Step.CONTINUE if facts.plan == begin_of(records).plan else Step.RESTAGE


_STEPS_IN_ANY_CASE = {
    Phase.ENDED: Step.FILE_JOURNAL,
    Phase.ROLLING_BACK: Step.ROLL_BACK,  # what was begun is finished before anything else
}
_STEPS_BACK = {
    Phase.NONE: Step.NOTHING,
    Phase.STAGING: Step.ROLL_BACK,
    Phase.COMMITTED: Step.ROLL_BACK,
    Phase.PUBLISHED: Step.ROLL_BACK,
    Phase.DISCARDING: Step.TOO_LATE,
}


def may_plan_again(records: Sequence[Record]) -> bool:
    """Return whether a new plan may be made: nothing is unfinished, or staging stopped because the origin changed."""
    phase = phase_of(records)
    return phase in (Phase.NONE, Phase.ENDED) or is_stale(records)


def is_stale(records: Sequence[Record]) -> bool:
    """Return whether staging stopped because the origin, or a delivery, is not as planned."""
    return phase_of(records) is Phase.STAGING and isinstance(records[-1], Stale)


def needs_new_plan(records: Sequence[Record]) -> bool:
    """Return whether staging cannot go on with its plan; that of a delivery goes on when it has the right tars."""
    return is_stale(records) and not begin_of(records).received


def begin_of(records: Sequence[Record]) -> Begin:
    """Return the first record, which every journal has.

    Raises:
        ValueError: the journal does not begin with it.
    """
    first = records[0]
    if not isinstance(first, Begin):
        raise ValueError("the journal does not begin with a Begin record")
    return first


def commit_of(records: Sequence[Record]) -> Commit | None:
    """Return the record of the commit; None before it."""
    return next((record for record in records if isinstance(record, Commit)), None)
