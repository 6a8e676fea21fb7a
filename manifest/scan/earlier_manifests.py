"""Earlier plans and manifests of the same origin: sources of known digests and table descriptions."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from qa2pack.manifest.alma.package import Package, PackageState
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.format.header_codec import read_header
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.scan.digest_cache import KnownStream


def known_streams(
    package: Package, state: PackageState, origin: bytes, opened: OpenedFiles
) -> tuple[KnownStream, ...]:
    """Return earlier plans and manifests of the same origin; those that cannot be read are skipped."""
    found = []
    for kind, path in _earlier(package, state):
        try:
            stream = opened.peek(path)
            header = read_header(stream, kind)
        except (StreamError, FileNotFoundError):
            continue
        if header.origin == origin:
            found.append(KnownStream(path, header.scanned_ns, stream.digest))
    return tuple(found)


def _earlier(package: Package, state: PackageState) -> Iterator[tuple[StreamKind, bytes]]:
    yield StreamKind.PLAN, package.plan
    yield StreamKind.PLAN, package.last_plan
    for path in state.manifests.values():
        yield StreamKind.MANIFEST, path


def earlier_descriptions(
    package: Package, state: PackageState, origin: bytes, opened: OpenedFiles
) -> tuple[Described, ...]:
    """Return the earlier plans and manifests of the same origin that are undamaged."""
    manifests = frozenset(state.manifests.values())
    found = []
    for known in known_streams(package, state, origin, opened):
        with suppress(StreamError, FileNotFoundError):
            found.append(opened.manifest(known.path) if known.path in manifests else opened.plan(known.path))
    return tuple(found)


def known_in_bundles(earlier: Iterable[Described]) -> Mapping[bytes, tuple[tuple[bytes, int], ...]]:
    """Return, by the path of a bundle, the earlier records of the files in it with the times of their scans."""
    known: dict[bytes, tuple[tuple[bytes, int], ...]] = {}
    for described in earlier:
        for task in described.notes.bundles:
            records = tuple((blob, described.header.scanned_ns) for blob in task.records)
            known[task.path] = (*known.get(task.path, ()), *records)
    return known


def known_split_sources(earlier: Iterable[Described]) -> Mapping[bytes, tuple[tuple[bytes, int], ...]]:
    """Return, by destination folder, the source records of earlier table splits with the times of their scans."""
    known: dict[bytes, tuple[tuple[bytes, int], ...]] = {}
    for described in earlier:
        for task in described.notes.splits:
            known[task.path] = (*known.get(task.path, ()), (task.before, described.header.scanned_ns))
    return known
