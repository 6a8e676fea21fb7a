"""The roles: the seven folders of a member, in the order in which the package shows them.

Source: the tree that ALMA's archive prescribed for Cycle 0 deliveries.
"""

from enum import StrEnum


class Role(StrEnum):
    """What a packaged file is for; also the name of its folder in the member."""

    RAW = "raw"
    CALIBRATED = "calibrated"
    CALIBRATION = "calibration"
    SCRIPT = "script"
    QA = "qa"
    LOG = "log"
    PRODUCT = "product"

    @property
    def folder(self) -> bytes:
        """The folder of the role, relative to the member."""
        return self.value.encode()


ROLES: tuple[Role, ...] = tuple(Role)
