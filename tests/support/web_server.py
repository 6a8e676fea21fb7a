"""A web server on the loopback address that lists folders, and gives whole files and no parts of them."""

import functools
import gzip
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO


class _Handler(SimpleHTTPRequestHandler):
    """Python's own, which gives whole files, compressed to whom takes that; a folder is known only with a slash."""

    failing = "\0"  # the end of paths for which the server is busy

    def send_head(self) -> Any:
        """Send what comes before the content, and return that."""
        if self.path.endswith(self.failing):
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)
            return None
        if Path(self.translate_path(self.path)).is_dir() and not self.path.endswith("/"):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        path = Path(self.translate_path(self.path))
        if "gzip" in self.headers.get("Accept-Encoding", "") and path.is_file():
            return self._compressed(path.read_bytes())
        return super().send_head()

    def _compressed(self, content: bytes) -> BinaryIO:
        packed = gzip.compress(content, compresslevel=6)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(packed)))
        self.end_headers()
        return io.BytesIO(packed)

    def copyfile(self, source: BinaryIO, outputfile: BinaryIO) -> None:  # type: ignore[override]
        """Send the content, as far as it is wanted: who wants a part ends the connection."""
        try:
            super().copyfile(source, outputfile)
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def web_server(folder: Path, *, failing: str = _Handler.failing) -> Iterator[str]:
    """Serve the folder; yield its address, without a slash at its end.

    Args:
        failing: the end of paths for which the server says that it is busy.
    """
    handler = type("Handler", (_Handler,), {"failing": failing})
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
