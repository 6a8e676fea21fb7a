"""The whole way of a package: planned, applied, signed, sent to a store with a kill on the way, received elsewhere by
another user who has the public key alone, damaged, repaired from the store, and verified at each step."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from make_pipeline_run import FIRST_RUN, PIPELINE_PROJECT, RUNS, make_pipeline_runs

from qa2pack.tarsplit.place.store import Store
from support.commands import run_here
from support.s3_servers import BREAK, BUCKET, PASS, Proxy, s3_server
from support.signatures import ALICE, known_signers, make_key
from support.users import as_ordinary_user, folder_of_everybody

Capsys = pytest.CaptureFixture[str]
MOUS = RUNS[FIRST_RUN][0]
TO = f"s3://{BUCKET}/inbox"
SIDECAR = f"{PIPELINE_PROJECT}_member.{MOUS}.manifest"


def said(capsys: Capsys, *words: str | Path) -> str:
    """Run a command that ends well, and return what it prints."""
    ran = run_here(capsys, *words)
    assert ran.code == 0, (words, ran.out, ran.err)
    return ran.out


def killed_while_sending(proxy: Proxy, *words: str | Path) -> None:
    """Send, and kill it when the first tar is to be finished."""
    reached = []

    def stop(method: str, path: str) -> int:
        if method == "PUT" and path.endswith("_auxiliary.tar"):
            reached.append(path)
            return BREAK
        return PASS

    proxy.decide = stop
    command = [sys.executable, "-m", "qa2pack.pack", *map(str, words), "--quiet"]
    temporary = {**os.environ, "TMPDIR": str(Path(words[1]).parent)}
    with subprocess.Popen(command, start_new_session=True, env=temporary) as process:
        while not reached:
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    proxy.decide = lambda method, path: PASS


def damage(member: Path) -> None:
    image = next((member / "product").glob("*.fits"))
    image.write_bytes(b"\0" * image.stat().st_size)
    next((member / "qa").glob("*.weblog.tgz")).unlink()


def test_from_the_pipeline_to_a_repaired_package_on_another_machine(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pipeline_runs(tmp_path)
    key = make_key(tmp_path / "key")
    package = tmp_path / PIPELINE_PROJECT
    layout = ("--layout", "alma-pipeline", "--mode", "hard")
    with s3_server(monkeypatch) as proxy, folder_of_everybody() as elsewhere:
        said(capsys, "plan", tmp_path / FIRST_RUN, package, *layout)
        said(capsys, "apply", package, "--sign", key.path)
        signers = known_signers(elsewhere / "signers", f"{ALICE} {key.text}")
        signers.chmod(0o644)
        trust = ("--allowed-signers", signers, "--require-signature")
        assert ALICE in said(capsys, "verify", package, *trust)
        words = ("deliver", package, "--to", TO, "--sign", key.path, "--jobs", "1")
        killed_while_sending(proxy, *words)
        assert SIDECAR.encode() not in Store(TO).names()
        said(capsys, *words)
        assert ALICE in said(capsys, "tarsplit", "--check", TO, package, *trust)
        monkeypatch.chdir(elsewhere)  # whoever runs this is perhaps in a folder that others may not enter
        with as_ordinary_user():
            received = elsewhere / "archive" / PIPELINE_PROJECT
            received.parent.mkdir()
            assert ALICE in said(capsys, "tarsplit", "--check", TO, *trust)
            said(capsys, "receive", TO, received, "--jobs", "1")
            said(capsys, "verify", received)
            assert said(capsys, "receive", TO, received).startswith("Left as it is")
            member = next(received.glob("*/*/member.*"))
            damage(member)
            found = run_here(capsys, "verify", received, "--json")
            assert sorted(each["code"] for each in json.loads(found.out)["problems"]) == ["changed", "missing"]
            said(capsys, "repair", received, "--from", TO, "--jobs", "1")
            said(capsys, "verify", received)
            said(capsys, "tarsplit", "--check", TO, received)
        subprocess.run(["diff", "-r", package, received], check=True)
        shutil.rmtree(elsewhere / "archive")
