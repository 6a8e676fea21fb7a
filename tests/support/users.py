"""Being an ordinary user for a while, where the tests run as root."""

import codecs
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import cast

import pytest

from qa2pack.executor.casa.child_process import _Host
from qa2pack.executor.casa.host import serve
from qa2pack.executor.engine.local import PoolEngine
from support.source_code import project_modules

NOBODY = 65_534


@contextmanager
def as_ordinary_user() -> Iterator[int]:
    """Yield the number of a user who is not root, and whom this process is until the end of the block.

    Python itself may be out of that user's reach, so all that is loaded when it is needed is loaded before; and so
    may the folder for temporary files be, in place of which /tmp is taken.
    """
    if os.geteuid() != 0:
        yield os.geteuid()
        return
    _load_everything()
    groups = os.getgroups()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", "/tmp")
        patch.setattr("tempfile.tempdir", "/tmp")
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, 0)
        os.setresuid(NOBODY, NOBODY, 0)
        patch.setattr("qa2pack.executor.casa.child_process._started", _forked_host)
        try:
            yield NOBODY
        finally:
            os.setresuid(0, 0, 0)
            os.setresgid(0, 0, 0)
            os.setgroups(groups)


def _forked_host(_: object, caller: tuple[object, ...]) -> _Host:
    """Return a host of casacore that is a fork of this process: that user may not execute root's Python."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    starting = os.getpid()
    forked = os.fork()
    if forked == 0:
        ours.close()
        serve(theirs.detach(), starting)
    theirs.close()
    return _Host(ours, caller, cast("subprocess.Popen[bytes]", _Forked(forked)))


@dataclass(frozen=True, slots=True)
class _Forked:
    """What a host is asked of its process."""

    pid: int

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        os.waitpid(self.pid, 0)


@cache
def _load_everything() -> None:
    for module in project_modules():
        if module.package in ("executor", "manifest", "pack", "tarsplit"):
            import_module("qa2pack." + module.name.removesuffix(".py").replace("/", "."))
    with PoolEngine(2) as engine:
        list(engine.run(abs, deque([1, 2])))
    codecs.lookup("cp437")  # of names in zip files
    import_module("email.parser")  # the standard library imports it late
    import_module("importlib.readers")
    metadata.version("qa2pack")  # whatever Dask puts in place of the standard library's reads modules late, too


@contextmanager
def folder_of_everybody() -> Iterator[Path]:
    """Yield an empty folder that every user can reach and write to."""
    folder = Path(tempfile.mkdtemp(prefix="qa2pack-test-", dir="/tmp"))
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        for inner, folders, _ in os.walk(folder):
            for name in folders:  # before the walk comes there: it leaves out what it may not read
                if not os.path.islink(os.path.join(inner, name)):
                    os.chmod(os.path.join(inner, name), 0o700)
        shutil.rmtree(folder)
