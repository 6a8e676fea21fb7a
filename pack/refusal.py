"""Why a command that only looks cannot do what was asked, in words."""


class Refused(Exception):
    """What was asked for cannot be done; nothing was changed.

    Attributes:
        reason: what stands against it.
        remedy: what to type or do instead.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy
