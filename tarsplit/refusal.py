"""The exception for a delivery that is refused, with reason and remedy."""


class DeliveryRefused(Exception):
    """The delivery cannot be made as requested; no chunk was changed.

    Attributes:
        reason: why it is refused.
        remedy: what to type or do instead.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy
