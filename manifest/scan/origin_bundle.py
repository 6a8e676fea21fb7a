"""Bundle of the origin: the files in it with their digests, read once; nothing is unpacked to a disk."""

import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator

import xxhash

from qa2pack.manifest.bundle.entry import BundleEntry, kept_mode, kept_seconds
from qa2pack.manifest.bundle.form import SUFFIXES, Form, form_of
from qa2pack.manifest.bundle.read import BundleError, read_bundle_file
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.file_state import FileState, state_of
from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.fs.safe_open import OpenFile, opened_beneath, opened_file
from qa2pack.manifest.path import is_within, shown
from qa2pack.manifest.problem import Code, Problem, unreadable

_SECOND_NS = 10**9
# Of memory, for the files of a bundle: about a million, far more than any has; a hostile one has any number.
_LISTED_BYTES = 512 << 20
_FILE_BYTES = 400


@dataclass(frozen=True, slots=True)
class BundleToRead:
    """A bundle, by its path relative to the root, or absolute outside of it; and the resolved path of the package."""

    root: bytes
    source: bytes
    package: bytes


@dataclass(frozen=True, slots=True)
class InnerFile:
    """A file in a bundle.

    Attributes:
        path: in the bundle; of a `.gz`, the name of the bundle without this.
        mtime_ns: whole seconds; of a `.gz`, that of the bundle.
        mode: 0755 or 0644.
    """

    path: bytes
    size: int
    mtime_ns: int
    mode: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class OriginBundle:
    """A bundle that was read.

    Attributes:
        files: sorted by path.
        problem: why what is in it is not known; then there are no files. Its path is absolute.
    """

    source: bytes
    state: FileState | None
    files: tuple[InnerFile, ...] = ()
    problem: Problem | None = None


def read_origin_bundles(
    root: bytes, sources: Iterable[bytes], engine: Engine, *, package: bytes = b""
) -> dict[bytes, OriginBundle]:
    """Read these bundles side by side; return them by source."""
    batches = deque(BundleToRead(root, source, package) for source in sources)
    return {bundle.source: bundle for bundle in engine.run(read_origin_bundle, batches)}


def read_origin_bundle(batch: BundleToRead) -> OriginBundle:
    """Read one bundle to its end; what keeps it from being read is a problem of it."""
    path = os.path.join(batch.root, batch.source)
    try:
        with opened_bundle(batch.root, batch.source, batch.package) as fd:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise BundleError(kind_in_words(status.st_mode))
            files = tuple(sorted(_files_in(fd, batch.source, status.st_mtime_ns), key=lambda file: file.path))
            found = state_of(os.fstat(fd))
    except OSError as error:
        return OriginBundle(batch.source, None, problem=unreadable(path, error))
    except BundleError as error:
        problem = Problem(Code.BUNDLE_UNREADABLE, path, "a bundle that can be read", str(error))
        return OriginBundle(batch.source, None, problem=problem)
    if found != state_of(status):
        problem = Problem(Code.ORIGIN_CHANGED, path, state_of(status), found)
        return OriginBundle(batch.source, None, problem=problem)
    return OriginBundle(batch.source, found, files)


def opened_bundle(root: bytes, source: bytes, package: bytes) -> OpenFile:
    """Open a bundle of the origin; no symlink is followed but one into the package, as a move leaves it.

    Raises:
        OSError: it cannot be opened.
    """
    real = real_path(os.path.join(root, source))
    if package and is_within(real, package):
        return opened_file(real)
    folder, name = os.path.split(source)
    with opened_beneath(root, folder) as dir_fd:
        return opened_file(name, dir_fd=dir_fd)


def inner_path(entry: BundleEntry, source: bytes) -> bytes:
    """Return the path in its bundle of a file; of a `.gz`, which does not tell it, the name of that without this."""
    return entry.path or os.path.basename(source).removesuffix(b".gz")


def form_of_bundle(source: bytes) -> Form:
    """Return the form of a bundle of the origin.

    Raises:
        BundleError: a symlink with the name of a bundle leads to a file without such a name.
    """
    form = form_of(source)
    if form is None:
        raise BundleError(f"its own name does not end in {', '.join(SUFFIXES)}")
    return form


def _files_in(fd: int, source: bytes, mtime_ns: int) -> Iterator[InnerFile]:
    paths, left = set[bytes](), _LISTED_BYTES
    for entry, blocks in read_bundle_file(fd, form_of_bundle(source)):
        left -= _FILE_BYTES + len(entry.path)
        if left < 0:
            raise BundleError("it has too many files")
        if entry.is_folder:
            continue
        path, size, state = inner_path(entry, source), 0, xxhash.xxh3_128()
        for block in blocks:
            size += len(block)
            state.update(block)
        if path in paths:
            raise BundleError(f"it has {shown(path)} twice")
        paths.add(path)
        inner_ns = kept_seconds(entry) * _SECOND_NS if entry.path else mtime_ns
        yield InnerFile(path, size, inner_ns, kept_mode(entry), state.digest())
