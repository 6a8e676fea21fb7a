"""Dask clusters on the loopback: in this process, or in one of their own that can be killed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from distributed import LocalCluster

from support.source_code import ROOT


def local_cluster(count: int) -> LocalCluster:
    return LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    )


def worker_processes(cluster: LocalCluster) -> "Iterator[Worker]":
    return (Worker(nanny.pid) for nanny in cluster.workers.values() if nanny.pid)


@dataclass(frozen=True, slots=True)
class Worker:
    pid: int

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


@contextmanager
def cluster_apart() -> "Iterator[tuple[subprocess.Popen[str], str]]":
    """Run a cluster in a process of its own, so that its scheduler can be killed; none of it is left afterwards."""
    program = "from support.clusters import serve; serve()"
    path = f"{ROOT}:{ROOT}/tests"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdout is not None
        address, *pids = process.stdout.readline().split()
        try:
            yield process, address
        finally:
            process.kill()
            wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))


def serve() -> None:
    with local_cluster(2) as cluster:
        print(cluster.scheduler_address, *(worker.pid for worker in worker_processes(cluster)), flush=True)
        sys.stdin.read()


def wait_until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 600
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.05)
