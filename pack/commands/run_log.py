"""Log of a whole run: where it may lie, what goes into it and onto the screen, and its first and last lines."""

import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import metadata

import typer

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.event import Level, log_event
from qa2pack.manifest.fs.presence import is_file, real_path
from qa2pack.manifest.path import is_within
from qa2pack.manifest.plan.user_name import user_name
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack import PROGRAM
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.protected_paths import package_around, protected_place
from qa2pack.pack.terminal.choices import LogFormat
from qa2pack.pack.terminal.log_file import LogFile, logging_to_file, logging_to_screen
from qa2pack.pack.terminal.log_lines import LogLines, is_log_line

_LIBRARIES = ("jinja2", "msgpack", "numpy", "python-casacore", "rich", "typer", "xxhash", "zlib-ng")


@dataclass(frozen=True, slots=True)
class LogChoice:
    """What of a run is logged, and where.

    Attributes:
        path: absolute path of the log; empty for none.
        is_verbose: print the events of the work on stderr.
        is_debug: log all details as well; on stderr where there is no log.
    """

    path: bytes = b""
    form: LogFormat = LogFormat.TEXT
    is_verbose: bool = False
    is_debug: bool = False

    @property
    def level(self) -> Level:
        """Level of the log."""
        return Level.DEBUG if self.is_debug else Level.INFO

    @property
    def screen_level(self) -> Level | None:
        """Level of what is printed; None for nothing."""
        if self.is_debug and not self.path:
            return Level.DEBUG
        return Level.INFO if self.is_verbose else None


def check_log_place(path: bytes, *, origin: bytes | None, package: Package | None) -> None:
    """Refuse a log at a protected path, or in any other package.

    Raises:
        Refused: the path is protected.
    """
    place = protected_place(path, package, origin)
    if not place and (other := package_around(path) or package_around(real_path(path))):
        place = f"the package {other}"
    if place:
        raise Refused(Problem(Code.OUTPUT_PROTECTED, path, found=f"a place in {place}"))


def check_log_apart(path: bytes, named: Iterable[tuple[str, bytes]]) -> None:
    """Refuse a log that the command also reads or writes as something else.

    Args:
        named: all else that the command is given: each text that may be a path, with the name of its option. In a
            folder of these the log may be new, or a log already; a tar file of a delivery is neither.

    Raises:
        Refused: the log is one of these, or a file of another kind in one of these.
    """
    log = real_path(path)
    is_of_another_kind = _is_of_another_kind(log)
    for name, text in named:
        with suppress(OSError, ValueError):  # no path that anything can be at
            place = real_path(os.path.abspath(text))
            if place == log or (is_of_another_kind and (is_within(log, place) or os.path.samefile(log, place))):
                raise Refused(Problem(Code.OUTPUT_PROTECTED, path, found=f"a file of {name}"))


def _is_of_another_kind(log: bytes) -> bool:
    """Return whether a file is there that no log was written to; one that cannot be read may be a log."""
    with suppress(OSError):
        if is_file(log):
            with open(log, "rb") as file:
                start = file.read(100)
            return bool(start) and not is_log_line(start)
    return False


@contextmanager
def run_logged(choice: LogChoice, verb: str, command: str) -> Iterator[None]:
    """Log what happens in this context, with a first and a last line about the run.

    Args:
        command: the command line, or the call.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        if choice.screen_level:
            stack.enter_context(logging_to_screen(LogLines(verb), choice.screen_level))
        if choice.path:
            log = LogFile(choice.path, LogLines(verb, choice.form), sys.stderr)
            stack.enter_context(logging_to_file(log, choice.level))
        _log_begin(command)
        try:
            yield
        except BaseException as error:
            _log_end(error, time.monotonic() - began)
            raise
        _log_end(None, time.monotonic() - began)


def _log_begin(command: str) -> None:
    folder, user, host = _folder(), user_name(), os.uname().nodename
    python, system, versions = platform.python_version(), platform.platform(), dict(_versions())
    log_event(__name__, "begin", f"begin: {command}", command_line=command)
    log_event(__name__, "place", f"folder {folder}, user {user}, host {host}", folder=folder, user=user, host=host)
    text = f"{PROGRAM}, Python {python}, {system}"
    log_event(__name__, "program", text, program=PROGRAM, python=python, system=system)
    text = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    log_event(__name__, "versions", text, Level.INFO, **versions)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError as error:  # the current folder was removed or is unreadable; the work may not need it
        return f"unknown ({error.strerror})"


def _versions() -> Iterator[tuple[str, str | None]]:
    for name in _LIBRARIES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, None


def _log_end(error: BaseException | None, seconds: float) -> None:
    code: int | None = None
    match error:
        case None:
            how = "done"
        case typer.Exit(exit_code=int(code)):
            how = f"exit code {code}"
        case typer.BadParameter():
            log_event(__name__, "usage", error.format_message(), Level.ERROR)
            code = Exit.USAGE.value
            how = f"exit code {code}"
        case _:
            how = f"{type(error).__name__}: {error}"
    sys.stdout.flush()
    is_fault = error is not None and not (isinstance(error, typer.Exit) and not error.exit_code)
    level = Level.ERROR if is_fault else Level.INFO
    text = f"end: {how}, after {seconds:.3f} s"
    log_event(__name__, "end", text, level, exit_code=code, seconds=round(seconds, 3))
