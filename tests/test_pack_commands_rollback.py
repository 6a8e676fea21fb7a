"""What cannot be rolled back is reported with the reason, the state of the package, and what to type next."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import Delivery, write
from support.snapshots import snapshot

Capsys = pytest.CaptureFixture[str]


def _not_kept(delivery: Delivery) -> None:
    delivery.make()
    write(delivery.origin / "new.fits", b"x")
    delivery.make()


def _changed(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    write(delivery.member / "script/scriptForImaging.py", b"x")


def _something_more(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    write(delivery.member / "qa/notes.txt", b"x")


def _gone(delivery: Delivery) -> None:
    delivery.make()
    shutil.rmtree(delivery.path)


def _group_gone(delivery: Delivery) -> None:
    delivery.make()
    shutil.rmtree(delivery.member.parent)


def _only_copy(delivery: Delivery) -> None:
    delivery.make()
    shutil.rmtree(delivery.origin)


def _plan_waits(delivery: Delivery) -> None:
    delivery.make()
    delivery.plan()


def _without_control(delivery: Delivery) -> None:
    delivery.make()
    shutil.rmtree(os.fsdecode(delivery.package.control))


def _in_the_way(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    (delivery.origin / "scriptForImaging.py").unlink()
    write(delivery.origin / "scriptForImaging.py", b"written since")


def _manifest_damaged(delivery: Delivery) -> None:
    delivery.make()
    (manifest,) = Path(os.fsdecode(delivery.package.manifests)).iterdir()
    os.truncate(manifest, 100)


def _manifest_gone(delivery: Delivery) -> None:
    delivery.make()
    (manifest,) = Path(os.fsdecode(delivery.package.manifests)).iterdir()
    manifest.unlink()


def _without_lock(delivery: Delivery) -> dict[str, object]:
    """Return everything but the lock, which says who held it last."""
    return {path: seen for path, seen in snapshot(delivery.origin.parent).items() if not path.endswith("/lock")}


@pytest.mark.parametrize(
    ("prepare", "code", "next_step"),
    [
        (_not_kept, "previous-gone", "pack plan --again PACKAGE"),
        (_changed, "changed-since", "pack rollback PACKAGE"),
        (_something_more, "changed-since", "pack rollback PACKAGE"),
        (_gone, "not-as-applied", "pack plan ORIGIN PACKAGE --mode hard"),
        (_group_gone, "changed-since", "pack rollback PACKAGE"),
        (_only_copy, "origin-lost", "pack rollback PACKAGE"),
        (_plan_waits, "plan-waits", "pack rollback PACKAGE --further"),
        (_without_control, "control-missing", "pack rollback PACKAGE"),
        (
            _in_the_way,
            "origin-in-the-way",
            "pack rollback PACKAGE",
        ),
        (_manifest_damaged, "changed-since", "pack rollback PACKAGE"),
        (_manifest_gone, "changed-since", "pack rollback PACKAGE"),
    ],
)
def test_what_cannot_be_rolled_back_is_reported_with_a_next_step(
    capsys: Capsys, delivery: Delivery, prepare: Callable[[Delivery], None], code: str, next_step: str
) -> None:
    prepare(delivery)
    before = _without_lock(delivery)
    ran = run_here(capsys, "rollback", delivery.path)
    assert ran.code == Exit.FAILED
    assert ran.err.splitlines()[1].startswith(f"  {code}: ")
    assert "Nothing was changed." in ran.err
    do = ran.err[ran.err.index("\n    do: ") :]
    next_step = next_step.replace("PACKAGE", str(delivery.path)).replace("ORIGIN", str(delivery.origin))
    assert f"\n        {next_step}\n" in do
    assert ran.err.count(" do: ") == 1  # what single problems would have one do is not what a rollback needs
    assert [line for line in ran.err.splitlines() if line.count(str(delivery.path)) > 1] == []
    assert _without_lock(delivery) == before
