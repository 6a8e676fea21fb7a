"""A chroot or container without /proc: what only reads works, and what changes something is refused in words."""

import subprocess
import sys
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from support.in_process import Delivery
from support.measurement_sets import write_calibration_table
from support.snapshots import contents
from support.tools import needs_tool

_HIDDEN = 'mount -t tmpfs none /proc && exec "$@"'


def run_without_proc(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    program = (sys.executable, "-m", "qa2pack.pack", *arguments)
    words = [needs_tool("unshare"), "--mount", "sh", "-c", _HIDDEN, "sh", *program]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if "unshare failed" in done.stderr or "permission denied" in done.stderr:
        pytest.skip(f"this user may not mount: {done.stderr.strip()}")
    return done


def test_package_is_verified(delivery: Delivery) -> None:
    write_calibration_table(delivery.origin / "X8c/a.gcal")
    delivery.make(Mode.COPY)
    done = run_without_proc("verify", delivery.path)
    assert (done.returncode, done.stdout.splitlines()[0][:15]) == (0, "All as packaged")


def test_apply_says_what_is_missing(delivery: Delivery) -> None:
    delivery.plan(Mode.COPY)
    before = contents(delivery.path.parent)
    done = run_without_proc("apply", delivery.path)
    assert done.returncode == 1
    assert done.stderr.startswith("pack apply: system-error: there is no /proc here, which the program needs")
    assert "Mount it there first: mount -t proc proc /proc" in done.stderr
    assert contents(delivery.path.parent) == before
