"""Progress display: a bar on a terminal, otherwise a line every half minute; JSON for programs; nothing with --quiet.

Written to stderr. No thread is started, because worker processes are forked while the bar is shown; the bar is
redrawn when progress is reported, at most ten times a second.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, TextIO, assert_never

from qa2pack.manifest.humanize import counted, human_bytes, human_seconds
from qa2pack.manifest.path import shown
from qa2pack.manifest.progress import Progress, Silent
from qa2pack.pack.terminal.choices import ProgressForm
from qa2pack.pack.terminal.output_streams import terminal_of
from qa2pack.pack.terminal.progress_objects import Objects
from qa2pack.pack.terminal.style import is_coloured

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_LINE_SECONDS = 30.0
_BAR_SECONDS = 0.1


@contextmanager
def shown_progress(form: ProgressForm) -> Iterator[Progress]:
    """Yield the progress display for stderr; a bar is removed from the terminal at the end."""
    match form:
        case ProgressForm.AUTO:
            with shown_progress(ProgressForm.BAR if sys.stderr.isatty() else ProgressForm.LINES) as progress:
                yield progress
        case ProgressForm.BAR:
            with closing(Bar()) as bar:
                yield bar
        case ProgressForm.LINES:
            yield Lines(terminal_of(sys.stderr))
        case ProgressForm.JSON:
            with Objects(terminal_of(sys.stderr)) as objects:
                yield objects
        case ProgressForm.NONE:
            yield Silent()
        case _:
            assert_never(form)


class Lines:
    """Writes a line every half minute."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._last = clock()
        self._all_files = self._all_bytes = 0
        self._begin("")

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Begin a phase, or tell its totals, which are 0 where they are not known."""
        if name != self._name:
            self._begin(name)
        self._all_files, self._all_bytes = file_count, byte_count
        self._report()

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Count files and bytes as done in the phase."""
        self._files += file_count
        self._bytes += byte_count
        self._report()

    def _begin(self, name: str) -> None:
        self._name = name
        self._started = self._clock()
        self._files = self._bytes = 0

    def _report(self) -> None:
        now = self._clock()
        if now - self._last < _LINE_SECONDS:
            return
        self._last = now
        print(self._line(now - self._started), file=self._stream, flush=True)

    def _line(self, seconds: float) -> str:
        left = time_left(self._fraction(), seconds)
        parts = [self._files_words(), *self._bytes_words(seconds), *([f"{human_seconds(left)} left"] if left else [])]
        return f"{shown(self._name)}: {', '.join(parts)}"

    def _files_words(self) -> str:
        if not self._all_files:
            return counted(self._files, "file")
        # A phase without bytes may count tables instead of files.
        return f"{self._files:,} of {self._all_files:,}" + (" files" if self._all_bytes else "")

    def _bytes_words(self, seconds: float) -> Iterator[str]:
        if self._all_bytes or self._bytes:
            yield human_bytes(self._bytes) + (f" of {human_bytes(self._all_bytes)}" if self._all_bytes else "")
            yield f"{human_bytes(round(self._bytes / seconds)) if seconds > 0 else '0 B'}/s"

    def _fraction(self) -> float:
        if self._all_bytes:
            return self._bytes / self._all_bytes
        return self._files / self._all_files if self._all_files else 0.0


def time_left(fraction: float, seconds: float) -> float | None:
    """Return the remaining seconds when this fraction took so many seconds; None if unknown."""
    return seconds * (1 - fraction) / fraction if 0 < fraction <= 1 else None


class Bar:
    """Draws a bar on a terminal."""

    def __init__(self) -> None:
        self._rich: RichProgress | None = None
        self._task: TaskID | None = None
        self._name = ""
        self._drawn = self._began = time.monotonic()
        self._files = self._all_files = 0
        self._bytes = self._all_bytes = 0

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Begin a phase, or tell its totals, which are 0 where they are not known."""
        is_new = self._task is None or name != self._name
        self._all_files, self._all_bytes = file_count, byte_count
        if is_new:
            self._begin(name)
        elif self._task is not None:
            self._started().update(self._task, total=self._total, completed=self._done, words=self._words())
        self._draw(is_due=True)

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Count files and bytes as done in the phase."""
        if self._task is None:
            return
        self._files += file_count
        self._bytes += byte_count
        self._started().update(self._task, completed=self._done, words=self._words())
        self._draw(is_due=False)

    def close(self) -> None:
        """Remove the bar from the screen."""
        if self._rich is not None:
            self._rich.stop()
            self._rich = None

    def _begin(self, name: str) -> None:
        rich = self._started()
        if self._task is not None:
            rich.remove_task(self._task)
        self._name = name
        self._files = self._bytes = 0
        self._began = time.monotonic()
        self._task = rich.add_task(shown(name), total=self._total, words=self._words())

    @property
    def _total(self) -> int | None:
        return self._all_bytes or self._all_files or None

    @property
    def _done(self) -> int:
        return self._bytes if self._all_bytes else self._files

    def _words(self) -> str:
        """Return files, bytes and rate, at most half a line of 80 columns."""
        return " ".join(filter(None, (self._files_words(), self._bytes_words())))

    def _files_words(self) -> str:
        if self._all_files and not self._all_bytes:
            return f"{self._files:,}/{self._all_files:,}"  # files or tables
        return counted(self._files, "file") if self._files or self._all_bytes else ""

    def _bytes_words(self) -> str:
        if not self._all_bytes and not self._bytes:
            return ""
        seconds = max(time.monotonic() - self._began, _BAR_SECONDS)
        total = f"/{human_bytes(self._all_bytes)}" if self._all_bytes else ""
        return f"{human_bytes(self._bytes)}{total} {human_bytes(round(self._bytes / seconds))}/s"

    def _draw(self, *, is_due: bool) -> None:
        now = time.monotonic()
        if is_due or now - self._drawn >= _BAR_SECONDS:
            self._drawn = now
            self._started().refresh()

    def _started(self) -> "RichProgress":
        if self._rich is None:
            self._rich = _rich_progress()
            self._rich.start()
        return self._rich


def _rich_progress() -> "RichProgress":
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress
    from rich.table import Column

    screen = terminal_of(sys.stderr)
    # On a short line the name is cut, because a cut number would be wrong.
    return RichProgress(
        TextColumn(
            "{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
        ),
        BarColumn(bar_width=8),
        TextColumn("{task.fields[words]}", markup=False, table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        console=Console(
            file=screen, markup=False, highlight=False, force_terminal=True, no_color=not is_coloured(screen)
        ),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        expand=True,
    )
