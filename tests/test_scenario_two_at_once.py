"""Two people, or two terminals, at one package: what one looked at is what is applied, and nothing comes between.

A process is held between plan and apply by a full pipe at its stdout, and inside an apply by `support.slow_pack`; so
nobody has to catch the moment.
"""

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import pytest

from qa2pack.executor.errors import OriginChangedError
from qa2pack.executor.status import State, read_status
from qa2pack.executor.transaction.lock import NO_WAIT, Wait, holder, locked_for_writing
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.manifest.problem import Code
from qa2pack.pack.api import ApplyOptions, Workers, package, request_for
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs import plan as plan_job
from qa2pack.pack.jobs.control_folder import locked_control, made_control
from support.commands import ROOT, run_here, run_in_child
from support.deliveries import DAY, PROJECT, make_package
from support.in_process import Delivery, make_reduction, write
from support.late_stop import stopped_too_late

Capsys = pytest.CaptureFixture[str]
_PIPE_BYTES = 4096
_LOOK_SECONDS = 0.01
_WHOLE = ("--mode", "copy", "--quiet", "--jobs", "1")
_LEGACY_CALL = "import sys; from QA2_Packaging_module import QA_Packager; QA_Packager(*sys.argv[1:], mode='copy')"


@dataclass(frozen=True, slots=True)
class Two:
    """One package, and the two deliveries that two people want to make of it."""

    ours: Delivery
    theirs: Delivery

    @property
    def path(self) -> Path:
        return self.ours.path

    def is_ours(self) -> bool:
        """Tell whether the package is whole, and of our origin."""
        script = "scriptForImaging.py"
        same = (self.ours.member / "script" / script).read_bytes() == (self.ours.origin / script).read_bytes()
        return same and self.ours.problems() == []


@pytest.fixture
def two(delivery: Delivery, tmp_path: Path) -> Two:
    return Two(delivery, replace(delivery, origin=make_reduction(tmp_path / "other sb", seed=2)))


def planned_digest(two: Delivery) -> str:
    ran = run_in_child("plan", two.origin, two.path, "--json", *_WHOLE)
    digest = json.loads(ran.out)["plan_digest"]
    assert isinstance(digest, str)
    return digest


def pack(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "qa2pack.pack", *(os.fspath(word) for word in words)]


