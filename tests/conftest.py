"""What more than one test module needs set up."""

import gc
import os
import signal
import tarfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.fs import lock_file
from support.delivered_sets import extract_safely
from support.hosts import end_hosts, hosts_as_before
from support.in_process import Delivery, make_reduction
from support.receiver import Receiver
from support.signatures import ALICE, Key, known_signers, make_key
from support.tools import REQUIRED
from support.two_members import make_two, other_reduction

pytest.register_assert_rewrite("support.outcomes", "support.worlds")  # they assert on behalf of tests

_ARCHIVE = Path(__file__).parent / "data" / "casa_reduction.tar.xz"


# How long an example takes depends on what else the machine does.
# Each of thousands of processes would compile the whole program anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("project", deadline=None)
settings.load_profile("project")


_LONG = 100


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name long values by their length: pytest before 9 gives the name to every child process, in its environment."""
    return f"{len(val)}-long" if isinstance(val, bytes | str) and len(val) > _LONG else None


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """A small reduction without measurement sets, and a place for its package."""
    return Delivery(make_reduction(tmp_path / "sb1"), tmp_path / "2011.0.00229.S")


@pytest.fixture
def other(delivery: Delivery) -> Delivery:
    """Another reduction for the package."""
    return other_reduction(delivery)


@pytest.fixture
def package(delivery: Delivery, other: Delivery) -> Path:
    """A package with a member of each, by hard links."""
    return make_two(delivery, other)


@pytest.fixture
def two(delivery: Delivery, other: Delivery) -> Delivery:
    """The second member of a package of two, which are copies."""
    make_two(delivery, other, Mode.COPY)
    return other


@pytest.fixture
def key(tmp_path: Path) -> Key:
    """A key to sign with."""
    return make_key(tmp_path / "key")


@pytest.fixture
def signers(tmp_path: Path, key: Key) -> Path:
    """A file of known signers, who are whoever has the key."""
    return known_signers(tmp_path / "signers", f"{ALICE} {key.text}")


@pytest.fixture
def no_ends() -> Iterator[None]:
    """Let the system forget children that end, as where the program was started by one that ignores SIGCHLD."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, before)


@pytest.fixture
def interrupted() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, whatever a library makes of it when it is imported, here or elsewhere."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def casa_reduction(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reduction folder of a project, with measurement sets written by CASA. Shared: not to be changed."""
    folder = tmp_path_factory.mktemp("casa")
    with tarfile.open(_ARCHIVE) as archive:
        extract_safely(archive, folder)
    (project,) = folder.iterdir()
    return project


@pytest.fixture(autouse=True)
def _no_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the defaults of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith("PACK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere")
    monkeypatch.setenv("XDG_STATE_HOME", "/nowhere")


@pytest.fixture(autouse=True)
def _locks_read_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process read a `table.lock` itself, as a command does, which has no casacore.

    Tests have it, and would fork for each lock: of a process this large, a tenth of the time of all tests. Those that
    hold locks of tables, as CASA does, are marked `in_casa`.
    """
    if request.node.get_closest_marker("in_casa") is None:
        monkeypatch.setattr(lock_file, "_has_casacore", lambda: False)


@pytest.fixture(autouse=True)
def _no_hosts_left() -> Iterator[None]:
    """See `hosts_as_before`."""
    with hosts_as_before():
        yield


def pytest_sessionfinish() -> None:
    """Leave no process behind."""
    end_hosts()


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over the thousands of tests and modules, which stay to the end.

    It would also write to their memory in each child that is forked, and so copy it.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run three workers for two processors: a fifth of the time tests wait, for disks and for what they started."""
    return (os.cpu_count() or 1) * 3 // 2 or 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count a skipped test as a failure where everything that tests need is said to be there."""
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason}; with QA2PACK_REQUIRE_TOOLS=1 no test may be skipped: type make test-tools"
    return report


@pytest.fixture
def receiver(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Receiver:
    """Nothing is delivered yet."""
    return Receiver(tmp_path, capsys)


@pytest.fixture
def delivered(receiver: Receiver) -> Receiver:
    """A delivery of one member is there."""
    receiver.deliver()
    return receiver
