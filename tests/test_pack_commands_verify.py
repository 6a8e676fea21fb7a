"""What `pack verify` says to do can be typed as it stands: origin and mode are those of the member it is about."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import Delivery, make_reduction

Capsys = pytest.CaptureFixture[str]
SCRIPT = "script/scriptForImaging.py"


def advice(capsys: Capsys, delivery: Delivery) -> str:
    """Verify, and return what is printed on one line."""
    ran = run_here(capsys, "verify", delivery.path)
    assert ran.code == Exit.PROBLEMS
    return " ".join(ran.out.split())


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.TICKET])
def test_command_to_make_it_anew_has_origin_and_mode_of_the_member(
    capsys: Capsys, delivery: Delivery, mode: Mode
) -> None:
    delivery.make(mode)
    os.truncate(delivery.member / SCRIPT, 1)
    plan = f"pack plan {delivery.origin} {delivery.path} --mode {mode} pack apply {delivery.path} --keep-previous"
    assert plan in advice(capsys, delivery)


def test_command_names_the_origin_of_the_one_member_with_problems(
    capsys: Capsys, delivery: Delivery, tmp_path: Path
) -> None:
    delivery.make(Mode.COPY)
    other = replace(delivery, origin=make_reduction(tmp_path / "sb2", seed=2))
    other.make(append=Append.MEMBER)
    os.truncate(delivery.member.with_name("member_ouss_id2") / SCRIPT, 1)
    assert f"pack plan {other.origin} {delivery.path} --mode hard pack apply" in advice(capsys, delivery)
    os.truncate(delivery.member / SCRIPT, 1)
    assert f"pack plan ORIGIN {delivery.path} --mode MODE pack apply" in advice(capsys, delivery)


def test_origin_of_an_adopted_member_is_not_the_package(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    for manifest in Path(os.fsdecode(delivery.package.manifests)).iterdir():
        manifest.unlink()
    assert run_here(capsys, "adopt", delivery.path).code == Exit.DONE
    os.truncate(delivery.member / SCRIPT, 1)
    assert f"pack plan ORIGIN {delivery.path} --mode MODE pack apply" in advice(capsys, delivery)
