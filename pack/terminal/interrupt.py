"""Ctrl-C before a command has begun its work and after it has ended: the process ends at once and says nothing.

Python would show where it was, for instance in the middle of an import.
"""

import signal


def end_at_interrupt() -> None:
    """Let SIGINT end this process by that signal; `ended_by_keyboard` is for the work, which ends in order.

    A process that ignores it, as one in the background of a script, or has a handler of its own, keeps that.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
