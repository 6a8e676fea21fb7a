"""The header of a README from a file or a shell's pipe, and nothing that is waited for in vain."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qa2pack.manifest.format.files import open_plan
from qa2pack.pack import api
from qa2pack.pack.exit_codes import Exit
from support.commands import ROOT, run_here
from support.file_systems import file_in_memory
from support.in_process import Delivery


def _fed(delivery: Delivery, writer: str) -> subprocess.Popen[str]:
    """Start a plan whose header is what a command of the shell writes."""
    command = (sys.executable, "-m", "qa2pack.pack", "plan", delivery.origin, delivery.path)
    return subprocess.Popen(
        ["bash", "-c", f'exec "$@" --readme <({writer})', "bash", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_header_may_come_from_a_pipe_of_the_shell(delivery: Delivery) -> None:
    plan = _fed(delivery, "sleep 0.2; echo the header of the shell")
    assert (plan.communicate(timeout=600)[1], plan.returncode) == ("", Exit.DONE)
    assert open_plan(delivery.package.plan).header.readme.startswith(b"the header of the shell\n")


def test_header_in_shared_memory_is_remembered_by_its_path(
    capsys: pytest.CaptureFixture[str], delivery: Delivery
) -> None:
    with file_in_memory() as header:
        run_here(capsys, "plan", delivery.origin, delivery.path, "--readme", header.name)
        made_with = open_plan(delivery.package.plan).header.made_with
        assert made_with and made_with.readme == header.name.encode()


@pytest.mark.parametrize("place", ["pipe", "/dev/zero"])
def test_named_pipes_and_devices_are_refused(
    capsys: pytest.CaptureFixture[str], delivery: Delivery, tmp_path: Path, place: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--readme", tmp_path / place)
    assert (ran.code, "readme-missing" in ran.err) == (Exit.FAILED, True)


def test_programs_are_refused_as_the_command_is(delivery: Delivery, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    request = api.request_for(delivery.origin, delivery.package, readme=tmp_path / "pipe")
    with pytest.raises(api.Refused) as caught:
        api.plan(request, api.Workers())
    assert [problem.code for problem in caught.value.problems] == [api.Code.README_MISSING]


def test_signal_ends_the_wait_for_a_pipe(delivery: Delivery, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "reached")
    plan = _fed(
        delivery, f"echo > {tmp_path}/reached; head -c 200000 /dev/zero; echo > {tmp_path}/reached; sleep 3600"
    )
    for _ in range(2):  # the second word comes when the plan has read most of what was written
        (tmp_path / "reached").read_bytes()
    plan.send_signal(signal.SIGTERM)
    try:
        plan.wait(timeout=600)
    finally:
        os.killpg(plan.pid, signal.SIGKILL)  # the writer as well
    _, err = plan.communicate(timeout=600)
    assert (plan.returncode, "interrupted" in err) == (Exit.RESUMABLE, True)


@pytest.mark.parametrize("place", ["header", "README"])
def test_pipe_in_the_place_of_a_header_or_readme_of_a_member_is_refused(
    capsys: pytest.CaptureFixture[str], delivery: Delivery, tmp_path: Path, place: str
) -> None:
    delivery.make()
    pipe = tmp_path / "header" if place == "header" else delivery.member / "README"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    more = ["--header", pipe] if place == "header" else ["--set-field", "PI name=A. Person"]
    ran = run_here(capsys, "readme", delivery.path, *more)
    assert (ran.code, "readme-missing" in ran.err, "a named pipe" in ran.err) == (Exit.FAILED, True, True)


def test_link_in_the_place_of_a_readme_of_a_member_is_not_followed(
    capsys: pytest.CaptureFixture[str], delivery: Delivery, tmp_path: Path
) -> None:
    delivery.make()
    (tmp_path / "private").write_text("private")
    (delivery.member / "README").unlink()
    (delivery.member / "README").symlink_to(tmp_path / "private")
    ran = run_here(capsys, "readme", delivery.path, "--take-changes")
    assert (ran.code, "readme-missing" in ran.err) == (Exit.FAILED, True)


def test_known_signers_are_not_waited_for(
    capsys: pytest.CaptureFixture[str], delivery: Delivery, tmp_path: Path
) -> None:
    delivery.make()
    os.mkfifo(tmp_path / "signers")
    ran = run_here(capsys, "verify", delivery.path, "--allowed-signers", tmp_path / "signers")
    assert (ran.code, "signers-unusable" in ran.err, "a named pipe" in ran.err) == (Exit.FAILED, True, True)
