"""Grown totals: the totals of a plan after files turned out longer, or shorter, than they were planned.

Apart from `manifest.plan.totals`, which makes totals of a scan, because an apply scans nothing.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from qa2pack.manifest.format.header import Total
from qa2pack.manifest.path import shown


def grown(totals: Iterable[Total], growth: Iterable[tuple[bytes, int]]) -> tuple[Total, ...]:
    """Return the totals of a member after some roles got that many bytes more, or less."""
    by_role = Counter[str]()
    for role, byte_count in growth:
        by_role[shown(role)] += byte_count
    return tuple(replace(total, byte_count=total.byte_count + by_role[total.role]) for total in totals)
