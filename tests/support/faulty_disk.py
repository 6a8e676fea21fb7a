"""Disks that count what is changed, and fail or stop at one chosen change.

Every public method of `executor.io.disk.Disk` is one mutating call, also those that are added to it later. A method
that is built on another one counts once. After a stop the disk is dead: handlers and `finally` blocks of the
stopped program, which would not run if it had been killed, change nothing any more.
"""

import errno
import functools
import os
from collections.abc import Callable
from enum import Enum
from typing import Any

from qa2pack.executor.io.disk import Disk
from qa2pack.manifest.alma.package import README
from qa2pack.manifest.casa.column_split import SplitSpec

MUTATING_CALLS = tuple(name for name in vars(Disk) if not name.startswith("_"))


class Stopped(BaseException):
    """The program ends here; no handler for errors takes it."""


class Fault(Enum):
    """What goes wrong at the chosen call."""

    STOP_BEFORE = "stop-before"
    STOP_HALFWAY = "stop-halfway"  # of a write half is there, of a split a damaged table; else as STOP_BEFORE
    STOP_AFTER = "stop-after"
    ENOSPC = errno.ENOSPC
    EIO = errno.EIO
    EACCES = errno.EACCES
    EXDEV = errno.EXDEV


ERRORS = (Fault.ENOSPC, Fault.EIO, Fault.EACCES, Fault.EXDEV)


class SplitMemory:
    """Does what casacore did when a table of the same files was split before: the same input gives the same bytes."""

    def __init__(self) -> None:
        self._known: dict[tuple[SplitSpec, frozenset[tuple[bytes, bytes]]], dict[bytes, bytes]] = {}

    def split(self, table: bytes, spec: SplitSpec) -> None:
        """Split the staged table as `Disk.split_table` does."""
        content = frozenset((entry.name, _read(entry.path)) for entry in os.scandir(table) if entry.is_file())
        known = self._known.get((spec, content))
        if known is None:
            Disk().split_table(table, spec)
            self._known[spec, content] = {name: _read(os.path.join(table, name)) for name, _ in spec.sizes}
            return
        for name in spec.placeholders:
            os.unlink(os.path.join(table, name))
        for name, data in known.items():
            _rewrite(os.path.join(table, name), data)


def _read(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _rewrite(path: bytes, data: bytes) -> None:
    """Write the file in place, as casacore does, so that a link among them would show."""
    with open(path, "r+b") as file:
        file.truncate()
        file.write(data)


class WatchedDisk(Disk):
    """A disk that passes every outermost call through `around`."""

    def __init__(self, splits: SplitMemory | None = None) -> None:
        """Make a disk; it splits tables from memory if it is given one."""
        self._is_inside = False
        self._splits = splits

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call; to be overridden."""
        return call()

    def pass_through(self, name: str, *args: Any, **options: Any) -> Any:
        """Do the real call, through `around` unless it is made by another one."""
        call = functools.partial(getattr(Disk, name), self, *args, **options)
        if name == "split_table" and self._splits is not None:
            call = functools.partial(self._splits.split, *args, **options)
        if self._is_inside:
            return call()
        self._is_inside = True
        try:
            return self.around(name, call, *args, **options)
        finally:
            self._is_inside = False


def _watched(name: str) -> Callable[..., Any]:
    def method(self: WatchedDisk, *args: Any, **options: Any) -> Any:
        return self.pass_through(name, *args, **options)

    return method


for _name in MUTATING_CALLS:
    setattr(WatchedDisk, _name, _watched(_name))


class CountingDisk(WatchedDisk):
    """Counts the calls.

    Attributes:
        calls: their names.
    """

    def __init__(self, splits: SplitMemory | None = None) -> None:
        super().__init__(splits)
        self.calls: list[str] = []

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Count the call and do it."""
        self.calls.append(name)
        return call()


class FaultyDisk(CountingDisk):
    """Fails once, at one call, or stops there for ever."""

    def __init__(self, fault: Fault, at: int, splits: SplitMemory | None = None) -> None:
        """Let the fault happen at call number `at`, from 0."""
        super().__init__(splits)
        self._fault = fault
        self._at = at
        self._is_dead = False

    @property
    def has_failed(self) -> bool:
        """Tell whether the chosen call was made."""
        return len(self.calls) > self._at

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Count the call and do it, or what the fault makes of it."""
        if self._is_dead:
            raise Stopped
        self.calls.append(name)
        if len(self.calls) - 1 != self._at:
            return call()
        if self._fault in ERRORS:
            half(name, args)
            raise OSError(self._fault.value, os.strerror(self._fault.value), f"{name} {args}")
        self._is_dead = True
        if self._fault is Fault.STOP_AFTER:
            call()
        if self._fault is Fault.STOP_HALFWAY:
            half(name, args)
        raise Stopped


def half(name: str, args: tuple[Any, ...]) -> None:
    """Do half of a write, or damage the table that is to be split as a split that was stopped would."""
    if name in ("write", "append"):
        fd, data = args
        os.write(fd, bytes(data)[: len(data) // 2])
    if name == "split_table":
        damage_table(*args)


def damage_table(table: bytes, spec: SplitSpec) -> None:
    """Cut the first file that a split writes, and remove the first that it has no use for afterwards."""
    for name in spec.written[:1]:
        path = os.path.join(table, name)
        os.truncate(path, os.path.getsize(path) // 2)
    for name in spec.placeholders[:1]:
        os.unlink(os.path.join(table, name))


class StoppingDisk(WatchedDisk):
    """Stops for ever before the first call of a name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._is_dead = False

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call, or stop."""
        self._is_dead = self._is_dead or name == self._name
        if self._is_dead:
            raise Stopped
        return call()


class DiscardStoppingDisk(StoppingDisk):
    """Stops when the first README is removed: that of the replaced package."""

    def __init__(self) -> None:
        super().__init__("stop")

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call, or stop."""
        return super().around("stop" if name == "unlink" and args[:1] == (README,) else name, call, *args, **options)


class PublishStoppingDisk(StoppingDisk):
    """Stops before a package gives way to its successor.

    Args:
        package: its path.
        may_exchange: False is as a file system that cannot exchange.
    """

    def __init__(self, package: bytes, *, may_exchange: bool = True) -> None:
        super().__init__("stop")
        self._package = package
        self._may_exchange = may_exchange

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call, or stop."""
        if name == "exchange" and not self._may_exchange:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        is_it = name in ("exchange", "rename") and self._package in args[:2]
        return super().around("stop" if is_it else name, call, *args, **options)


class ReplaceStoppingDisk(StoppingDisk):
    """Stops for ever before the call that follows the replacement of one path."""

    def __init__(self, target: bytes) -> None:
        super().__init__("")
        self._target = target

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call, or stop."""
        result = super().around(name, call, *args, **options)
        if name == "replace" and args[1] == self._target:
            self._is_dead = True
        return result
