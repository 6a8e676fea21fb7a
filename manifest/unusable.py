"""A manifest that cannot be used, as a problem: damaged, or written by a newer program, which must not be mixed up.

What to do about the two is opposite: a damaged one may have to be made anew, a newer one is good and must stay.
"""

from collections.abc import Iterator

from qa2pack.manifest.alma.package import Package, manifest_names
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.record import check_record
from qa2pack.manifest.stream import NewerFormatError, StreamError, open_stream


def unusable_manifest(error: StreamError, path: bytes | None = None) -> Problem:
    """Return the problem; its path is that of the file, unless another is given."""
    code = Code.MANIFEST_NEWER if isinstance(error, NewerFormatError) else Code.MANIFEST_DAMAGED
    return Problem(code, error.path if path is None else path, found=f"one that {error.reason}")


def files_with_bad_records(package: Package) -> Iterator[bytes]:
    """Yield the plans and manifests of a package with records that make no sense under a right checksum.

    For the words when such a record was met where its file was not known; a file that does not open is another fault.
    """
    manifests = (join(package.manifests, name) for name in manifest_names(package))
    for path in (package.plan, package.last_plan, *manifests):
        try:
            for blob in open_stream(path).blobs():
                check_record(blob)
        except ValueError:
            yield path
        except (OSError, StreamError):
            continue
