"""Export a package as a BagIt bag of hard links, with checks before."""

import os
from collections.abc import Iterator, Sequence

from qa2pack.executor.bag import BagMember, CannotLinkError, Payload, make_bag
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.output_file import PARTIAL
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.verify.checksum_lines import bag_line
from qa2pack.manifest.verify.checksum_lists import in_package, read_sums, spooled
from qa2pack.manifest.verify.names_as_text import WrongNames, not_in_a_bag
from qa2pack.pack import PROGRAM
from qa2pack.pack.jobs.engines import Workers, started_engine

_ALGORITHM = "sha256"
_SAME_DISK = Remedy(
    "A bag is made of hard links: name a folder on the disk of the package. It can be copied anywhere afterwards."
)


def bagged(package: Package, manifests: Sequence[Described], bag: bytes, workers: Workers) -> None:
    """Make a bag of these members at a path that does not exist.

    Raises:
        Refused: hard links are not possible there, or a bag cannot hold a name; nothing was made.
        Refused: files differ from the manifests; nothing was made.
    """
    _check_place(package, bag)
    payload = _payload(package, manifests)
    members = [BagMember(manifest.header.member, manifest.stream.blobs) for manifest in manifests]
    with started_engine(workers) as engine:

        def lines(data: bytes) -> Iterator[bytes]:
            """Read the linked files, the payload of the bag."""
            spools = read_sums(
                package,
                manifests,
                [_ALGORITHM],
                engine=engine,
                progress=workers.progress,
                root=data,
                line=bag_line,
            )
            return spooled(spools[_ALGORITHM])

        try:
            make_bag(package, members, bag, lines, payload=payload, program=PROGRAM, disk=Disk())
        except CannotLinkError as error:
            raise Refused(Problem(Code.BAG_LINK, error.path, found=error.reason)) from error


def _check_place(package: Package, bag: bytes) -> None:
    parent = os.path.dirname(bag)
    if os.stat(parent).st_dev != os.stat(package.path).st_dev:
        raise Refused(Problem(Code.CROSS_DEVICE, parent), remedies=(_SAME_DISK,))
    if is_there(bag + PARTIAL):
        remedy = Remedy("If no export is running, remove it:", ("rm -r PATH",), bag + PARTIAL)
        raise Refused(Problem(Code.EXPORT_UNFINISHED, bag + PARTIAL), remedies=(remedy,))


def _payload(package: Package, manifests: Sequence[Described]) -> Payload:
    """Return number and size of the bag's files, after checking every name."""
    files = size = 0
    wrong = WrongNames()
    for manifest in manifests:
        folder = in_package(package, manifest)
        for record in map(decode_record, manifest.stream.blobs()):
            files += len(record.names)
            size += sum(record.sizes)
            for name in record.names:
                path = join(folder, join(record.path, name))
                wrong.add(path, not_in_a_bag(path))
    wrong.end()
    return Payload(files, size)
