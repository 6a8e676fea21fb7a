"""Store: a place that fsspec knows, with the few things that a delivery needs of it.

The connection is made where it is used. Object stores show an object when it is complete, and elsewhere a file gets
its name at the end. Addresses and access are those of fsspec: its configuration and the variables of the service, as
`AWS_PROFILE`.
"""

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, cast
from urllib.parse import quote, unquote_to_bytes

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.private_folder import private_folder
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, PackError, Problem, Refused, Remedy
from qa2pack.tarsplit.place.address import check_address, folder_of, missing_library
from qa2pack.tarsplit.place.folder import Folder
from qa2pack.tarsplit.place.place import Seen, StoreError, Tree, Upload, content_of, copy_file
from qa2pack.tarsplit.place.plain_upload import (
    OF_SSH,
    OF_WEB,
    WITH_FOLDERS,
    PlainUpload,
    checksum_of,
    in_blocks,
    protocols_of,
)
from qa2pack.tarsplit.place.s3_upload import S3Upload
from qa2pack.tarsplit.place.sender import sole_sender
from qa2pack.tarsplit.place.store_tree import StoreTree
from qa2pack.tarsplit.place.web_file import WebFile, web_options
from qa2pack.tarsplit.state import FinishedChunk

READ_BYTES = 16 << 20
# Of itself sshfs compares no key of a server, and waits for ever for one that has fallen silent. With no files named,
# known hosts are those of ssh. After so many questions without an answer, at intervals of so many seconds, the
# connection is given up.
SSH_OPTIONS: dict[str, Any] = {"known_hosts": (), "keepalive_interval": 30, "keepalive_count_max": 4}
_OTHER_FOLDER = Remedy("Name another folder, which may not exist yet")
_PLAINER = {"Failure": "Failure, as a server by SFTP says of a disk that is full or read-only, among others"}
_NOT_THERE = (404, 410)  # as a web server says it
_ONLY_NEW = "xb"  # opens for writing what is not there, and nothing else


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
    def folder(self) -> bytes:
        """The path on this machine that an address `file:///FOLDER` has; empty for any other."""
        return folder_of(self.address)

    @property
    def goes_on(self) -> bool:
        """Whether a stopped upload goes on."""
        return True

    def check(self) -> None:
        """Check that the store can be reached."""
        check_address(self.address)
        try:
            with self._opened() as (fs, root):
                if "s3" in protocols_of(fs):  # of a bucket that is not there, no object is there either
                    self._check_bucket(fs, fs.split_path(root)[0])
                if protocols_of(fs) & WITH_FOLDERS:
                    self._check_folder(fs, root)
            self.names()
        except (FileNotFoundError, ImportError, StoreError) as error:
            problem = Problem(Code.STORE_UNUSABLE, os.fsencode(self.address), found=_words(error))
            remedies = (missing_library(self.address, _known()),) if isinstance(error, ImportError) else ()
            raise Refused(problem, remedies=remedies) from error

    def _check_bucket(self, fs: Any, bucket: str) -> None:
        try:
            fs.call_s3("head_bucket", Bucket=bucket)
        except FileNotFoundError as error:
            problem = Problem(Code.STORE_UNUSABLE, self.path, found=f"there is no bucket {bucket}")
            make = Remedy(
                "Correct its name. Or have it made; with the command line of AWS:", (f"aws s3 mb s3://{bucket}",)
            )
            raise Refused(problem, remedies=(make,)) from error

    def _check_folder(self, fs: Any, path: str) -> None:
        """Refuse a file in place of the folder, or of one above it."""
        while path := path.rstrip("/"):
            with suppress(FileNotFoundError, NotADirectoryError):
                if fs.info(path)["type"] == "file":
                    found = f"a file in place of the folder {shown(os.fsencode(path))}"
                    raise Refused(Problem(Code.STORE_UNUSABLE, self.path, found=found), remedies=(_OTHER_FOLDER,))
                return
            path = path.rpartition("/")[0]

    def make(self) -> None:
        """Do nothing: a folder comes into being with its first file."""

    def names(self, below: bytes = b"") -> list[bytes]:
        """Return the names of what is in it, or in a folder below it, sorted; none where it is not there."""
        return sorted(_name(each["name"]) for each in self._listed(below))

    def _listed(self, below: bytes = b"") -> list[dict[str, Any]]:
        with self._opened() as (fs, root):
            fs.invalidate_cache()
            folder = _as_listed(fs, _join(root, below) if below else root)
            try:
                found: list[dict[str, Any]] = fs.ls(folder, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        # An object store lists a folder that was made in it as an object of the same name.
        return [each for each in found if each["name"].strip("/") != folder.strip("/")]

    def files(self) -> Iterator[tuple[bytes, int | None]]:
        """Yield path and size of every file in it and in the folders below; none where it is not there.

        The size is None as in `Seen`.
        """
        with self._opened() as (fs, root):
            fs.invalidate_cache()
            top = _as_listed(fs, root)
            for folder, _, files in fs.walk(top, detail=True):
                below = _as_bytes(folder.removeprefix(top).strip("/"), top)
                for name, each in sorted(files.items()):
                    if name and each["type"] == "file":  # the object of a folder has no name in it
                        size = each["size"]
                        if size is None:  # as of the page of a web server
                            size = fs.size(each["name"])
                        yield join(below, _as_bytes(name, top)), _size(size)

    def seen(self, name: bytes) -> Seen | None:
        """Return size and checksum of a file as the store tells them."""
        try:
            with self._opened() as (fs, root):
                fs.invalidate_cache()
                found = fs.info(_join(root, name))
        except FileNotFoundError:
            return None
        return Seen(_size(found["size"]), checksum_of(found))

    def has(self, name: bytes, chunk: FinishedChunk) -> bool | None:
        """Compare size and checksum that the store tells of a chunk; reads nothing."""
        seen = self.seen(name)
        if seen is None or seen.byte_count != chunk.byte_count:
            return False
        return _is_alike(seen.checksum, chunk)

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
            begin: Callable[[Any, str, int], Upload] = S3Upload.begin if "s3" in protocols_of(fs) else PlainUpload
            upload = begin(fs, _join(root, name), size)
        yield _ToldUpload(upload, self._shown(name))

    def tree(self, name: bytes, *, is_read: bool = False) -> Tree:
        """Begin a tree, or go on with it."""
        return StoreTree(self, name, is_read=is_read)

    def next_version(self, name: bytes) -> Tree:
        """Begin what is added to a tree, in it: what is there already stays, and the inventory is sent last."""
        return StoreTree(self, name)

    def write(self, name: bytes, data: bytes) -> None:
        """Write a small file."""
        with self.upload(name, len(data)) as upload:
            upload.write(data)
            upload.finish()

    def create(self, name: bytes, data: bytes) -> bool:
        """Write a small file if none of that name is there; return whether it is there with this content.

        Who does not know how to make only what is not there yet, and refuses that, writes it as any other.
        """
        if self.seen(name):
            return False
        try:
            with self._opened() as (fs, root):
                _create(fs, _join(root, name), data)
        except StoreError:
            if self.seen(name) is None:
                self.write(name, data)
        except FileExistsError:
            return False
        try:
            return self.small(name, len(data) + 1) == data
        except FileNotFoundError:
            return False

    def small(self, name: bytes, limit_bytes: int) -> bytes:
        """Return the content of a file, no more than so much of it."""
        with self.opened(name) as file:
            return content_of(file, limit_bytes)

    def alone(self, name: bytes, *, is_taking_over: bool) -> AbstractContextManager[Callable[[], None]]:
        """Be the only run that sends, by a file of this name."""
        return sole_sender(self, name, is_taking_over=is_taking_over)

    def remove(self, names: Iterable[bytes]) -> None:
        """Remove files and trees."""
        with self._opened() as (fs, root):
            for name in names:
                with suppress(FileNotFoundError):
                    path = _join(root, name)
                    if fs.isdir(path):
                        fs.rm(path, recursive=True)
                    else:
                        fs.rm_file(path)

    @contextmanager
    def local(self, is_wanted: Callable[[bytes], object]) -> Iterator[bytes]:
        """Yield a temporary folder with copies of the files that are wanted."""
        with private_folder() as folder:
            files = (_name(each["name"]) for each in self._listed() if each["type"] == "file")
            for name in sorted(filter(is_wanted, files)):
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
        """Yield the file system and the path in it; errors as `as_store_errors`."""
        with as_store_errors(os.fsencode(self.address)):
            yield _file_system(self.address, os.getpid())


def _is_alike(stored: str, chunk: FinishedChunk) -> bool | None:
    """Return whether the checksum that a store tells is that of the chunk; None if that is not known.

    The state file has what the store said when the chunk was sent; a sidecar has the MD5, which is the checksum of an
    object that was sent in one part.
    """
    if chunk.stored:
        return stored == chunk.stored
    md5 = dict(chunk.checksums).get("md5")
    return stored == md5 if md5 and stored and "-" not in stored else None


@contextmanager
def as_store_errors(path: bytes) -> Iterator[None]:
    """Raise what a service raises as StoreError, but that a file or a library is not there, or a file is."""
    try:
        yield
    except FileNotFoundError as error:
        if _is_of_web_failure(error):
            raise StoreError(path, _words(cast("Exception", error.__cause__))) from error
        raise
    except (FileExistsError, ImportError, PackError):
        raise
    except Exception as error:  # each service has errors of its own
        raise StoreError(path, _words(error)) from error


def _is_of_web_failure(error: FileNotFoundError) -> bool:
    """Return whether a web server failed or could not be reached: fsspec says of all that a file is not there."""
    cause = error.__cause__
    is_of_web = isinstance(cause, TimeoutError) or type(cause).__module__.startswith("aiohttp")
    return is_of_web and getattr(cause, "status", None) not in _NOT_THERE


class _OpenedFile:
    """A file that is read; errors as `as_store_errors`."""

    def __init__(self, fs: Any, path: str, shown: bytes) -> None:
        self._fs = fs
        self._path = path
        self._shown = shown
        fs.invalidate_cache()
        self._file: Any
        if protocols_of(fs) & OF_WEB:
            self._file = WebFile(fs, path, READ_BYTES)
        else:
            self._file = fs.open(path, "rb", cache_type="readahead", **in_blocks(fs, READ_BYTES))

    @property
    def byte_count(self) -> int | None:
        with as_store_errors(self._shown):
            size = getattr(self._file, "size", None)
            return _size(self._fs.size(self._path) if size is None else size)

    def read(self, size: int) -> bytes:
        with as_store_errors(self._shown):
            return cast("bytes", self._file.read(size))

    def seek(self, offset: int) -> int:
        with as_store_errors(self._shown):
            return int(self._file.seek(offset))

    def __enter__(self) -> "_OpenedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _ToldUpload:
    """A file that is sent; errors as `as_store_errors`."""

    def __init__(self, upload: Upload, shown: bytes) -> None:
        self._upload = upload
        self._shown = shown

    def write(self, data: bytes | memoryview) -> None:
        with as_store_errors(self._shown):
            self._upload.write(data)

    def finish(self) -> str:
        with as_store_errors(self._shown):
            return self._upload.finish()

    def give_up(self) -> None:
        with suppress(StoreError, FileNotFoundError), as_store_errors(self._shown):
            self._upload.give_up()


@functools.cache
def _file_system(address: str, process: int) -> tuple[Any, str]:
    """Return the file system of an address and the path in it.

    Args:
        process: a connection is not shared with a child process.
    """
    try:
        from fsspec.config import conf
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ImportError("fsspec is not installed") from error
    protocol = address.partition("://")[0]
    own = SSH_OPTIONS if protocol in OF_SSH else web_options() if protocol in OF_WEB else {}
    fs, path = url_to_fs(address, **({**own, **conf.get(protocol, {})} if own else {}))
    # What is written and read has the root of a server before it, so that is listed, not the home folder.
    return fs, path or ("/" if protocol in OF_SSH else "")


def _known() -> Mapping[str, Mapping[str, Any]]:
    """Return what fsspec knows of each protocol; nothing where that is not installed."""
    try:
        from fsspec.registry import known_implementations
    except ImportError:
        return {}
    return cast("Mapping[str, Mapping[str, Any]]", known_implementations)


def _create(fs: Any, path: str, data: bytes) -> None:
    """Write a file that is not there, as far as the service can do that in one step.

    Raises:
        FileExistsError: it is there.
    """
    if "s3" in protocols_of(fs):
        bucket, key, _ = fs.split_path(path)
        fs.call_s3("put_object", Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
        return
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    with fs.open(path, _ONLY_NEW) as file:
        file.write(data)


def _as_listed(fs: Any, folder: str) -> str:
    """Return a folder as it is listed: some web servers know one only with a slash at its end."""
    if not protocols_of(fs) & OF_WEB:
        return folder
    try:
        fs.ls(folder)
    except FileNotFoundError:
        return f"{folder.rstrip('/')}/"
    return folder


def _join(root: str, name: bytes) -> str:
    return f"{root.rstrip('/')}/{quote(name) if _is_address(root) else os.fsdecode(name)}"


def _size(found: Any) -> int | None:
    return None if found is None else int(found)


def _name(path: str) -> bytes:
    return _as_bytes(path.rstrip("/").rpartition("/")[2], path)


def _as_bytes(text: str, path: str) -> bytes:
    """Return a part of a path as it is called in the store: an address has `%3D` for a `=`."""
    return unquote_to_bytes(text) if _is_address(path) else os.fsencode(text)


def _is_address(path: str) -> bool:
    return path.partition("://")[0] in OF_WEB


def _words(error: Exception) -> str:
    """Return what a service says; the first line, because some send a page."""
    text = error.text if isinstance(error, StoreError) else getattr(error, "strerror", None) or str(error)
    first = str(text).strip().partition("\n")[0]
    return _PLAINER.get(first, first) or type(error).__name__
