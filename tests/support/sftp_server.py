"""OpenSSH's SFTP server on the loopback address, for one user with a key."""

import getpass
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.tools import needs_tool

_SECONDS = 600


@contextmanager
def sftp_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a server, and yield the address of a folder at it; the home folder has key and known hosts for it.

    Args:
        folder: for keys, and for what is sent, in `sent`.
    """
    sshd = needs_tool("sshd")
    home, sent = folder / "home", folder / "sent"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    sent.mkdir()
    for key in (home / ".ssh/id_ed25519", folder / "host_key"):
        subprocess.run([needs_tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    (folder / "authorized").write_bytes((home / ".ssh/id_ed25519.pub").read_bytes())
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # its own, which a start by the system makes
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nAuthorizedKeysFile {folder}/authorized\n"
        "UsePAM no\nStrictModes no\nPermitRootLogin yes\nPidFile none\nSubsystem sftp internal-sftp\n"
    )
    host_key = (folder / "host_key.pub").read_text().split(" ")
    (home / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{port} {host_key[0]} {host_key[1]}\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    log = (folder / "log").open("w")
    with log, subprocess.Popen([sshd, "-D", "-e", "-f", folder / "config"], stderr=log) as server:
        try:
            _wait(port, server)
            yield f"sftp://{getpass.getuser()}@127.0.0.1:{port}{sent}"
        finally:
            server.terminate()


def _wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _SECONDS
    while True:
        assert server.poll() is None, "the server ended"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.02)
        else:
            return
