import importlib
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from select import select
from typing import NoReturn

import pytest

from qa2pack.executor.casa.child_process import ChildDiedError, HostDiedError, _hosts, run_in_child, start_host
from qa2pack.executor.stop_signals import InterruptedByUser, Stop
from qa2pack.manifest.fs.meter import Meter, metered
from support.hosts import end_hosts, hosts_as_before


def take(count: int) -> int:
    return len(bytearray(count))


def fail() -> None:
    raise ValueError("no")


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def compute_without_end() -> None:
    while True:
        pass


def test_answer_comes_from_another_process() -> None:
    assert run_in_child(os.getpid, seconds=600) != os.getpid()


def test_exception_of_the_question_is_raised_here() -> None:
    with pytest.raises(ValueError, match="no"):
        run_in_child(fail, seconds=600)


def test_crash_is_reported_and_survived() -> None:
    with pytest.raises(ChildDiedError, match="crashed with SIGSEGV"):
        run_in_child(crash, seconds=600)


def test_question_without_end_is_ended() -> None:
    with pytest.raises(ChildDiedError, match="no answer in 1 seconds of computing"):
        run_in_child(compute_without_end, seconds=1)


def test_question_that_waits_has_much_more_time() -> None:
    """For a slow disk, or for its turn on a busy machine."""
    computing, _ = run_in_child(partial(resource.getrlimit, resource.RLIMIT_CPU), seconds=600)
    assert computing == 600
    assert run_in_child(partial(signal.alarm, 0), seconds=600) > 10 * computing


@pytest.mark.usefixtures("no_ends")
def test_answer_arrives_where_the_system_forgets_children_that_end() -> None:
    assert run_in_child(os.getpid, seconds=600) != os.getpid()


@pytest.mark.usefixtures("no_ends")
def test_crash_is_told_where_the_system_forgets_children_that_end() -> None:
    with pytest.raises(ChildDiedError, match="crashed with SIGSEGV"):
        run_in_child(crash, seconds=600)


def signal_itself(number: signal.Signals) -> str:
    os.kill(os.getpid(), number)
    return "done"


def tell_and_wait(pipe: Path) -> None:
    pipe.write_text(f"{os.getpid()}")
    time.sleep(600)


def read(pipe: Path) -> str:
    return pipe.read_text()


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_left_to_the_parent(number: signal.Signals) -> None:
    """A terminal sends it to both; the child must not look like one that crashed over a damaged table."""
    assert run_in_child(partial(signal_itself, number), seconds=600) == "done"


def test_stop_ends_a_child_that_works(pipe: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    stop = Stop()

    def look(_: int) -> None:
        stop.is_requested = select([reader], [], [], 0) != ([], [], [])  # the child is at work
        stop.check()

    with metered(Meter(look)), pytest.raises(InterruptedByUser):
        run_in_child(partial(tell_and_wait, pipe), seconds=600)
    with pytest.raises(ProcessLookupError):
        os.kill(int(os.read(reader, 20)), 0)
    os.close(reader)


def test_what_a_child_writes_is_counted_while_it_works(pipe: Path) -> None:
    sizes = iter([100, 100, 30, 250])
    noted: list[int] = []

    def note(byte_count: int) -> None:
        noted.append(byte_count)
        if sum(noted) == 250:
            pipe.write_text("enough")

    with metered(Meter(note)):
        answer = run_in_child(partial(read, pipe), seconds=600, written_bytes=lambda: next(sizes, 250))
    assert answer == "enough"
    assert noted == [100, 0, 0, 150]


def ask_and_exit(pipe: Path) -> NoReturn:
    try:
        run_in_child(partial(tell_and_wait, pipe), seconds=600)
    finally:
        os._exit(1)


def ask_in_a_fork(pipe: Path) -> tuple[int, int]:
    """Ask in a process that is forked for it; return that and the child that answers."""
    asking = os.fork()
    if asking == 0:
        ask_and_exit(pipe)
    return asking, int(pipe.read_text())


def assert_ends(process: int) -> None:
    deadline = time.monotonic() + 600
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.002)
    if is_alive(process):
        os.kill(process, signal.SIGKILL)
        pytest.fail("the child outlives its parent")


