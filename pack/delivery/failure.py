"""Failures that only a delivery has: what happened, and that finished tars are kept."""

from qa2pack.executor.stop_signals import InterruptedByUser
from qa2pack.pack.errors.failure import Failure, system_error_text
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.terminal.style import folded
from qa2pack.tarsplit.output_files import OutputBusyError
from qa2pack.tarsplit.refusal import DeliveryRefused

_GOES_ON = "Finished tars are kept. Run the same command again: it goes on from there."


def delivery_failure(error: BaseException) -> Failure | None:
    """Return the failure for an exception while a delivery is written; None if it is none of a delivery."""
    match error:
        case DeliveryRefused(reason=reason, remedy=remedy):
            return _failure(Exit.FAILED, f"refused: {reason}", f"No tar was changed. Do: {remedy}")
        case OutputBusyError():
            return _failure(Exit.LOCKED, f"{error}.", "Wait for it, or choose another folder with --output")
        case InterruptedByUser():
            return _failure(Exit.RESUMABLE, "interrupted.", _GOES_ON)
        case OSError():
            title, advice = system_error_text(error)
            return _failure(Exit.RESUMABLE, title, f"{_GOES_ON} {advice}")
        case _:
            return None


def _failure(code: Exit, title: str, advice: str) -> Failure:
    return Failure(code, f"pack tarsplit: {title}", tuple(folded(advice, indent=2)))
