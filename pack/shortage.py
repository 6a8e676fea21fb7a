"""How much is missing on a full disk, for an apply that was stopped by it."""

from qa2pack.executor.places import staging_path
from qa2pack.executor.room import enough_bytes, free_bytes, used_bytes
from qa2pack.manifest.planfile import open_plan
from qa2pack.manifest.sizes import human_bytes
from qa2pack.manifest.stream import StreamError
from qa2pack.pack.attempt import Attempt


def shortage_of(attempt: Attempt) -> str:
    """Return how much room must be made before going on, in words; empty if that is not known or not the matter.

    What is staged already is looked at file by file, so it takes a moment for very many.
    """
    package = attempt.target.package
    if attempt.verb != "apply":
        return ""
    try:
        plan = open_plan(package.plan)
        enough = enough_bytes(package, plan.header, plan.notes)
        missing = enough - used_bytes(staging_path(package)) - free_bytes(package)
    except (OSError, StreamError):
        return ""
    return f"About {human_bytes(missing)} more are needed." if missing > 0 else ""
