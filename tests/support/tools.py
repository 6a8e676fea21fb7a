"""What a test needs and a machine may lack: programs, other file systems, terminals.

By default a test that lacks something is skipped with a reason, so the suite passes on a machine with Python, venv
and make alone. With QA2PACK_REQUIRE_TOOLS=1, which continuous integration sets, a skipped test is a failure
(see `conftest.py`): there `make test-tools` has installed everything, and what is never run proves nothing.
"""

import multiprocessing
import os
import pwd
import shutil

import pytest

REQUIRED = os.environ.get("QA2PACK_REQUIRE_TOOLS") == "1"
# Packages of Debian that have programs of other names.
_PACKAGES = {
    "xxhsum": "xxhash",
    "bsdtar": "libarchive-tools",
    "mkfs.xfs": "xfsprogs",
    "mkfs.btrfs": "btrfs-progs",
    "btrfs": "btrfs-progs",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.exfat": "exfatprogs",
    "mount.exfat-fuse": "exfat-fuse",
    "fusermount3": "fuse3",
    "ssh-keygen": "openssh-client",
    "ssh-agent": "openssh-client",
    "ssh-add": "openssh-client",
    "sshd": "openssh-server",
    "groff": "groff-base",
    "systemd-analyze": "systemd",
    "munged": "munge",
    "sbatch": "slurm-client",
}


_OF_SSH = ("ssh-keygen", "ssh-agent", "ssh-add", "sshd")


def needs_tool(name: str) -> str:
    """Return the path of a program, or skip the test that asks."""
    if name in _OF_SSH and not _has_name():
        pytest.skip(f"{name} works for nobody without an entry among the users of the system")
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian: apt install {_PACKAGES.get(name, name)})")
    return path


def _has_name() -> bool:
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return True


def needs_root(reason: str) -> None:
    """Skip the test that asks where it is not run by root."""
    if os.geteuid() != 0:
        pytest.skip(f"only root can {reason}")


def _has_semaphores() -> bool:
    try:
        multiprocessing.get_context("fork").Lock()
    except OSError:
        return False
    return True


needs_workers = pytest.mark.skipif(
    not _has_semaphores(),
    reason="worker processes need a /dev/shm that can be written",
)
