"""Workers that a batch system starts: the scripts and the configuration on docs/cluster.md.

That of Slurm is run on one node. Of that of HTCondor, which is not to be had here, the submit file is looked at.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dask
import pytest
from distributed.security import Security

from qa2pack.pack.cli import main as pack
from qa2pack.pack.exit_codes import Exit
from support.clusters import wait_until
from support.in_process import Delivery
from support.slurm import running_jobs, slurm
from support.source_code import ROOT

if TYPE_CHECKING:
    from dask_jobqueue.htcondor import HTCondorCluster  # takes SIGINT when it is imported

# What differs from site to site, and sixteen workers are many for a test.
_OF_THIS_SITE = {
    "cores=16, processes=16": "cores=2, processes=2",
    'interface="ib0"': 'interface="lo"',
    '"port": 8786': '"port": 0',
    "jobs=50": "jobs=1",
}


def test_workers_that_slurm_starts_package_over_tls(
    delivery: Delivery,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qa2pack.executor.engine.dask._FIRST_WORKER_SECONDS", 600)
    configuration = tls_configuration(tmp_path)
    with (
        slurm(tmp_path_factory.mktemp("slurm")) as environment,
        script_of_the_page(tmp_path, {**environment, "DASK_CONFIG": str(configuration)}) as address,
        configured(configuration),
    ):
        assert address.startswith("tls://")
        wait_until(lambda: "dask-worker" in running_jobs(environment))
        cluster = ["--cluster", address, "--quiet"]
        plan = ["plan", str(delivery.origin), str(delivery.path), "--mode", "copy"]
        assert pack([*plan, *cluster]) == Exit.DONE
        assert pack(["apply", str(delivery.path), *cluster]) == Exit.DONE
        assert pack(["verify", str(delivery.path), *cluster]) == Exit.DONE
        assert running_jobs(environment) == ["dask-worker"]
    assert "Not used" not in capsys.readouterr().err
    assert delivery.problems() == []


@pytest.mark.usefixtures("interrupted")  # dask_jobqueue takes SIGINT
def test_submit_file_for_htcondor_starts_workers_that_speak_tls_and_see_the_file_system(tmp_path: Path) -> None:
    made: dict[str, HTCondorCluster] = {}
    with configured(tls_configuration(tmp_path)):
        exec(on_the_page("from dask_jobqueue import HTCondorCluster").replace('"port": 8786', '"port": 0'), made)
        with made["cluster"] as cluster:
            lines = cluster.job_script().splitlines()
            address = cluster.scheduler_address
            port = cluster.scheduler_info["services"]["dashboard"]
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", port), timeout=60)  # not the address of the pages' server
    assert 'requirements = (FileSystemDomain == "example.org")' in lines
    assert "should_transfer_files = NO" in lines
    (arguments,) = (line for line in lines if line.startswith("Arguments = "))
    assert address.startswith("tls://")
    assert f" {address} " in arguments
    assert "--nthreads 1 " in arguments and "--nworkers 4 " in arguments
    assert "--dashboard-address 127.0.0.1:0" in arguments
    assert "--protocol tls://" in arguments  # with the certificates that the configuration names on each machine


def configured(configuration: Path) -> AbstractContextManager[object]:
    """Let Dask have this configuration besides its own."""
    added = dask.config.collect([str(configuration)], env={})
    return dask.config.set(dask.config.merge(dask.config.config, added))


def tls_configuration(folder: Path) -> Path:
    """Write the configuration of the page with a certificate of this test."""
    identity = Security.temporary().get_tls_config_for_role("worker")
    for name, text in (("ca", "ca_file"), ("cert", "cert"), ("key", "key")):
        (folder / f"{name}.pem").touch(0o600)
        (folder / f"{name}.pem").write_text(str(identity[text]))
    path = folder / "distributed.yaml"
    path.write_text(on_the_page("distributed:").replace("/home/ana/dask", str(folder)))
    return path


@contextmanager
def script_of_the_page(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run the script of the page, and yield the address that it prints; the block's end is the Return it awaits."""
    script = on_the_page("from dask_jobqueue import SLURMCluster")
    for there, here in _OF_THIS_SITE.items():
        assert there in script
        script = script.replace(there, here)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONPATH": f"{ROOT}:{ROOT}/tests"},
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.communicate("\n")
    assert process.returncode == os.EX_OK


def on_the_page(start: str) -> str:
    """Return the indented block of docs/cluster.md that begins so."""
    page = (ROOT / "docs/cluster.md").read_text()
    block = re.search(rf"^    {re.escape(start)}\n(?:(?:    .*)?\n)*", page, re.MULTILINE)
    assert block
    return re.sub("^    ", "", block[0], flags=re.MULTILINE)