def end(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def test_child_ends_with_the_process_that_asked(pipe: Path) -> None:
    start_host()  # which goes on
    asking, child = ask_in_a_fork(pipe)
    end(asking)
    assert_ends(child)


def test_host_and_its_children_end_with_the_process_that_started_it(pipe: Path) -> None:
    starting = os.fork()
    if starting == 0:
        _hosts.clear()  # as in a program that has asked nothing yet
        ask_and_exit(pipe)
    child = int(pipe.read_text())
    host = parent(child)
    assert parent(host) == starting
    end(starting)
    assert_ends(child)
    assert_ends(host)


def test_host_that_is_killed_takes_its_child_along_and_is_replaced(pipe: Path) -> None:
    asking, child = ask_in_a_fork(pipe)
    os.kill(parent(child), signal.SIGKILL)
    _, status = os.waitpid(asking, 0)
    assert os.waitstatus_to_exitcode(status) == 1, "ChildDiedError ended it"
    assert_ends(child)
    assert run_in_child(os.getpid, seconds=600) != os.getpid()


def kill_host() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


def test_host_that_is_killed_is_told_with_the_signal_where_that_is_known(pipe: Path) -> None:
    end_hosts()
    start_host()
    with pytest.raises(HostDiedError, match="crashed with SIGKILL"):
        run_in_child(kill_host, seconds=600)
    end_hosts()
    start_host()  # by this process: one that is forked cannot know how it ends
    forked = os.fork()
    if forked == 0:
        try:
            run_in_child(kill_host, seconds=600)
        except HostDiedError as error:
            pipe.write_text(str(error))
        finally:
            os._exit(0)
    assert pipe.read_text() == "ended without an answer"
    os.waitpid(forked, 0)


def test_questions_of_forked_processes_go_to_one_host() -> None:
    reader, writer = os.pipe()
    mine = run_in_child(os.getppid, seconds=600)
    forked = os.fork()
    if forked == 0:
        try:
            os.write(writer, b"%d" % run_in_child(os.getppid, seconds=600))
        finally:
            os._exit(0)
    os.waitpid(forked, 0)
    assert int(os.read(reader, 20)) == mine
    os.close(reader)
    os.close(writer)


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])


def is_alive(pid: int) -> bool:
    """Tell whether the process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_demand_for_absurd_memory_is_refused() -> None:
    with pytest.raises(MemoryError):
        run_in_child(partial(take, 5 << 30), seconds=600)


@contextmanager
def low_limit() -> Iterator[int]:
    """Set a limit of memory that this process does not meet, and give back the one before."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 30), before[1]))
    try:
        yield used + (2 << 30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_limit_of_memory_of_the_caller_is_that_of_the_child() -> None:
    with low_limit() as limit:
        assert run_in_child(partial(resource.getrlimit, resource.RLIMIT_AS), seconds=600)[0] == limit


def test_host_of_other_limits_ends_with_the_test_and_that_of_all_stays() -> None:
    shared = run_in_child(os.getppid, seconds=600)
    with hosts_as_before(), low_limit():
        other = run_in_child(os.getppid, seconds=600)
        assert other != shared
    assert not is_alive(other)
    assert run_in_child(os.getppid, seconds=600) == shared


def test_first_host_is_one_for_all() -> None:
    end_hosts()
    with hosts_as_before(), low_limit():
        other = run_in_child(os.getppid, seconds=600)
    assert not is_alive(other)
    (host,) = _hosts
    assert run_in_child(os.getppid, seconds=600) == host.process.pid


def count_threads_with_numpy() -> int:
    importlib.import_module("numpy")
    return len(os.listdir("/proc/self/task"))


def test_child_starts_no_threads_of_numpy() -> None:
    assert run_in_child(count_threads_with_numpy, seconds=600) == 1


def test_printed_noise_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    run_in_child(partial(os.system, "echo noise; echo noise >&2"), seconds=600)
    assert capfd.readouterr() == ("", "")


def children() -> set[int]:
    """The processes that this one started and that are not reaped; other tests may have left some of their own."""
    return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def test_no_process_but_the_host_is_left_behind() -> None:
    start_host()
    before = children()
    child = run_in_child(os.getpid, seconds=600)
    assert not is_alive(child)
    assert children() == before
