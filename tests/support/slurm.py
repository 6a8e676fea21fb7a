"""A Slurm of one node on the loopback, with all that it writes in one folder; it needs neither systemd nor cgroups."""

import getpass
import os
import secrets
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.clusters import wait_until
from support.tools import needs_tool

_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1
KillWait=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=64 RealMemory=128000
PartitionName=normal Nodes={host} Default=YES
"""


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Run a Slurm with the partition `normal`; no process and no job of it is left afterwards.

    Yields:
        The environment in which its commands, as `sbatch`, find it.
    """
    munged, controller, node = needs_tool("munged"), needs_tool("slurmctld"), needs_tool("slurmd")
    needs_tool("sbatch")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(128))
    host = socket.gethostname().partition(".")[0]
    conf = folder / "slurm.conf"
    conf.write_text(_CONF.format(host=host, folder=folder, user=getpass.getuser(), ports=_free_ports()))
    files = [f"--{name}={folder}/munge.{name.partition('-')[0]}" for name in ("pid-file", "log-file", "seed-file")]
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    with ExitStack() as running:
        # By force: others cannot reach the socket in a folder of a test, and nobody else is to.
        command = [munged, "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.sock", *files]
        running.enter_context(_daemon(command, environment, folder, (folder / "munge.sock").exists))
        command = [controller, "-D", "-i", "-c"]
        running.enter_context(_daemon(command, environment, folder, lambda: bool(_state(environment))))
        running.enter_context(_daemon([node, "-D"], environment, folder, lambda: _state(environment) == "idle"))
        try:
            yield environment
        finally:
            _asked(["scancel", "--user", getpass.getuser()], environment)
            wait_until(lambda: not _asked(["squeue", "--noheader"], environment))


def running_jobs(environment: dict[str, str]) -> list[str]:
    """Return the names of the jobs that run."""
    return _asked(["squeue", "--noheader", "--states=RUNNING", "--format=%j"], environment).split()


@contextmanager
def _daemon(
    command: list[str], environment: dict[str, str], folder: Path, is_ready: Callable[[], bool]
) -> Iterator[None]:
    said = folder / f"{Path(command[0]).name}.out"
    with (
        said.open("wb") as output,
        subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            wait_until(lambda: process.poll() is not None or is_ready())
            assert process.poll() is None, said.read_text()
            yield
        finally:
            process.terminate()


def _state(environment: dict[str, str]) -> str:
    """Return the state of the node."""
    return _asked(["sinfo", "--noheader", "--format=%T"], environment)


def _asked(command: list[str], environment: dict[str, str]) -> str:
    """Return what a command of Slurm prints; nothing while the controller does not answer yet."""
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout.strip()


def _free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in (one, other)]
