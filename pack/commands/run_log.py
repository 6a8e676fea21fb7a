"""Log entries about a whole run: check of the log's path, command, user and versions, exit code and time."""

import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

import typer

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.plan.user_name import user_name
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack import PROGRAM
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.protected_paths import protected_place
from qa2pack.pack.terminal.log_file import Level, LogFile, logging_to

_LIBRARIES = ("msgpack", "numpy", "python-casacore", "rich", "typer", "xxhash")


def check_log_place(path: bytes, *, origin: bytes | None, package: Package | None) -> None:
    """Refuse a log at a protected path; an empty path is no log.

    Raises:
        Refused: the path is protected.
    """
    if not path:
        return
    if place := protected_place(path, package, origin):
        raise Refused(Problem(Code.OUTPUT_PROTECTED, path, found=f"a place in {place}"))


@contextmanager
def run_logged(path: bytes, verb: str, command: str) -> Iterator[None]:
    """Log what happens in this context, with a first and a last line about the run.

    Args:
        command: the command line, or the call.
    """
    began = time.monotonic()
    with logging_to(path, verb) as log:
        log.write(Level.INFO, f"begin: {command}")
        log.write(Level.INFO, f"folder {_folder()}, user {user_name()}, host {os.uname().nodename}")
        log.write(Level.INFO, f"{PROGRAM}, Python {platform.python_version()}, {platform.platform()}")
        log.write(Level.INFO, ", ".join(_versions()))
        try:
            yield
        except BaseException as error:
            _log_end(log, error, time.monotonic() - began)
            raise
        _log_end(log, None, time.monotonic() - began)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError as error:  # the current folder was removed or is unreadable; the work may not need it
        return f"unknown ({error.strerror})"


def _versions() -> Iterator[str]:
    for name in _LIBRARIES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            yield f"{name} missing"


def _log_end(log: LogFile, error: BaseException | None, seconds: float) -> None:
    match error:
        case None:
            how = "done"
        case typer.Exit(exit_code=int(code)):
            how = f"exit code {code}"
        case typer.BadParameter():
            log.write(Level.ERROR, error.format_message())
            how = f"exit code {Exit.USAGE.value}"
        case _:
            how = f"{type(error).__name__}: {error}"
    sys.stdout.flush()
    is_fault = error is not None and not (isinstance(error, typer.Exit) and not error.exit_code)
    log.write(Level.ERROR if is_fault else Level.INFO, f"end: {how}, after {seconds:.3f} s")
