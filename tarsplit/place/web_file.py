"""File of a web server, read by parts if the server gives those, and else from its beginning to its end.

Some servers answer a question for a part with the whole file (that of Python, scripts, caches). Then it is read as it
comes, what is before a wanted place is thrown away, and for what is before the last one it is asked for once more.
A server that is still making a file tells no size of it, and gives no parts either.
"""

from typing import Any

_PASSED_BYTES = 1 << 20
_CONNECT_SECONDS = 30
_SILENT_SECONDS = 300  # without a byte; of itself aiohttp gives up a file that takes as long as that altogether


def web_options() -> dict[str, Any]:
    """Return the options of the file system of fsspec: how long is waited for a web server, which compresses nothing.

    The parts of a compressed answer would be others than those of the file.
    """
    from aiohttp import ClientTimeout  # slow to import

    timeout = ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENT_SECONDS)
    return {"client_kwargs": {"timeout": timeout, "headers": {"Accept-Encoding": "identity"}}}


class WebFile:
    """One file that is being read; errors as fsspec has them.

    Args:
        fs: the file system of fsspec.
        block_bytes: the size of the parts.
    """

    def __init__(self, fs: Any, path: str, block_bytes: int) -> None:
        self._fs = fs
        self._path = path
        self._file = fs.open(path, "rb", cache_type="readahead", block_size=block_bytes)
        self.size: int | None = self._file.size
        self._is_whole = False
        self._wanted = self._passed = 0  # the next byte that is wanted, and that comes

    def read(self, size: int) -> bytes:
        """Return the next bytes, so many or less; none at the end.

        Raises:
            EOFError: the file ends before the size that the server gave.
        """
        if not self._is_whole:
            try:
                self._file.seek(self._wanted)
                data = self._file.read(size)
            except ValueError:  # as fsspec says that the server has given no part
                self._begin()
        if self._is_whole:
            self._pass_over()
            data = self._file.read(size)
            self._passed += len(data)
        if not data and size and self.size is not None and self._wanted < self.size:
            raise EOFError(f"it ended after {self._wanted:,} of {self.size:,} bytes")
        self._wanted += len(data)
        return bytes(data)

    def seek(self, offset: int) -> int:
        """Go to a place in it, counted from its beginning."""
        self._wanted = offset
        return offset

    def close(self) -> None:
        """End the reading."""
        self._file.close()

    def _begin(self) -> None:
        """Ask for the whole file."""
        self._file.close()
        self._file = self._fs.open(self._path, "rb", block_size=0)
        self._is_whole, self._passed = True, 0

    def _pass_over(self) -> None:
        if self._wanted < self._passed:
            self._begin()
        while self._passed < self._wanted:
            block = self._file.read(min(_PASSED_BYTES, self._wanted - self._passed))
            if not block:
                return
            self._passed += len(block)
