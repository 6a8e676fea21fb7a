"""Workers that a batch system starts: the script and the configuration on docs/cluster.md, on a Slurm of one node."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import pytest
from distributed.security import Security

from qa2pack.pack.cli import main as pack
from qa2pack.pack.exit_codes import Exit
from support.clusters import wait_until
from support.in_process import Delivery
from support.slurm import running_jobs, slurm
from support.source_code import ROOT

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
        dask.config.set(dask.config.merge(dask.config.config, dask.config.collect([str(configuration)], env={}))),
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
    """Run the script of the page, and yield the address that it prints; the end of the block is the Return it waits for."""
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
