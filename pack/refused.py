"""Why a command that only looks cannot do what was asked, in words."""


class Refused(Exception):
    """What was asked for cannot be done; nothing was changed.

    Attributes:
        reason: what stands against it.
        remedy: what to do instead.
        command: what to type for it, where one command does it; shown on a line of its own, to be copied.
    """

    def __init__(self, reason: str, remedy: str, command: str = "") -> None:
        super().__init__(f"{reason}; {remedy}{': ' if command else ''}{command}")
        self.reason = reason
        self.remedy = remedy
        self.command = command
