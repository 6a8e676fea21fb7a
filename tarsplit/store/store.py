"""Store: a place that fsspec knows, with the few things that a delivery needs of it.

A store is only its address, so it can be given to workers; the connection is made where it is used. What has its
final name is whole: object stores show an object when it is complete, and elsewhere a file gets its name at the end.
Addresses and access are those of fsspec: its configuration and the variables of the service, as `AWS_PROFILE`.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast

from qa2pack.manifest.problem import Code, PackError, Problem, Refused
from qa2pack.tarsplit.naming import PART
from qa2pack.tarsplit.store.s3_upload import S3Upload

READ_BYTES = 16 << 20
# Where a file that is being written can be seen: it is written under another name. Elsewhere it appears when closed.
_WITH_FOLDERS = frozenset({"file", "local", "sftp", "ssh", "smb", "ftp", "hdfs", "arrow_hdfs", "webhdfs", "dask"})


class StoreError(PackError):
    """A store failed while it was used; what it has stays, and the same command goes on."""

    def __init__(self, address: str, text: str) -> None:
        super().__init__(address, text)
        self.text = text
        self.problems = (Problem(Code.STORE_FAILED, os.fsencode(address), found=text),)


class Upload(Protocol):
    """A file that is being sent."""

    def write(self, data: bytes | memoryview) -> None:
        """Send the next bytes, which may be changed when this returns."""

    def finish(self) -> None:
        """Give it its name, when the store has all of it.

        Raises:
            StoreError: what the store has is not what was sent.
        """

    def give_up(self) -> None:
        """Remove what was sent, as far as that can be done."""


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of a store.

    Attributes:
        address: as fsspec takes it, `s3://bucket/folder`.
    """

    address: str

    def check(self) -> None:
        """Check that the store can be reached.

        Raises:
            Refused: it cannot: an unknown kind, a missing library, no access.
        """
        try:
            with self._opened() as (fs, root):
                if _protocol(fs) == "s3":  # of a bucket that is not there, no object is there either
                    fs.call_s3("head_bucket", Bucket=fs.split_path(root)[0])
            self.names()
        except (FileNotFoundError, ImportError, StoreError) as error:
            raise Refused(Problem(Code.STORE_UNUSABLE, os.fsencode(self.address), found=_words(error))) from error

    def names(self) -> list[bytes]:
        """Return the names of the files in it, sorted; none where it is not there."""
        with self._opened() as (fs, root):
            try:
                fs.invalidate_cache()
                found = fs.ls(root, detail=True)
            except FileNotFoundError:
                return []
        return sorted(_name(each["name"]) for each in found if each["type"] == "file")

    def seen(self, name: bytes) -> tuple[int, str] | None:
        """Return size and checksum of a file as the store tells them; None if it is not there.

        The checksum is empty where the store has none.
        """
        with self._opened() as (fs, root):
            try:
                fs.invalidate_cache()
                found = fs.info(_join(root, name))
            except FileNotFoundError:
                return None
        return int(found["size"]), str(found.get("ETag") or "").strip('"')

    @contextmanager
    def opened(self, name: bytes) -> Iterator[IO[bytes]]:
        """Yield a file that can be read and, from its beginning on, be passed over."""
        with self._opened() as (fs, root):
            opened = fs.open(_join(root, name), "rb", block_size=READ_BYTES, cache_type="readahead")
        with opened as file:
            yield cast("IO[bytes]", _Told(file, self._shown(name)))

    def write(self, name: bytes, data: bytes) -> None:
        """Write a small file; it is there, whole, when this returns."""
        upload = self.upload(name, len(data))
        upload.write(data)
        upload.finish()

    def remove(self, name: bytes) -> None:
        """Remove a file, if it is there."""
        with self._opened() as (fs, root), suppress(FileNotFoundError):
            fs.rm_file(_join(root, name))

    def upload(self, name: bytes, size: int) -> Upload:
        """Begin to send a file of this size, or go on with one that was not finished."""
        with self._opened() as (fs, root):
            path = _join(root, name)
            if _protocol(fs) == "s3":
                return _ToldUpload(S3Upload.begin(fs, path, size), self._shown(name))
            return _ToldUpload(_PlainUpload(fs, path, size), self._shown(name))

    def _shown(self, name: bytes) -> str:
        return f"{self.address.rstrip('/')}/{os.fsdecode(name)}"

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, str]]:
        """Yield the file system and the path in it; errors as `told`."""
        with told(self.address):
            yield _file_system(self.address, os.getpid())


@contextmanager
def told(address: str) -> Iterator[None]:
    """Raise what a service raises as StoreError, but that a file or a library is not there."""
    try:
        yield
    except (FileNotFoundError, ImportError, PackError):
        raise
    except Exception as error:  # each service has errors of its own
        raise StoreError(address, _words(error)) from error


class _Told:
    """A file that is read; errors as `told`."""

    def __init__(self, file: Any, address: str) -> None:
        self._file = file
        self._address = address

    def read(self, size: int) -> bytes:
        with told(self._address):
            return cast("bytes", self._file.read(size))

    def seek(self, offset: int) -> int:
        with told(self._address):
            return int(self._file.seek(offset))


class _ToldUpload:
    """A file that is sent; errors as `told`."""

    def __init__(self, upload: Upload, address: str) -> None:
        self._upload = upload
        self._address = address

    def write(self, data: bytes | memoryview) -> None:
        with told(self._address):
            self._upload.write(data)

    def finish(self) -> None:
        with told(self._address):
            self._upload.finish()

    def give_up(self) -> None:
        with suppress(StoreError, FileNotFoundError), told(self._address):
            self._upload.give_up()


class _PlainUpload:
    """A file that is sent in one go, by what every file system of fsspec has; afterwards its size is compared."""

    def __init__(self, fs: Any, path: str, size: int) -> None:
        self._fs = fs
        self._path = path
        self._size = size
        self._part = path + os.fsdecode(PART) if _protocol(fs) in _WITH_FOLDERS else path
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._file = fs.open(self._part, "wb", block_size=READ_BYTES)

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(bytes(data))

    def finish(self) -> None:
        self._file.close()
        self._fs.invalidate_cache()
        found = self._fs.size(self._part)
        if found is not None and found != self._size:
            raise OSError(f"the store has {found} bytes of {self._size}")
        if self._part != self._path:
            with suppress(FileNotFoundError):
                self._fs.rm_file(self._path)
            self._fs.mv(self._part, self._path)

    def give_up(self) -> None:
        if self._part != self._path:
            self._file.close()
            self._fs.rm_file(self._part)
        else:
            self._file.discard()


@functools.cache
def _file_system(address: str, process: int) -> tuple[Any, str]:
    """Return the file system of an address and the path in it.

    Args:
        process: a connection is not shared with a child process.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ImportError("fsspec is not installed") from error
    fs, path = url_to_fs(address)
    return fs, path


def _protocol(fs: Any) -> str:
    return fs.protocol if isinstance(fs.protocol, str) else str(fs.protocol[0])


def _join(root: str, name: bytes) -> str:
    return f"{root.rstrip('/')}/{name.decode()}"


def _name(path: str) -> bytes:
    return os.fsencode(path.rstrip("/").rpartition("/")[2])


def _words(error: Exception) -> str:
    """Return what a service says; the first line, because some send a page."""
    text = error.text if isinstance(error, StoreError) else getattr(error, "strerror", None) or str(error)
    first = str(text).strip().partition("\n")[0]
    return first or type(error).__name__