@contextmanager
def started(
    command: list[str], *, out: int = subprocess.DEVNULL, more: Mapping[str, str] = MappingProxyType({})
) -> Iterator["subprocess.Popen[str]"]:
    """Start a process that ends with the test.

    Args:
        more: variables of its environment.
    """
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", **more}
    with subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def held_after_plan(command: list[str], two: Two) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """Hold a process that shows its plan and then applies it; yield it with the pipe whose emptying lets it go on."""
    for number in range(300):  # left out, each with a line: more than the pipe and the process hold
        write(two.ours.origin / f"a note of the reducer that no rule of the layout takes {number}", b"")
    out, to_out = os.pipe()
    fcntl.fcntl(to_out, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    try:
        with started(command, out=to_out) as process:
            os.close(to_out)
            while not os.path.exists(two.ours.package.plan):
                assert process.poll() is None, process.communicate()
                time.sleep(_LOOK_SECONDS)
            yield process, out
    finally:
        os.close(out)


def emptied(pipe: int) -> str:
    pieces = []
    while piece := os.read(pipe, _PIPE_BYTES):
        pieces.append(piece)
    return b"".join(pieces).decode()


# --- the plan that was looked at


def test_plan_of_another_origin_is_not_applied_for_the_one_that_was_looked_at(two: Two) -> None:
    ours, _ = planned_digest(two.ours), planned_digest(two.theirs)
    ran = run_in_child("apply", two.path, "--expect", ours, *_WHOLE[2:])
    assert ran.code == Exit.FAILED
    assert Code.PLAN_OTHER in ran.err
    assert os.fspath(two.theirs.origin) in ran.err
    assert not two.path.exists()


@pytest.mark.parametrize("digits", [8, 16, 32])
def test_expected_plan_is_applied(capsys: Capsys, two: Two, digits: int) -> None:
    two.theirs.plan(Mode.COPY)
    digest = two.ours.plan(Mode.COPY).stream.digest.hex()
    assert run_here(capsys, "apply", two.path, "--expect", digest[:digits].upper()).code == Exit.DONE
    assert two.is_ours()


@pytest.mark.parametrize("text", ["", "0123456", "0123456g", "0" * 33])
def test_what_is_no_digest_is_a_usage_error(capsys: Capsys, two: Two, text: str) -> None:
    two.ours.plan()
    ran = run_here(capsys, "apply", two.path, "--expect", text)
    assert (ran.code, "--expect" in ran.err) == (Exit.USAGE, True)
    assert not two.path.exists()


def test_plan_shows_the_digest_that_apply_expects(capsys: Capsys, two: Two) -> None:
    shown = run_here(capsys, "plan", two.ours.origin, two.path, *_WHOLE).out
    (digest,) = [line.split()[1] for line in shown.splitlines() if line.startswith("  digest ")]
    assert run_here(capsys, "apply", two.path, "--expect", digest).code == Exit.DONE


def test_apply_reports_first_whose_plan_it_applies(capsys: Capsys, two: Two) -> None:
    two.ours.plan(Mode.COPY)
    digest = two.theirs.plan(Mode.COPY).stream.digest.hex()
    ran = run_here(capsys, "apply", two.path, "--json", "--quiet")
    assert ran.err.splitlines() == [
        f"Applying the plan {digest[:16]}:",
        f"  origin   {two.theirs.origin}",
        "  member   group_ouss_id/member_ouss_id",
        "  mode     copy",
    ]
    fields = json.loads(ran.out)
    assert (fields["origin"], fields["mode"], fields["plan_digest"]) == (os.fspath(two.theirs.origin), "copy", digest)


# --- plan and apply under one lock


@pytest.mark.parametrize("way", ["package", "legacy call"])
def test_nobody_comes_between_plan_and_apply(two: Two, way: str) -> None:
    paths = list(map(os.fspath, (two.ours.origin, two.path)))
    ours = {
        "package": pack("package", *paths, *_WHOLE),
        "legacy call": [sys.executable, "-c", _LEGACY_CALL, paths[0], "", paths[1]],
    }
    with held_after_plan(ours[way], two) as (process, out):
        assert run_in_child("plan", two.theirs.origin, two.path, *_WHOLE).code == Exit.LOCKED
        ran = run_in_child("apply", two.path)
        assert (ran.code, f"process {process.pid}" in ran.err) == (Exit.LOCKED, True)
        assert not two.path.exists()
        assert "Packaged" in emptied(out)
        assert process.wait() == Exit.DONE
    assert two.is_ours()


def test_api_packages_in_one_call(two: Two) -> None:
    two.theirs.plan(Mode.COPY)
    request = request_for(two.ours.origin, two.ours.package, mode=Mode.COPY)
    assert package(request, ApplyOptions(), Workers(jobs=1)).plan is not None
    assert two.is_ours()


def test_json_of_both_is_one_object(capsys: Capsys, two: Two) -> None:
    fields = json.loads(run_here(capsys, "package", two.ours.origin, two.path, "--json", "--tree", *_WHOLE).out)
    assert (fields["command"], fields["mode"], fields["resumed_phase"]) == ("package", "copy", "none")
    assert {each["path"] for each in fields["files"]} >= {"script/scriptForImaging.py"}


def test_refused_package_leaves_nothing_behind(capsys: Capsys, two: Two) -> None:
    inside = two.ours.origin / "2011.0.00229.S"
    before = two.ours.origin.stat().st_mtime_ns
    assert run_here(capsys, "package", two.ours.origin, inside, *_WHOLE).code == Exit.FAILED
    assert two.ours.origin.stat().st_mtime_ns == before
    assert run_here(capsys, "package", two.ours.origin, two.path, "--readme", "missing", *_WHOLE).code == Exit.FAILED
    assert not is_folder(two.ours.package.control)


# --- killed on the way


def test_killed_between_plan_and_apply_the_plan_waits(capsys: Capsys, two: Two) -> None:
    with held_after_plan(pack("package", two.ours.origin, two.path, *_WHOLE), two) as (process, _):
        process.kill()
        process.wait()
    assert read_status(two.ours.package, OpenedFiles()).state is State.PLANNED
    assert not two.path.exists()
    assert run_here(capsys, "apply", two.path).code == Exit.DONE
    assert two.is_ours()


@contextmanager
def held_in_staging(two: Two, mark: Path) -> Iterator["subprocess.Popen[str]"]:
    """Hold `pack package` where it stages its first file, as long as the mark is there."""
    staging = os.fsdecode(two.ours.package.control) + "/staging"
    with held_at(staging, mark, "package", two.ours.origin, two.path, *_WHOLE) as process:
        yield process


@contextmanager
def held_at(folder: str | Path, mark: Path, *words: str | Path) -> Iterator["subprocess.Popen[str]"]:
    """Hold a command where it first opens something below a folder, until the mark is gone."""
    command = [sys.executable, "-m", "support.slow_pack", *map(str, words)]
    with started(command, more={"QA2PACK_TEST_HOLD": str(folder), "QA2PACK_TEST_HELD": str(mark)}) as process:
        while not mark.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(_LOOK_SECONDS)
        yield process


def test_killed_inside_the_apply_it_goes_on_with_apply(capsys: Capsys, two: Two, tmp_path: Path) -> None:
    with held_in_staging(two, tmp_path / "held") as process:
        process.kill()
        process.wait()
    assert not two.path.exists()
    again = run_here(capsys, "package", two.ours.origin, two.path, *_WHOLE)
    assert (again.code, f"pack apply {two.path}" in again.err) == (Exit.FAILED, True)
    assert run_here(capsys, "status", two.path).out.count(f"pack apply {two.path}") == 1
    assert run_here(capsys, "apply", two.path).code == Exit.DONE
    assert two.is_ours()


def test_stopped_inside_the_apply_it_names_apply_to_go_on(two: Two, tmp_path: Path) -> None:
    with held_in_staging(two, tmp_path / "held") as process:
        process.terminate()
        (tmp_path / "held").unlink()
        _, reported = process.communicate()
    assert process.returncode == Exit.RESUMABLE
    assert f"  pack apply {two.path}\n" in reported


def test_stop_that_planning_is_too_far_for_ends_the_command_before_the_apply(
    capsys: Capsys, two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("package", two.ours.origin, two.path, *_WHOLE)
    with monkeypatch.context() as patch:
        patch.setattr(plan_job, "plan", stopped_too_late(plan_job.plan))
        assert run_here(capsys, *words).code == Exit.RESUMABLE
    assert not two.path.exists()
    assert run_here(capsys, *words).code == Exit.DONE
    assert two.is_ours()


def test_package_goes_on_with_what_was_staged_before_the_origin_changed(capsys: Capsys, two: Two) -> None:
    two.ours.plan(Mode.COPY)
    write(two.ours.origin / "scriptForImaging.py", b"another")
    with pytest.raises(OriginChangedError):
        two.ours.apply()
    ran = run_here(capsys, "package", two.ours.origin, two.path, *_WHOLE)
    assert (ran.code, ran.err.splitlines()[0]) == (
        Exit.DONE,
        "A new plan replaces the one that was stopped while staging.",
    )
    assert two.is_ours()


# --- waiting


@pytest.mark.parametrize("verb", ["plan", "package", "apply", "rollback"])
def test_command_waits_for_the_one_that_holds_the_lock_and_names_it(two: Two, verb: str) -> None:
    two.ours.make(Mode.COPY) if verb == "rollback" else two.ours.plan(Mode.COPY)
    origin: list[str | Path] = [two.ours.origin, *_WHOLE] if verb in ("plan", "package") else []
    command = pack(verb, *origin, two.path, "--wait", "600")
    with ExitStack() as held, ExitStack() as lock:
        lock.enter_context(locked_for_writing(lock_path(two.ours.package)))
        process = held.enter_context(started(command))
        assert process.stderr is not None
        assert f"process {os.getpid()} on " in process.stderr.readline()
        assert process.poll() is None
        lock.close()
        process.communicate()
        assert process.returncode == Exit.DONE


def test_wait_ends_with_the_code_of_a_locked_package(capsys: Capsys, two: Two) -> None:
    two.ours.plan(Mode.COPY)
    with locked_for_writing(lock_path(two.ours.package)):
        ran = run_here(capsys, "apply", two.path, "--wait", "1")
    assert ran.code == Exit.LOCKED
    assert ran.err.startswith(f"Locked by process {os.getpid()} on ")
    assert ": waiting, at most 1 s\n" in ran.err


def test_stop_ends_the_wait(two: Two) -> None:
    two.ours.plan(Mode.COPY)
    with (
        locked_for_writing(lock_path(two.ours.package)),
        started(pack("apply", two.path, "--wait", "600")) as process,
    ):
        assert process.stderr is not None
        process.stderr.readline()
        process.terminate()
        process.communicate()
        assert process.returncode == Exit.RESUMABLE


def test_who_waits_for_a_run_that_is_refused_makes_the_control_folder_itself(two: Two) -> None:
    """The one that was refused removes the control folder that it made, with the lock that the other waits for."""
    package, is_waiting, found = two.ours.package, threading.Event(), []

    def wait() -> None:
        with locked_control(package, Wait(600, lambda _: is_waiting.set())):
            found.append(holder(lock_path(package)))

    thread = threading.Thread(target=wait)
    with suppress(ZeroDivisionError), locked_control(package, NO_WAIT):
        thread.start()
        is_waiting.wait()
        raise ZeroDivisionError
    thread.join()
    assert found and f"process {os.getpid()} on " in str(found[0])


def test_control_folder_of_others_is_not_removed_while_they_hold_its_lock(two: Two) -> None:
    path = lock_path(two.ours.package)
    with ExitStack() as theirs:
        with suppress(ZeroDivisionError), made_control(two.ours.package):
            theirs.enter_context(locked_for_writing(path))
            raise ZeroDivisionError
        assert is_folder(two.ours.package.control)


# --- one delivery

BY_PATH, BY_ADDRESS = "--output=", "--to=file://"
WAYS = pytest.mark.parametrize(
    ("first", "second"), [(first, second) for first in (BY_PATH, BY_ADDRESS) for second in (BY_PATH, BY_ADDRESS)]
)


@dataclass(frozen=True, slots=True)
class Delivering:
    """A package, and the folder that it is delivered to."""

    package: Path
    out: Path

    def words(self, way: str) -> tuple[str | Path, ...]:
        size = ("--size", "70000", "--jobs", "1")
        return "tarsplit", self.package, "-n", DAY, *size, f"{way}{self.out}"

    @contextmanager
    def held(self, way: str, mark: Path) -> Iterator["subprocess.Popen[str]"]:
        """Hold a run where it reads the first file of the package, until the mark is gone."""
        with held_at(self.package / "sg_ouss_id", mark, *self.words(way)) as process:
            yield process


@pytest.fixture
def delivering(tmp_path: Path) -> Delivering:
    make_package(tmp_path / PROJECT, {"qa/a.png": b"a" * 50_000, "script/b.py": b"b" * 60_000})
    return Delivering(tmp_path / PROJECT, tmp_path / "out")


@WAYS
def test_one_run_writes_a_delivery_however_its_folder_is_named(
    capsys: Capsys, delivering: Delivering, tmp_path: Path, first: str, second: str
) -> None:
    with delivering.held(first, tmp_path / "held") as process:
        before = sorted(os.listdir(delivering.out))
        ran = run_here(capsys, *delivering.words(second))
        assert (ran.code, sorted(os.listdir(delivering.out))) == (Exit.LOCKED, before), ran.err
        (tmp_path / "held").unlink()
        assert process.wait() == Exit.DONE, process.communicate()
    assert run_here(capsys, "tarsplit", "--check", delivering.out, delivering.package).code == Exit.DONE
    names = sorted(os.listdir(delivering.out))
    assert run_here(capsys, *delivering.words(second)).code == Exit.DONE
    assert sorted(os.listdir(delivering.out)) == names, "neither leaves a lock"


@WAYS
def test_killed_delivery_is_finished_however_its_folder_is_named(
    capsys: Capsys, delivering: Delivering, tmp_path: Path, first: str, second: str
) -> None:
    with delivering.held(first, tmp_path / "held") as process:
        process.kill()
        process.wait()
    assert run_here(capsys, *delivering.words(second)).code == Exit.DONE
    assert run_here(capsys, "tarsplit", "--check", delivering.out, delivering.package).code == Exit.DONE
    assert not [name for name in os.listdir(delivering.out) if name.startswith(".") or name.endswith(".sender")]
