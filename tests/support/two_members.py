"""A package of two members, and the reduction that the second is made of."""

from pathlib import Path

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from support.in_process import Delivery, make_reduction

FIRST, SECOND = "group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2"


def other_reduction(delivery: Delivery) -> Delivery:
    """Make another reduction for the package, of another execution block."""
    return Delivery(make_reduction(delivery.origin.parent / "sb2", uid="uid___A002_X1_X2", seed=2), delivery.path)


def make_two(delivery: Delivery, other: Delivery, mode: Mode = Mode.HARD) -> Path:
    """Make the package with a member of each, and return its path."""
    delivery.make(mode)
    other.make(mode, append=Append.MEMBER)
    return delivery.path
