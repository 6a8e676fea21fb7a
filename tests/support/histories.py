"""How random histories are made: their settings, in one place."""

from hypothesis import HealthCheck, settings


def settings_of(*, max_examples: int, stateful_step_count: int) -> settings:
    """Return the settings of so many histories with at most so many steps each, however long they take."""
    return settings(
        max_examples=max_examples,
        stateful_step_count=stateful_step_count,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
