"""Why a delivery cannot be made, in words."""


class DeliveryRefused(Exception):
    """What was asked for cannot be done; no chunk was touched.

    Attributes:
        reason: what stands against it.
        remedy: what to type or do instead.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy
