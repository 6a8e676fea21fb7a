"""The engine on a Dask cluster: real schedulers, real worker processes on the loopback, real kills."""

import ast
import errno
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dask
import pytest
from distributed import LocalCluster

from qa2pack.executor.apply import ApplyOptions, apply_plan, running_boot
from qa2pack.executor.engine.dask import Cluster, ClusterEngine, SharedPaths
from qa2pack.executor.engine.dask_worker import (
    SharedFolder,
    Terms,
    find_fault,
    folders_written,
    run_on_worker,
    running_python,
    shared_folder,
)
from qa2pack.executor.engine.errors import NoWorkersError, WorkersDiedError, WorkersLostError
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.publish.origin_links import OriginBatch, OriginResult
from qa2pack.executor.stage.batch import StageBatch
from qa2pack.executor.stage.bundle import BundleBatch
from qa2pack.executor.stage.context import StagingContext
from qa2pack.executor.stage.table import SplitBatch
from qa2pack.executor.stop_signals import InterruptedByUser, Stop
from qa2pack.executor.transaction.journal import read_journal
from qa2pack.executor.transaction.lock import LockedError, StrayError, admit_workers, locked_for_writing, working_for
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.executor.transaction.recovery import begin_of
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.file_state import FileState
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.meter import STEP_BYTES, current_meter
from qa2pack.manifest.progress import Silent
from qa2pack.manifest.scan.batches import BatchGroup, BigFile, ScanBatch, ScanOptions, Subtree, SubtreeBatch
from qa2pack.manifest.scan.device_numbers import renumber_batch, renumber_result
from qa2pack.manifest.scan.walk import scan_batch
from qa2pack.manifest.verify.package import verify_package
from qa2pack.pack.cli import main as pack
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.errors.failure import failure_of
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.delivery_source import open_source
from qa2pack.pack.jobs.engines import running_program
from qa2pack.pack.target import target_of
from qa2pack.pack.tarsplit_command import main as tarsplit
from qa2pack.pack.terminal.style import Style
from support.clusters import cluster_apart, local_cluster, wait_until, worker_processes
from support.deliveries import cut_up, make_package
from support.in_process import Delivery, add_measurement_sets, write
from support.signatures import ALICE, known_signers, make_key
from support.snapshots import contents
from support.source_code import ROOT, project_modules
from support.tools import needs_tool

