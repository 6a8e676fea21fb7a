"""Whatever people do to origin and package between the commands, no command loses what a file of either had.

Nothing is known here of how a package is made. What counts is content: before each command that is all that is in
the files of the origins and of the package; after it, all of it is still somewhere, whether the command ended, was
refused or was stopped. README and placeholders are made anew by every plan and do not count.
"""

import gzip
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import README
from qa2pack.manifest.problem import PackError
from support.faulty_disk import Fault, FaultyDisk, Stopped
from support.histories import settings_of
from support.in_process import Delivery, make_reduction
from support.origin_bytes import roll_back
from support.worlds import scratch_root, write_layout_with_bundles

_MODES = (Mode.COPY, Mode.HARD, Mode.MOVE)
_APPENDS = (Append.NOTHING, Append.NOTHING, Append.MEMBER, Append.GROUP)
_NEVER = 10**6  # more calls than any command makes
_Deeds = list[tuple[str, str, int]]


def _delete(path: Path, data: bytes, twin: Path | None) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _write(path: Path, data: bytes, twin: Path | None) -> None:
    (path / "new" if path.is_dir() else path).write_bytes(data)


def _forge(path: Path, data: bytes, twin: Path | None) -> None:
    """Write other content of the same size in place, and set the time back."""
    if path.is_file():
        status = path.stat()
        path.write_bytes(data[-status.st_size :].rjust(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _forge_anew(path: Path, data: bytes, twin: Path | None) -> None:
    """Put another file of the same size and time in its place."""
    if path.is_file():
        status = path.stat()
        path.unlink()
        path.write_bytes(data[-status.st_size :].rjust(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _copy_anew(path: Path, data: bytes, twin: Path | None) -> None:
    """Put a copy of it in its place, as a disk that is copied."""
    other = path.with_name("copied")
    subprocess.run(["cp", "-aL", path, other], check=False, stderr=subprocess.DEVNULL)
    if other.exists():
        _delete(path, data, twin)
        other.rename(path)


def _touch(path: Path, data: bytes, twin: Path | None) -> None:
    if path.exists():
        os.utime(path)


def _rename(path: Path, data: bytes, twin: Path | None) -> None:
    path.rename(path.with_name(f"{path.name}.old"))


def _swap(path: Path, data: bytes, twin: Path | None) -> None:
    """Exchange it with what lies beside it."""
    other = min(each for each in path.parent.iterdir())
    if other != path:
        path.rename(path.with_name("between"))
        other.rename(path)
        path.with_name("between").rename(other)


def _link_to_twin(path: Path, data: bytes, twin: Path | None) -> None:
    """Save space: put a link to the other one in its place."""
    if twin is not None and twin.resolve() != path.resolve():
        _delete(path, data, twin)
        path.symlink_to(twin)


def _become_twin(path: Path, data: bytes, twin: Path | None) -> None:
    """Put a hard link to the other one in its place, if both are on one disk."""
    if twin is not None and twin.is_file() and path.is_file() and not twin.samefile(path):
        other = path.with_name("linked")
        with suppress(OSError):
            other.hardlink_to(twin.resolve())
            other.replace(path)


def _take_from_twin(path: Path, data: bytes, twin: Path | None) -> None:
    """Put a copy of the other one in its place, with its times."""
    if twin is not None and twin.is_file() and path.is_file() and not twin.samefile(path):
        path.unlink()
        shutil.copy2(twin, path)


_ACTS = {
    each.__name__.strip("_"): each
    for each in (
        _delete, _write, _forge, _forge_anew, _copy_anew, _touch, _rename, _swap,
        _link_to_twin, _become_twin, _take_from_twin,
    )
}  # fmt: skip

# What somebody does, on which side, and to which of all files and folders there.
_DEEDS = st.lists(
    st.tuples(
        st.sampled_from(("delete", *_ACTS, "copy_disk", "go_or_come")),
        st.sampled_from(("first", "first", "second", "package")),
        st.integers(0, 10**6),
    ),
    max_size=3,
)


def _calls(count: int) -> st.SearchStrategy[int]:
    """Return before which call a command is stopped, most times before none."""
    return st.one_of(st.just(_NEVER), st.just(_NEVER), st.integers(0, count))


class ContentMachine(RuleBasedStateMachine):
    """An origin on the disk of the package, one on another disk if there is one, and people who are not careful."""

    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.root = self._stack.enter_context(scratch_root())
        self.away = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.origins = [self.root / "here/first", self.away / "second"]
        for origin in self.origins:
            shutil.copytree(self.template / origin.name, origin)
        self.deliveries = [Delivery(origin, self.root / "here/2011.0.00229.S") for origin in self.origins]
        self.path = self.deliveries[0].path
        self.layout = write_layout_with_bundles(self.root)
        self._written = 0

    def teardown(self) -> None:
        """Remove the world."""
        self._stack.close()

    @rule(
        which=st.sampled_from((0, 0, 1)),
        mode=st.sampled_from(_MODES),
        append=st.sampled_from(_APPENDS),
        has_bundles=st.booleans(),
        at=_calls(250),
        deeds=_DEEDS,
    )
    def make(self, which: int, mode: Mode, append: Append, has_bundles: bool, at: int, deeds: _Deeds) -> None:
        """Plan and apply, and stop at some call or never."""
        delivery = self.deliveries[which]
        layout = {"layout": str(self.layout)} if has_bundles else {}

        def run() -> None:
            delivery.plan(mode, append=append, **layout)
            delivery.apply(FaultyDisk(Fault.STOP_BEFORE, at), keep_previous=KeepPrevious.YES)

        self._safely(run, deeds)

    @precondition(lambda self: os.path.exists(self.deliveries[0].package.control))
    @rule(at=_calls(150), deeds=_DEEDS)
    def go_on(self, at: int, deeds: _Deeds) -> None:
        """Apply what waits, or finish what was stopped."""
        disk = FaultyDisk(Fault.STOP_BEFORE, at)
        self._safely(lambda: self.deliveries[0].apply(disk, keep_previous=KeepPrevious.YES), deeds)

    @precondition(lambda self: os.path.exists(self.deliveries[0].package.control))
    @rule(at=_calls(150), deeds=_DEEDS)
    def roll_back(self, at: int, deeds: _Deeds) -> None:
        """Roll back what was begun, or ended last."""
        disk = FaultyDisk(Fault.STOP_BEFORE, at)
        self._safely(lambda: roll_back(self.deliveries[0], disk), deeds, is_visible=True)

    def _copy_disk(self) -> None:
        """Copy all to another disk: all inodes are others, and hard links stay what they are."""
        subprocess.run(["cp", "-a", self.root / "here", self.root / "new"], check=True)
        shutil.rmtree(self.root / "here")
        (self.root / "new").rename(self.root / "here")

    def _safely(self, command: Callable[[], object], deeds: _Deeds, *, is_visible: bool = False) -> None:
        """Let somebody do something, then the command, and look for all that was there in between."""
        for name, side, at in deeds:
            self._somebody(name, {"first": self.origins[0], "second": self.origins[1]}.get(side, self.path), at)
        before = _contents(*self.origins, self.path)
        homes = [*self.origins, self.path] if is_visible else [self.root, self.away]
        try:
            command()
        except (PackError, Stopped) as error:
            note(f"{type(error).__name__}: {error}")
            homes = [self.root, self.away]
        lost = before.keys() - _contents(*homes).keys()
        assert not lost, [str(before[data]) for data in lost]

    def _somebody(self, name: str, side: Path, at: int) -> None:
        elsewhere = side.with_name(f"{side.name}.elsewhere")
        paths = sorted(_entries(side))
        note(f"{name} {paths[at % len(paths)] if paths else side}")
        if name == "copy_disk":
            self._copy_disk()
        elif name == "go_or_come" and side.exists() != elsewhere.exists():
            side.rename(elsewhere) if side.exists() else elsewhere.rename(side)
        elif name in _ACTS and paths:
            path = paths[at % len(paths)]
            self._written += 1
            with suppress(OSError):  # it cannot be done, as beside a link that leads nowhere
                _ACTS[name](path, f"written {self._written}\n".encode(), self._twin(path))

    def _twin(self, path: Path) -> Path | None:
        """Return a file or folder of the same name on the other side."""
        others = self.origins if path.is_relative_to(self.path) else [self.path]
        found = (each for other in others for each in sorted(_entries(other)) if each.name == path.name)
        return next(found, None)


def _entries(root: Path) -> Iterator[Path]:
    """Yield all files, folders and links below root."""
    for folder, folders, files in os.walk(root):
        yield from (Path(folder) / name for name in (*folders, *files))


def _contents(*roots: Path) -> dict[bytes, Path]:
    """Return the contents of all files below the roots, each with the first path that has it."""
    found: dict[bytes, Path] = {}
    for root in roots:
        for path in _entries(root):
            is_counted = path.name != os.fsdecode(README) and ".qa2pack." not in path.name  # what is being prepared
            if path.is_file() and not path.is_symlink() and is_counted:
                for data in _read(path):
                    found.setdefault(data, path)
    return found


def _read(path: Path) -> Iterator[bytes]:
    """Yield the content of a file, or of the files in a bundle, which the package makes."""
    data = path.read_bytes()
    try:
        if path.name.endswith(".tgz"):
            with tarfile.open(fileobj=io.BytesIO(data)) as bundle:
                yield from [file.read() for entry in bundle if (file := bundle.extractfile(entry))]
        else:
            yield gzip.decompress(data) if path.suffix == ".gz" else data
    except (tarfile.TarError, OSError, EOFError, zlib.error):  # somebody wrote another file there
        yield data


@pytest.fixture(scope="module", autouse=True)
def reductions(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make the two reductions that every package of this module is made of."""
    ContentMachine.template = tmp_path_factory.mktemp("reductions")
    for seed, name in enumerate(("first", "second")):
        make_reduction(ContentMachine.template / name, seed=seed)


def test_no_sequence_loses_content() -> None:
    short = settings(settings_of(max_examples=10, stateful_step_count=5), derandomize=True)  # many are for torture
    run_state_machine_as_test(ContentMachine, settings=short)


@pytest.mark.torture
def test_no_long_sequence_loses_content() -> None:
    run_state_machine_as_test(ContentMachine, settings=settings_of(max_examples=3000, stateful_step_count=25))
