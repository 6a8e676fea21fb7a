"""Deliveries of a package in changing states, killed at random moments: what is delivered in the end is whole.

An object keeps every version that was delivered. The long version, `make torture`, does it often, and in stores, too.
A moment is one of the time that the processor needs, so that it falls into the work on any machine.
"""

import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import ocfl
import pytest
from fsspec.core import url_to_fs

from qa2pack.pack.delivery import make, view  # here, for a killed process shall not spend its time on imports
from support.commands import run_redirected
from support.delivered_sets import RULES, UNIT, checked_delivery, package_run
from support.s3_servers import BUCKET, s3_server
from support.sftp_server import sftp_server
from support.snapshots import contents
from support.worlds import SEED

SETS = (
    f'[[delivery]]\nset = "{form}"\nform = "{form}"\nname = "P_{name}"\nselect = "**"\nalso = true\n'
    for form, name in (
        ("tar", "all.tar"),
        ("tgz", "all.tgz"),
        ("folder", "files"),
        ("bag", "bag"),
        ("ocfl", "object"),
    )
)
LONG = (("folder", 20), ("file", 20), ("sftp", 10), ("s3", 5))
_CONTEXT = multiprocessing.get_context("forkserver")
_IMPORTED = (make, view)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders with the package P, each in another state."""
    chance, layout = random.Random(SEED), f"{UNIT}{RULES}{''.join(SETS)}"
    large = chance.randbytes(400_000)  # more than is read at once
    found = []
    for number in range(3):
        found.append(tmp_path_factory.mktemp("state"))
        changing = {f"one/new{number}": chance.randbytes(3000), f"one/deep{number % 2}/moved": large}
        package_run(found[-1], layout, {"one/a": b"%d" % number, "same.txt": b"same", **changing})
    return found


@contextmanager
def address_of(kind: str, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield where to deliver."""
    match kind:
        case "s3":
            with s3_server(patch):
                yield f"s3://{BUCKET}/out"
        case "sftp":
            with sftp_server(folder / "server", patch) as address:
                yield f"{address}/out"
        case "file":
            yield f"file://{folder}/out"
        case _:
            yield f"{folder}/out"


def deliver_in_child(
    home: Path, address: str, killed_after: float, result: Connection, env: Mapping[str, str]
) -> None:
    """Deliver, and end without a word when so much time of the processor was used; 0: at the end."""
    os.environ.update(env)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, killed_after)
    option = "--to" if "://" in address else "--output"
    start = time.process_time()
    ran = run_redirected("deliver", home / "P", option, address, "--jobs", "1", "--json", "--replace")
    result.send((int(ran.code), ran.out + ran.err, time.process_time() - start))


def delivered(home: Path, address: str, killed_after: float = 0) -> tuple[int, str, float] | None:
    """Deliver in a process of its own; return exit code, what it said and the time that it took; None if killed."""
    _CONTEXT.set_forkserver_preload([__name__])
    here, there = _CONTEXT.Pipe(duplex=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))  # Python 3.11 preloads without `sys.path`
        words = (home, address, killed_after, there, {**os.environ})
        process = _CONTEXT.Process(target=deliver_in_child, args=words)
        process.start()
    there.close()
    with here:
        try:
            found: tuple[int, str, float] | None = here.recv()
        except EOFError:
            found = None
    process.join()
    assert found or process.exitcode == -signal.SIGPROF
    return found


def check_delivered(home: Path, address: str, folder: Path, versions: dict[str, Path]) -> None:
    """Check that a delivery is whole, and its object has all versions that were delivered; add the newest to them."""
    assert checked_delivery(address, home / "P") == []
    files, path = url_to_fs(address, skip_instance_cache=True)  # that of before may have ended
    files.invalidate_cache()
    for file in files.find(path):  # not all know how to fetch a folder
        target = folder / os.path.relpath(file, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        files.get_file(file, str(target))
    unfinished = (".part", ".state", ".begun", ".sender", ".before")
    assert not [name for name in os.listdir(folder) if name.endswith(unfinished)]
    passed, validator = ocfl.Object().validate(str(folder / "P_object"))
    assert passed, str(validator)
    versions[json.loads((folder / "P_object/inventory.json").read_bytes())["head"]] = home
    for version, of_home in versions.items():
        ocfl.Object().extract(str(folder / "P_object"), version, str(folder / version))
        assert contents(folder / version / "P") == contents(of_home / "P")
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("kind", "rounds"),
    [
        ("folder", 2),
        *(pytest.param(kind, count, marks=pytest.mark.torture) for kind, count in LONG),
    ],
)
def test_killed_at_any_moment_and_delivered_in_another_state(
    homes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, rounds: int
) -> None:
    chance, versions = random.Random(SEED), dict[str, Path]()
    with address_of(kind, tmp_path, monkeypatch) as address:
        first = delivered(homes[0], address)
        assert first and first[0] == 0, first
        check_delivered(homes[0], address, tmp_path / "copy", versions)
        for _ in range(rounds):
            for _ in range(chance.randrange(1, 4)):
                delivered(chance.choice(homes), address, chance.uniform(0.001, first[2]))
            home = chance.choice(homes)
            ran = delivered(home, address)
            assert ran and ran[0] == 0, ran
            check_delivered(home, address, tmp_path / "copy", versions)
