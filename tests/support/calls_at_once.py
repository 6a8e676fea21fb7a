"""Counters of the calls that are under way at once."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from qa2pack.manifest.fs.at_once import each
from qa2pack.pack.jobs.engines import Workers

AT_ONCE = 3


class Counted:
    """`each`, which notes on how many items it worked at a time."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def __call__(self, work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        self.counts.append(len(items))
        return each(work, items)


class Late:
    """`call_count` for file systems that answer late, which notes the folders that it is asked about."""

    def __init__(self) -> None:
        self.measured: list[Path] = []

    def __call__(self, _: Workers, reads: Iterable[bytes]) -> int:
        self.measured += (Path(os.fsdecode(path)) for path in reads)
        return AT_ONCE
