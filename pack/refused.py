"""The exception of a refused command, with reason, remedy and command to type."""


class Refused(Exception):
    """The command cannot be done as requested; nothing was changed.

    Attributes:
        reason: why it is refused.
        remedy: what to do instead.
        command: the command that does it, if there is one; shown on a line of its own, to be copied.
    """

    def __init__(self, reason: str, remedy: str, command: str = "") -> None:
        super().__init__(f"{reason}; {remedy}{': ' if command else ''}{command}")
        self.reason = reason
        self.remedy = remedy
        self.command = command
