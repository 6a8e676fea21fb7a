"""Check rows of a member: the checks of its layout, which its manifest has, applied to the files that it lists.

A plan applied the same checks to what it was about to package. So they find something in a member that was adopted,
or that was packaged with warnings. Whether the files are there is not a matter of this module. Read-only.
"""

from collections.abc import Iterator

from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.control_file import LARGE_BYTES, read_bounded
from qa2pack.manifest.fs.safe_open import opened_beneath, opened_file
from qa2pack.manifest.layout.check import Listed, Names
from qa2pack.manifest.layout.member_checks import member_faults
from qa2pack.manifest.layout.name_rules import NameRules
from qa2pack.manifest.layout.recorded_checks import checks_of
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.problem import Code, Problem


def check_row_problems(manifest: Described, root: bytes, *, is_reading: bool) -> Iterator[Problem]:
    """Yield a problem or a warning for all by which a check is not met; paths relative to the member, which is `.`.

    Args:
        root: absolute path of the member.
        is_reading: lists in the member are read; else checks of lists are left out.
    """
    if not manifest.header.checks:
        return
    try:
        checks = checks_of(manifest.header.checks)
        paths = list(_paths(manifest))
        inside = tuple(check for check in checks if isinstance(check, Names) and check.is_inside)
        warnings = list(_names_inside(manifest, NameRules(inside))) if inside else []
    except ValueError as error:
        yield Problem(Code.MANIFEST_DAMAGED, b".", found=f"checks or records that do not make sense ({error})")
        return
    wanted = [check for check in checks if is_reading or not isinstance(check, Listed)]
    faults = member_faults(wanted, paths, lambda path: _content(root, path))
    yield from (*faults.problems, *faults.warnings, *warnings)


def _paths(manifest: Described) -> Iterator[bytes]:
    """Yield the files and whole trees of the member; files in trees are not looked at."""
    trees = frozenset(manifest.notes.trees)
    yield from trees
    tree: bytes | None = None
    for blob in manifest.stream.blobs():
        record = decode_record(blob)
        if tree is None or not is_within(record.path, tree):  # records are sorted: those of a tree follow each other
            tree = record.path if record.path in trees else None
        if tree is None:
            yield from (join(record.path, name) for name in record.names)


def _names_inside(manifest: Described, rules: NameRules) -> Iterator[Problem]:
    """Yield a warning for each name of the member, also in trees, that is not as it should be."""
    for blob in manifest.stream.blobs():
        record = decode_record(blob)
        yield from rules.warnings(record.path, [*record.folders, *record.names])


def _content(root: bytes, path: bytes) -> bytes:
    folder, _, name = path.rpartition(b"/")
    with (
        opened_beneath(root, folder) as dir_fd,
        opened_file(name, dir_fd=dir_fd) as fd,
        open(fd, "rb", closefd=False) as file,
    ):
        return read_bounded(file, path, limit_bytes=LARGE_BYTES)
