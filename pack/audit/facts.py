"""Facts about a package from header and notes of its manifests; no file of the package is read."""

import hashlib
from collections.abc import Iterable

from qa2pack.manifest.alma.package import Package, manifest_names, member_of_manifest
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.format.header import Header, Notes, StreamKind
from qa2pack.manifest.format.header_codec import read_header, read_notes
from qa2pack.manifest.format.stream import StreamError, unhashed_stream
from qa2pack.manifest.fs.presence import status_of
from qa2pack.manifest.path import join, shown

_MOST = (1 << 63) - 1  # SQLite has no greater number; a forged manifest may have


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """Who made a member, when and with what.

    Attributes:
        name: of the member.
        made_ns: when the scan of it began, ns since the epoch.
        program: name and version.
        mode: in which it was packaged.
    """

    name: bytes
    user: str
    host: str
    program: str
    mode: str
    made_ns: int
    file_count: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the manifests of a package say.

    Attributes:
        identity: digest of the digests that its manifests say they have; empty if one of them cannot be used. A
            package that was moved keeps it, one that was changed by this program has another.
        members: those whose manifest can be used, sorted.
    """

    identity: bytes
    members: tuple[MemberFacts, ...]

    @property
    def file_count(self) -> int:
        """Files of all members."""
        return min(sum(member.file_count for member in self.members), _MOST)

    @property
    def byte_count(self) -> int:
        """Bytes of all members."""
        return min(sum(member.byte_count for member in self.members), _MOST)


def look_of(package: Package) -> bytes:
    """Return a digest of the names, sizes, times and inodes of the manifests; empty if the package has none.

    A package that was only planned has none yet, and nothing to be verified.

    Raises:
        OSError: the control folder cannot be read.
    """
    names = _names(package)
    states = [(name, status_of(join(package.manifests, name))) for name in names]
    known = [(name, str(state_of(status).identity).encode()) for name, status in states if status]
    return _digest(part for pair in known for part in pair) if known else b""


def facts_of(package: Package) -> Facts:
    """Read header and notes of each manifest; one that cannot be used is what verifying the package reports.

    The checksums are not compared with the content: verifying does that, and would read all of them a second time.
    """
    digests: list[bytes] = []
    members: list[MemberFacts] = []
    is_whole = True
    for name in _names(package):
        try:
            stream = unhashed_stream(join(package.manifests, name))
            header, notes = read_header(stream, StreamKind.MANIFEST), read_notes(stream)
        except (StreamError, FileNotFoundError):
            is_whole = False
            continue
        digests += [name, stream.digest]
        members.append(_facts(member_of_manifest(name), header, notes))
    return Facts(_digest(digests) if is_whole else b"", tuple(members))


def _facts(member: bytes, header: Header, notes: Notes) -> MemberFacts:
    return MemberFacts(
        member,
        shown(header.user),
        shown(header.host),
        shown(header.program),
        header.mode,
        max(min(header.scanned_ns, _MOST), -_MOST),
        min(notes.file_count, _MOST),
        min(notes.byte_count, _MOST),
    )


def _names(package: Package) -> list[bytes]:
    try:
        return manifest_names(package)
    except NotADirectoryError:
        return []


def _digest(parts: Iterable[bytes]) -> bytes:
    made = hashlib.sha256()
    for part in parts:
        made.update(len(part).to_bytes(8, "big") + part)
    return made.digest()
