"""Checksum lists of members (xxh128, md5, sha256), as lines in path order; paths start with the project code.

XXH128 digests are in the manifests. For the others every file is read, once for all algorithms. A file that differs
from its manifest stops the export, so no list is made of a damaged package.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.format.spool import OrderedSpool
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.table_lock import is_table_lock
from qa2pack.manifest.verify.checksum_lines import Line, coreutils_line, xxhsum_line
from qa2pack.manifest.verify.checksums import sum_files

ALGORITHMS = {"md5sum": "md5", "sha256sum": "sha256"}


def in_package(package: Package, manifest: Described) -> bytes:
    """Return the path of the member, relative to the folder that holds the package."""
    return package.member(manifest.header.member).removeprefix(package.parent.rstrip(b"/") + b"/")


def xxhsum_lines(package: Package, manifests: Sequence[Described]) -> Iterator[bytes]:
    """Yield the lines of the xxh128 list, from the manifests; no file is read.

    Locks of tables are not in it: they are no content, so the manifest has no digest of them.

    Raises:
        Refused: a manifest has no digest of a file.
    """
    for manifest in manifests:
        folder = in_package(package, manifest)
        for record in map(decode_record, manifest.stream.blobs()):
            for index, name in enumerate(record.names):
                if is_table_lock(name):
                    continue
                path = join(folder, join(record.path, name))
                if record.digest(index) == NO_DIGEST:
                    raise Refused(Problem(Code.DIGEST_MISSING, path))
                yield xxhsum_line(record.digest(index).hex(), path)


def read_sums(
    package: Package,
    manifests: Sequence[Described],
    algorithms: Sequence[str],
    *,
    engine: Engine,
    progress: Progress,
    root: bytes | None = None,
    line: Line = coreutils_line,
) -> dict[str, list[OrderedSpool]]:
    """Read all files once and return the lines of each algorithm's list, a spool per member.

    Args:
        root: the folder that holds the package, or a copy of it; None for the package itself.

    Raises:
        Refused: files differ from the manifests; all of them are listed.
    """
    progress.phase(
        "read and sum",
        file_count=sum(manifest.notes.file_count for manifest in manifests),
        byte_count=sum(manifest.notes.byte_count for manifest in manifests),
    )
    spools: dict[str, list[OrderedSpool]] = {name: [] for name in algorithms}
    problems: list[Problem] = []
    for manifest in manifests:
        folder = in_package(package, manifest)
        for name in algorithms:
            spools[name].append(OrderedSpool())
        tree = join(package.parent if root is None else root, folder)
        for result in sum_files(tree, manifest.stream.blobs(), tuple(algorithms), engine=engine, progress=progress):
            problems += [replace(problem, path=join(tree, problem.path)) for problem in result.problems]
            for place, name in enumerate(algorithms):
                lines = b"".join(line(sums[place], join(folder, path)) for path, sums in result.sums)
                spools[name][-1].add(result.number, lines)
    if problems:
        raise Refused(*sorted(problems, key=lambda problem: problem.path))
    return spools


def spooled(spools: Sequence[OrderedSpool]) -> Iterator[bytes]:
    """Yield the lines of all members, and close the spools."""
    for spool in spools:
        yield from spool.pieces()
        spool.close()
