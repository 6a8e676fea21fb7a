"""Roles: the seven folders of a member (raw, calibrated, ...), in the order in which the package shows them.

Source: the tree that the ALMA archive prescribed for Cycle 0 deliveries.
"""

from enum import StrEnum


class Role(StrEnum):
    """Purpose of a packaged file; also the name of its folder in the member."""

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
