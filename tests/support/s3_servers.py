"""An S3 server on the loopback address, and a proxy before it that can fail as a network does."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from qa2pack.tarsplit.place.store import _file_system

BUCKET = "packages"
# What a proxy does with a request: passes it on, answers with a status, or breaks off the connection.
PASS, BREAK = 0, -1
Decide = Callable[[str, str], int]


@dataclass
class Proxy:
    """A proxy.

    Attributes:
        requests: method and path, with its query, of each request.
        answered: those that the server has answered.
        decide: gives what is done with one.
    """

    address: str
    requests: list[tuple[str, str]] = field(default_factory=list)
    answered: list[tuple[str, str]] = field(default_factory=list)
    decide: Decide = lambda method, path: PASS

    def parts_sent(self) -> list[str]:
        """Return the paths of the requests that sent a part of an object."""
        return [path for method, path in self.requests if method == "PUT" and "partNumber=" in path]


@contextmanager
def s3_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Run a server with an empty bucket; fsspec finds it by the environment."""
    from moto.server import ThreadedMotoServer  # takes two seconds, in every process that collects the tests

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        port = server.get_host_and_port()[1]
        with _proxy(port) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-a-test")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-a-test")
            monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            _ask(port, "POST", "/moto-api/reset")  # its objects are those of this process
            _ask(port, "PUT", f"/{BUCKET}")
            forget_connections()
            yield proxy
    finally:
        server.stop()


def forget_connections() -> None:
    """Let this process connect anew: it keeps connections by address, and each server has the same."""
    from s3fs import S3FileSystem
    from sshfs import SSHFileSystem

    _file_system.cache_clear()
    S3FileSystem.clear_instance_cache()
    SSHFileSystem.clear_instance_cache()


def _ask(port: int, method: str, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path)
    assert connection.getresponse().status == 200
    connection.close()


@contextmanager
def _proxy(port: int) -> Iterator[Proxy]:
    found: list[Proxy] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            proxy = found[0]
            size = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(size)
            proxy.requests.append((self.command, self.path))
            status = proxy.decide(self.command, self.path)
            if status == BREAK:
                self.close_connection = True
                self.connection.close()
                return
            if status != PASS:
                self._answer(status, [], b"")
                return
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request(self.command, self.path, body=body, headers=dict(self.headers))
            answer = connection.getresponse()
            data = answer.read()
            proxy.answered.append((self.command, self.path))
            self._answer(answer.status, answer.getheaders(), data)
            connection.close()

        def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
            self.send_response(status)
            length = str(len(data))
            for name, value in headers:
                if name.lower() == "content-length":
                    length = value  # of HEAD, without a body
                elif name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.append(Proxy(f"http://127.0.0.1:{server.server_address[1]}"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found[0]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
