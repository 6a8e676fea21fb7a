"""A web server on the loopback address that lists folders, and gives whole files and no parts of them."""

import functools
import gzip
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

_PIECE_BYTES = 5000


class _Handler(SimpleHTTPRequestHandler):
    """Python's own, which gives whole files, compressed to whom takes that; a folder is known only with a slash."""

    protocol_version = "HTTP/1.1"
    failing = "\0"  # the end of paths for which the server is busy
    ending = "\0"  # the end of paths of files of which it sends half, and is gone
    is_in_chunks = False

    def send_head(self) -> Any:
        """Send what comes before the content, and return that."""
        if self.path.endswith(self.failing):
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)
            return None
        if Path(self.translate_path(self.path)).is_dir() and not self.path.endswith("/"):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        path = Path(self.translate_path(self.path))
        if path.is_file() and (self.is_in_chunks or self.path.endswith(self.ending)):
            return self._sent_piece_by_piece(path.read_bytes())
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

    def _sent_piece_by_piece(self, content: bytes) -> None:
        length = ("Transfer-Encoding", "chunked") if self.is_in_chunks else ("Content-Length", str(len(content)))
        self.send_response(HTTPStatus.OK)
        self.send_header(*length)
        self.end_headers()
        self.close_connection = self.path.endswith(self.ending)
        if self.command == "HEAD":
            return
        if self.close_connection:
            content = content[: len(content) // 2]
        with suppress(ConnectionError):
            if not self.is_in_chunks:
                self.wfile.write(content)
                return
            for start in range(0, len(content), _PIECE_BYTES):
                piece = content[start : start + _PIECE_BYTES]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if not self.close_connection:
                self.wfile.write(b"0\r\n\r\n")

    def copyfile(self, source: BinaryIO, outputfile: BinaryIO) -> None:  # type: ignore[override]
        """Send the content, as far as it is wanted: who wants a part ends the connection."""
        try:
            super().copyfile(source, outputfile)
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def web_server(
    folder: Path, *, failing: str = _Handler.failing, ending: str = _Handler.ending, is_in_chunks: bool = False
) -> Iterator[str]:
    """Serve the folder; yield its address, without a slash at its end.

    Args:
        failing: the end of paths for which the server says that it is busy.
        ending: the end of paths of files of which half is sent before the connection ends.
        is_in_chunks: files are sent in chunks, and no size of them is told.
    """
    words = {"failing": failing, "ending": ending, "is_in_chunks": is_in_chunks}
    handler = type("Handler", (_Handler,), words)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
