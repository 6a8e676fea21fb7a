"""Ctrl-C before a command has begun its work and after it has ended: the process ends at once and says nothing.

Python would show where it was, for instance in the middle of an import.
"""

# What `signal` is made of: it is loaded already, while `signal` takes as long as all else before this.
import _signal  # type: ignore[import-not-found]


def end_at_interrupt() -> None:
    """Let SIGINT end this process by that signal; `ended_by_keyboard` is for the work, which ends in order.

    A process that ignores it, as one in the background of a script, or has a handler of its own, keeps that.
    """
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
