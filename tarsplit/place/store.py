"""Store: a place that fsspec knows, with the few things that a delivery needs of it.

The connection is made where it is used. Object stores show an object when it is complete, and elsewhere a file gets
its name at the end. Addresses and access are those of fsspec: its configuration and the variables of the service, as
`AWS_PROFILE`.
"""

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.private_folder import private_folder
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, PackError, Problem, Refused
from qa2pack.tarsplit.place.folder import Folder
from qa2pack.tarsplit.place.place import Seen, StoreError, Upload, copy_file
from qa2pack.tarsplit.place.plain_upload import PlainUpload, checksum_of
from qa2pack.tarsplit.place.s3_upload import S3Upload
from qa2pack.tarsplit.state import FinishedChunk

READ_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of a store; its methods as `Place` has them.

    Attributes:
        address: as fsspec takes it, `s3://bucket/folder`.
    """

    address: str

    @property
    def path(self) -> bytes:
        """The address, without a slash at its end."""
        return os.fsencode(self.address.rstrip("/"))

    @property
    def goes_on(self) -> bool:
        """Whether a stopped upload goes on."""
        return True

    def check(self) -> None:
        """Check that the store can be reached."""
        try:
            with self._opened() as (fs, root):
                if _protocol(fs) == "s3":  # of a bucket that is not there, no object is there either
                    fs.call_s3("head_bucket", Bucket=fs.split_path(root)[0])
            self.names()
        except (FileNotFoundError, ImportError, StoreError) as error:
            raise Refused(Problem(Code.STORE_UNUSABLE, os.fsencode(self.address), found=_words(error))) from error

    def make(self) -> None:
        """Do nothing: a folder comes into being with its first file."""

    def names(self) -> list[bytes]:
        """Return the names of the files in it, sorted; none where it is not there."""
        with self._opened() as (fs, root):
            try:
                fs.invalidate_cache()
                found = fs.ls(root, detail=True)
            except FileNotFoundError:
                return []
        return sorted(_name(each["name"]) for each in found if each["type"] == "file")

    def seen(self, name: bytes) -> Seen | None:
        """Return size and checksum of a file as the store tells them."""
        with self._opened() as (fs, root):
            try:
                fs.invalidate_cache()
                found = fs.info(_join(root, name))
            except FileNotFoundError:
                return None
        return Seen(int(found["size"]), checksum_of(found))

    def has(self, name: bytes, chunk: FinishedChunk) -> bool:
        """Compare size and checksum that the store tells of a chunk; reads nothing."""
        seen = self.seen(name)
        return seen is not None and seen.byte_count == chunk.byte_count and _is_alike(seen.checksum, chunk)

    def opened(self, name: bytes) -> "_OpenedFile":
        """Open a file, which is read ahead."""
        with self._opened() as (fs, root):
            return _OpenedFile(fs, _join(root, name), self._shown(name))

    def room_bytes(self, leftovers: Iterable[bytes]) -> int | None:
        """Return None."""
        return None

    @contextmanager
    def upload(self, name: bytes, size: int) -> Iterator[Upload]:
        """Begin a file, or go on with the parts of it that are there; if the block raises, they stay."""
        with self._opened() as (fs, root):
            begin: Callable[[Any, str, int], Upload] = S3Upload.begin if _protocol(fs) == "s3" else PlainUpload
            upload = begin(fs, _join(root, name), size)
        yield _ToldUpload(upload, self._shown(name))

    def write(self, name: bytes, data: bytes) -> None:
        """Write a small file."""
        with self.upload(name, len(data)) as upload:
            upload.write(data)
            upload.finish()

    def remove(self, names: Iterable[bytes]) -> None:
        """Remove files."""
        with self._opened() as (fs, root):
            for name in names:
                with suppress(FileNotFoundError):
                    fs.rm_file(_join(root, name))

    @contextmanager
    def local(self, is_wanted: Callable[[bytes], object]) -> Iterator[bytes]:
        """Yield a temporary folder with copies of the files that are wanted."""
        with private_folder() as folder:
            for name in filter(is_wanted, self.names()):
                with suppress(FileNotFoundError):  # gone since
                    copy_file(name, self, Folder(folder))
            yield folder

    def take(self, folder: bytes, names: Iterable[bytes]) -> None:
        """Send files, one after the other."""
        for name in names:
            copy_file(name, Folder(folder), self)

    def _shown(self, name: bytes) -> bytes:
        return join(self.path, name)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, str]]:
        """Yield the file system and the path in it; errors as `told`."""
        with told(os.fsencode(self.address)):
            yield _file_system(self.address, os.getpid())


def _is_alike(stored: str, chunk: FinishedChunk) -> bool:
    """Return whether the checksum that a store tells is that of the chunk, as far as that is known.

    The state file has what the store told when the chunk was sent; a sidecar has the MD5, which is the checksum of an
    object that was sent in one part.
    """
    if chunk.stored:
        return stored == chunk.stored
    md5 = dict(chunk.checksums).get("md5")
    return not md5 or not stored or "-" in stored or stored == md5


@contextmanager
def told(path: bytes) -> Iterator[None]:
    """Raise what a service raises as StoreError, but that a file or a library is not there."""
    try:
        yield
    except (FileNotFoundError, ImportError, PackError):
        raise
    except Exception as error:  # each service has errors of its own
        raise StoreError(path, _words(error)) from error


class _OpenedFile:
    """A file that is read; errors as `told`."""

    def __init__(self, fs: Any, path: str, shown: bytes) -> None:
        self._fs = fs
        self._path = path
        self._shown = shown
        fs.invalidate_cache()
        self._file = fs.open(path, "rb", block_size=READ_BYTES, cache_type="readahead")

    @property
    def byte_count(self) -> int:
        with told(self._shown):
            size = getattr(self._file, "size", None)
            return int(self._fs.size(self._path) if size is None else size)

    def read(self, size: int) -> bytes:
        with told(self._shown):
            return cast("bytes", self._file.read(size))

    def seek(self, offset: int) -> int:
        with told(self._shown):
            return int(self._file.seek(offset))

    def __enter__(self) -> "_OpenedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _ToldUpload:
    """A file that is sent; errors as `told`."""

    def __init__(self, upload: Upload, shown: bytes) -> None:
        self._upload = upload
        self._shown = shown

    def write(self, data: bytes | memoryview) -> None:
        with told(self._shown):
            self._upload.write(data)

    def finish(self) -> str:
        with told(self._shown):
            return self._upload.finish()

    def give_up(self) -> None:
        with suppress(StoreError, FileNotFoundError), told(self._shown):
            self._upload.give_up()


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
    return f"{root.rstrip('/')}/{os.fsdecode(name)}"


def _name(path: str) -> bytes:
    return os.fsencode(path.rstrip("/").rpartition("/")[2])


def _words(error: Exception) -> str:
    """Return what a service says; the first line, because some send a page."""
    text = error.text if isinstance(error, StoreError) else getattr(error, "strerror", None) or str(error)
    first = str(text).strip().partition("\n")[0]
    return first or type(error).__name__