PLOTS = "X8c/uid___A002_X3c9295_X8c.ms.tsys.plots"


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers that come back when they are killed, and a scheduler that gives a batch up at the first death.

    On a busy machine that takes longer than the 15 s after which a cluster gives a worker up for good.
    """
    settings = {"distributed.scheduler.allowed-failures": 0, "distributed.deploy.lost-worker-timeout": "1h"}
    with dask.config.set(settings), local_cluster(2) as made:
        yield made


@pytest.fixture
def workers(cluster: LocalCluster) -> LocalCluster:
    """The two workers, when both have come back."""
    wait_until(lambda: len(names_of_workers(cluster)) == 2)
    return cluster


@pytest.fixture
def shared(tmp_path: Path) -> SharedPaths:
    return SharedPaths((os.fsencode(tmp_path),), os.fsencode(tmp_path / "lock"))


@pytest.fixture
def many(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> Delivery:
    """A reduction of many small batches: each folder is one."""
    for folder in range(60):
        for name in range(4):
            write(delivery.origin / PLOTS / f"d{folder:02d}/plot{name}.png", os.urandom(20_000))
    monkeypatch.setattr("qa2pack.manifest.format.record_codec._GROUP_BYTES", 1)
    return delivery


@dataclass
class Killer(Silent):
    """Kills something when the first batch of a phase is done."""

    kill: Callable[[], None]
    is_done: bool = False

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        if not self.is_done:
            self.is_done = True
            self.kill()


@dataclass(frozen=True, slots=True)
class Deadly:
    """A batch that kills its worker as often as there are names left in the folder."""

    folder: Path
    number: int


def die_first(batch: Deadly) -> int:
    names = sorted(batch.folder.iterdir()) if batch.number == 5 else []
    if names:
        names[0].unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return batch.number


def read_on(batch: Deadly) -> int:
    """Say that it has begun, and read for long, as far as the meter lets it."""
    (batch.folder / str(batch.number)).touch()
    for _ in range(60_000):
        current_meter().add(STEP_BYTES)
        time.sleep(0.001)
    return batch.number


def process_of(_: int) -> int:
    time.sleep(0.02)
    return os.getpid()


def umask_of(_: int) -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def fail_without_space(_: int) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def another_program_on_each_process() -> str:
    return f"program of process {os.getpid()}"


def cluster_at(address: str, reported: list[str] | None = None) -> Cluster:
    return Cluster(address, running_program, report=(reported if reported is not None else []).append)


def kill_one(cluster: LocalCluster) -> None:
    next(process for process in worker_processes(cluster)).send_signal(signal.SIGKILL)


def engine_for(delivery: Delivery, address: str) -> ClusterEngine:
    package = delivery.package
    return ClusterEngine(
        cluster_at(address), SharedPaths((package.parent, os.fsencode(delivery.origin)), lock_path(package))
    )


# The same as on one machine


def test_commands_do_the_same_on_a_cluster(delivery: Delivery, workers: LocalCluster, tmp_path: Path) -> None:
    add_measurement_sets(delivery.origin)
    here, there = tmp_path / "here/2011.0.00229.S", tmp_path / "there/2011.0.00229.S"
    for path, where in ((here, []), (there, ["--cluster", workers.scheduler_address])):
        path.parent.mkdir()
        assert pack(["plan", str(delivery.origin), str(path), "--mode", "copy", "--quiet", *where]) == Exit.DONE
        assert pack(["apply", str(path), "--quiet", *where]) == Exit.DONE
        assert pack(["verify", str(path), "--quiet", *where]) == Exit.DONE
        output = str(path.parent / "out")
        assert tarsplit(["-n", "2012-06-20", str(path), "--output", output, "--quiet", *where]) == Exit.DONE
        assert tarsplit(["--check", output, "--quiet", *where]) == Exit.DONE
    assert contents(there) == contents(here)
    (journal,) = (there.parent / "2011.0.00229.S.pack/finished").iterdir()
    begin = begin_of(read_journal(os.fsencode(journal)))
    assert begin.boot not in ("", running_boot())  # else what other machines staged would be believed when resuming


def test_verify_on_a_cluster_finds_what_is_wrong(
    delivery: Delivery, workers: LocalCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery.make(Mode.COPY)
    (delivery.member / "log/casapy-2012-05-03T115433.log").write_bytes(b"other")
    assert pack(["verify", str(delivery.path), "--cluster", workers.scheduler_address]) == Exit.PROBLEMS
    assert "casapy-2012-05-03T115433.log" in capsys.readouterr().out


def test_work_is_done_by_the_workers(workers: LocalCluster, shared: SharedPaths) -> None:
    with ClusterEngine(cluster_at(workers.scheduler_address), shared) as engine:
        processes = set(engine.run(process_of, deque(range(20))))
    assert processes == {process.pid for process in worker_processes(workers)}


def test_error_of_the_work_comes_back_as_it_is(workers: LocalCluster, shared: SharedPaths) -> None:
    engine = ClusterEngine(cluster_at(workers.scheduler_address), shared)
    with engine, pytest.raises(OSError, match="No space left") as caught:
        list(engine.run(fail_without_space, deque([1])))
    assert caught.value.errno == errno.ENOSPC


def test_workers_write_with_the_umask_of_the_command(workers: LocalCluster, shared: SharedPaths) -> None:
    before = os.umask(0o027)
    try:
        with ClusterEngine(cluster_at(workers.scheduler_address), shared) as engine:
            assert list(engine.run(umask_of, deque([1]))) == [0o027]
    finally:
        os.umask(before)


def test_no_more_batches_side_by_side_than_asked_for(workers: LocalCluster, shared: SharedPaths) -> None:
    cluster = replace(cluster_at(workers.scheduler_address), limit=1)
    with ClusterEngine(cluster, shared) as engine:
        assert len(set(engine.run(process_of, deque(range(20))))) == 1


def test_nothing_is_left_beside_the_lock(workers: LocalCluster, shared: SharedPaths, tmp_path: Path) -> None:
    with ClusterEngine(cluster_at(workers.scheduler_address), shared) as engine:
        list(engine.run(process_of, deque(range(4))))
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


# Workers that are lost


def test_batches_of_lost_workers_run_again(workers: LocalCluster, shared: SharedPaths, tmp_path: Path) -> None:
    folder = tmp_path / "deaths"
    folder.mkdir()
    for number in range(2):
        (folder / str(number)).touch()
    with ClusterEngine(cluster_at(workers.scheduler_address), shared) as engine:
        assert sorted(engine.run(die_first, deque(Deadly(folder, n) for n in range(12)))) == list(range(12))
    assert list(folder.iterdir()) == []


def test_bytes_of_running_batches_are_seen_and_a_stop_ends_these(
    workers: LocalCluster, shared: SharedPaths, tmp_path: Path
) -> None:
    folder = tmp_path / "begun"
    folder.mkdir()
    stop = Stop()
    seen: list[int] = []

    def watch(running_bytes: int) -> None:
        seen.append(running_bytes)
        have_begun = len(list(folder.iterdir())) >= engine.jobs  # the last of the workers may take its time
        stop.is_requested = have_begun and len({count for count in seen if count}) > 2

    queue = deque(Deadly(folder, number) for number in range(6))
    with (
        ClusterEngine(cluster_at(workers.scheduler_address), shared, stop, watch) as engine,
        pytest.raises(InterruptedByUser),
    ):
        list(engine.run(read_on, queue))
    assert sorted(batch.number for batch in queue) == list(range(6))
    assert len(list(folder.iterdir())) == engine.jobs, "the others had not begun"


def test_batch_that_kills_every_worker_is_given_up(
    workers: LocalCluster, shared: SharedPaths, tmp_path: Path
) -> None:
    folder = tmp_path / "deaths"
    folder.mkdir()
    for number in range(10):
        (folder / str(number)).touch()
    with ClusterEngine(cluster_at(workers.scheduler_address), shared) as engine, pytest.raises(WorkersDiedError):
        list(engine.run(die_first, deque([Deadly(folder, 5)])))


def test_batches_that_wait_for_workers_that_are_gone_get_others(shared: SharedPaths, tmp_path: Path) -> None:
    folder = tmp_path / "deaths"
    folder.mkdir()
    (folder / "0").touch()
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 3}),
        local_cluster(1) as cluster,
        ClusterEngine(cluster_at(cluster.scheduler_address), shared) as engine,
    ):
        assert sorted(engine.run(die_first, deque(Deadly(folder, n) for n in range(8)))) == list(range(8))


def test_apply_survives_a_worker_killed_in_the_middle(many: Delivery, workers: LocalCluster) -> None:
    many.plan(Mode.COPY)
    killer = Killer(lambda: kill_one(workers))
    with engine_for(many, workers.scheduler_address) as engine:
        apply_plan(
            many.package,
            ApplyOptions(),
            engine=engine,
            disk=Disk(),
            progress=killer,
            opened=OpenedFiles(),
            open_delivery=open_source,
        )
    assert killer.is_done
    assert many.problems() == []
    assert len(list(many.member.rglob("plot?.png"))) == 240


def test_verify_survives_a_worker_killed_in_the_middle(many: Delivery, workers: LocalCluster) -> None:
    many.make(Mode.COPY)
    (plot,) = many.member.rglob("d50/plot1.png")
    plot.write_bytes(b"x" * 20_000)
    killer = Killer(lambda: kill_one(workers))
    with ClusterEngine(cluster_at(workers.scheduler_address), SharedPaths((many.package.path,))) as engine:
        found = list(verify_package(many.package, OpenedFiles(), is_quick=False, engine=engine, progress=killer))
    assert killer.is_done
    assert [os.path.basename(problem.path) for problem in found] == [b"plot1.png"]


def test_lost_scheduler_leaves_an_apply_that_goes_on(many: Delivery) -> None:
    many.plan(Mode.COPY)
    with (
        cluster_apart() as (process, address),
        engine_for(many, address) as engine,
        pytest.raises(WorkersLostError) as caught,
    ):
        apply_plan(
            many.package,
            ApplyOptions(),
            engine=engine,
            disk=Disk(),
            progress=Killer(process.kill),
            opened=OpenedFiles(),
            open_delivery=open_source,
        )
    failure = failure_of(caught.value, Attempt("apply", target_of(str(many.path))), Style())
    assert failure.code == Exit.RESUMABLE
    assert "pack apply" in failure.text
    assert not many.path.exists()
    many.apply()
    assert many.problems() == []


# Workers that cannot be used


def test_no_scheduler_is_said(
    delivery: Delivery, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa2pack.executor.engine.dask._CONNECT_SECONDS", 1)
    code = pack(["plan", str(delivery.origin), str(delivery.path), "--cluster", "tcp://127.0.0.1:9"])
    assert code == Exit.FAILED
    assert "no scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err


def test_workers_with_another_program_are_named(workers: LocalCluster, shared: SharedPaths) -> None:
    cluster = Cluster(workers.scheduler_address, another_program_on_each_process)
    with pytest.raises(NoWorkersError) as caught:
        ClusterEngine(cluster, shared)
    named = sorted(process.pid for process in worker_processes(workers))
    assert len(caught.value.faults) == len(named)
    for pid, fault in zip(named, sorted(caught.value.faults, key=pid_in), strict=True):
        assert f"another program: program of process {pid}" in fault


def pid_in(fault: str) -> int:
    return int(fault.partition("(process ")[2].partition(" ")[0])


def test_worker_in_another_mount_namespace_is_named_and_not_used(
    workers: LocalCluster, shared: SharedPaths, tmp_path: Path
) -> None:
    command = f"mount -t tmpfs none {tmp_path} && exec {sys.executable} -m distributed.cli.dask_worker"
    options = "--no-nanny --no-dashboard --nthreads 1 --host 127.0.0.1 --name stranger"
    if subprocess.run([needs_tool("unshare"), "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("unshare --mount is not permitted here")
    reported: list[str] = []
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", f"{command} {workers.scheduler_address} {options}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/tests"},
        stderr=subprocess.DEVNULL,
    ) as foreign:
        try:
            wait_until(lambda: "stranger" in names_of_workers(workers))
            with ClusterEngine(cluster_at(workers.scheduler_address, reported), shared) as engine:
                processes = set(engine.run(process_of, deque(range(30))))
        finally:
            foreign.kill()
    assert [pid_in(fault) for fault in reported] == [foreign.pid]
    assert f"another folder at {tmp_path}" in reported[0]
    assert foreign.pid not in processes


# What is looked for


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"python": "2.7"}, "another Python"),
        ({"user": 4711}, "another user"),
        ({"program": "other"}, "another program"),
        ({"token": b"other"}, "does not see what is written"),
    ],
)
def test_fault_of_a_worker_is_found(shared: SharedPaths, change: dict[str, object], said: str) -> None:
    admit_workers(shared.lock, b"token")
    assert find_fault(terms(shared)) == ""
    assert said in find_fault(replace(terms(shared), **change))  # type: ignore[arg-type]


def test_missing_and_other_folders_are_found(shared: SharedPaths, tmp_path: Path) -> None:
    (tmp_path / "origin").mkdir()
    known = shared_folder(os.fsencode(tmp_path / "origin"))
    reading = replace(terms(shared), lock=b"", shared_folders=(known,))
    assert find_fault(reading) == ""
    assert "another folder" in find_fault(replace(reading, shared_folders=(replace(known, inode=known.inode + 1),)))
    (tmp_path / "origin").rmdir()
    assert "does not see" in find_fault(reading)


def terms(shared: SharedPaths) -> Terms:
    return Terms(
        program=running_program(),
        name_program=running_program,
        python=running_python(),
        user=os.geteuid(),
        umask=0o022,
        shared_folders=(),
        lock=shared.lock,
        token=b"token",
    )


# What is written is on disk, and only by those who may


def nothing(batch: object) -> None:
    return None


def test_staged_batch_is_synced_before_its_result_is_reported(shared: SharedPaths, tmp_path: Path) -> None:
    admit_workers(shared.lock, b"token")
    gone = os.fsencode(tmp_path / "gone")
    context = StagingContext(Disk(), b"/o", b"/p", 0, b"/t", gone, b"/x", {}, False)
    with pytest.raises(FileNotFoundError, match="gone"):  # there is nothing to sync
        run_on_worker(terms(shared), nothing, StageBatch(context, (), 0))


def test_every_kind_of_work_that_writes_is_synced() -> None:
    context = StagingContext(Disk(), b"/o", b"/p", 0, b"/t", b"/member", b"/x", {}, False)
    moved = OriginResult(folders={1: b"/one", 2: b"/two"})
    assert list(folders_written(StageBatch(context, (), 0), None)) == [b"/member"]
    assert list(folders_written(SplitBatch(context, None, b""), None)) == [b"/member"]  # type: ignore[arg-type]
    assert list(folders_written(BundleBatch(context, None, 6, 1), None)) == [b"/member"]  # type: ignore[arg-type]
    assert list(folders_written(OriginBatch(Disk(), b"/o", b"/m", (), None), moved)) == [b"/one", b"/two"]  # type: ignore[arg-type]


def test_executor_sends_no_other_work_to_workers() -> None:
    known = {
        "stage_batch",
        "split_batch",
        "bundle_batch",
        "extract_batch",
        "work_on_origin",
    }  # what `folders_written` knows of
    sent = {
        ast.unparse(call.args[1] if name == "run_streamed" else call.args[0])
        for module in project_modules()
        if module.package == "executor"
        and module.name not in ("executor/engine/futures.py", "executor/engine/local.py")
        for call in ast.walk(module.tree)
        if isinstance(call, ast.Call)
        if (name := ast.unparse(call.func)) in ("run_streamed", "engine.run", "self._engine.run")
    }
    reading = {"digest_batch"}  # writes nothing
    assert sent == known | reading


def test_late_worker_of_another_run_may_not_write(shared: SharedPaths) -> None:
    with pytest.raises(StrayError):
        run_on_worker(terms(shared), nothing, None)
    admit_workers(shared.lock, b"of the next run")
    with pytest.raises(StrayError):
        run_on_worker(terms(shared), nothing, None)


def test_package_is_locked_while_a_worker_of_a_dead_run_writes(shared: SharedPaths) -> None:
    admit_workers(shared.lock, b"token")
    at_work = working_for(shared.lock, b"token")
    refused = pytest.raises(LockedError, match="worker of an earlier run")
    with at_work, refused, locked_for_writing(shared.lock):
        pass
    with locked_for_writing(shared.lock):
        pass
    with pytest.raises(StrayError), working_for(shared.lock, b"token"):
        pass


# Numbers of file systems


def test_scan_elsewhere_notes_the_numbers_of_the_coordinator(tmp_path: Path) -> None:
    write(tmp_path / "a/file", b"x")
    own = tmp_path.stat().st_dev
    options = ScanOptions(os.fsencode(tmp_path), Action.LINK, device=7, may_copy=True)
    batch: ScanBatch = BatchGroup((SubtreeBatch(options, (Subtree(b"a", b"raw/a"),)),))
    result = scan_batch(renumber_batch(batch, {7: own}))
    renumber_result(result, {own: 7})
    record = decode_record(result.blobs[0][1])
    assert record.device == 7
    assert record.actions == bytes([Action.LINK])  # it is on the package's file system, whatever its number
    assert list(result.devices) == [7]


@pytest.mark.parametrize("is_group", [False, True])
def test_worker_reports_the_numbers_of_the_coordinator(shared: SharedPaths, tmp_path: Path, is_group: bool) -> None:
    write(tmp_path / "a/file", b"x")
    known = SharedFolder(os.fsencode(tmp_path), tmp_path.stat().st_ino, device=7)
    options = ScanOptions(os.fsencode(tmp_path), Action.LINK, device=7)
    batch: ScanBatch = SubtreeBatch(options, (Subtree(b"a", b"raw/a"),))
    admit_workers(shared.lock, b"token")
    sent = BatchGroup((batch,)) if is_group else batch
    result = run_on_worker(replace(terms(shared), shared_folders=(known,)), scan_batch, sent)
    assert list(result.devices) == [7]


def test_big_file_is_the_same_for_workers_with_other_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "big", b"x" * 1000)
    status = path.stat()
    identity = FileState(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, 7)
    batch = BigFile(os.fsencode(tmp_path), b"raw", b"big", b"big", identity)
    assert scan_batch(batch).problems != []
    assert scan_batch(renumber_batch(batch, {7: status.st_dev})).problems == []


# Tars


def test_tars_of_a_cluster_are_the_same(workers: LocalCluster, tmp_path: Path) -> None:
    package = make_package(tmp_path / "2011.01234.S", {f"product/{n}.fits": os.urandom(50_000) for n in range(20)})
    cut_up(package, tmp_path / "here", 300_000)
    (tmp_path / "there").mkdir()
    choices = ["-n", "2012-06-20", "--size", "300000", "--quiet", "--cluster", workers.scheduler_address]
    code = tarsplit([*choices, os.fsdecode(package.path), "--output", str(tmp_path / "there")])
    assert code == Exit.DONE
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_signature_is_not_checked_where_workers_read_the_sidecar_and_is_where_they_do_not(
    workers: LocalCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = make_key(tmp_path / "key")
    make_package(tmp_path / "2011.01234.S", {"product/a.fits": b"a"})
    where = ["--cluster", workers.scheduler_address, "--quiet"]
    package, output = str(tmp_path / "2011.01234.S"), str(tmp_path / "out")
    assert pack(["sign", package, "--key", str(key.path)]) == Exit.DONE
    assert tarsplit(["-n", "2012-06-20", package, "--output", output, "--sign", str(key.path), *where]) == Exit.DONE
    assert tarsplit(["--check", output, *where]) == Exit.DONE
    assert "which was not checked: workers of a cluster read the sidecar" in capsys.readouterr().out
    signers = str(known_signers(tmp_path / "signers", f"{ALICE} {key.text}"))
    assert pack(["verify", package, "--allowed-signers", signers, *where]) == Exit.DONE
    assert f"signed by {ALICE}" in capsys.readouterr().out


def names_of_workers(cluster: LocalCluster) -> set[object]:
    assert cluster.scheduler is not None
    return set(cluster.scheduler.aliases)
