"""Progress as JSON for programs: one object a line, for each event; not more than twice a second within a phase."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self, TextIO

from qa2pack.manifest.path import shown

_SECONDS = 0.5


class Objects:
    """Writes the objects; as a context manager also the first and the last one, whatever ends the work.

    Args:
        clock: seconds.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._began = self._told = clock()
        self._name = ""
        self._files = self._all_files = 0
        self._bytes = self._all_bytes = 0

    def __enter__(self) -> Self:
        self._write({"event": "started"})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_phase()
        self._write({"event": "finished", "is_whole": kind is None})

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Begin a phase, or tell its totals, which are 0 where they are not known."""
        is_new = name != self._name
        if is_new:
            self._end_phase()
            self._name, self._files, self._bytes = name, 0, 0
        self._all_files, self._all_bytes = file_count, byte_count
        self._tell("phase-begin" if is_new else "phase-totals")

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Count files and bytes as done in the phase."""
        self._files += file_count
        self._bytes += byte_count
        if self._name and self._clock() - self._told >= _SECONDS:
            self._tell("advanced")

    def _end_phase(self) -> None:
        if self._name:
            self._tell("phase-end")

    def _tell(self, event: str) -> None:
        self._told = self._clock()
        self._write(
            {
                "event": event,
                "phase": shown(self._name),
                "file_count": self._files,
                "all_file_count": self._all_files or None,
                "byte_count": self._bytes,
                "all_byte_count": self._all_bytes or None,
            }
        )

    def _write(self, fields: dict[str, str | int | float | bool | None]) -> None:
        line = json.dumps({**fields, "seconds": round(self._clock() - self._began, 3)})
        with suppress(OSError):  # nobody reads it any more
            print(line, file=self._stream, flush=True)
