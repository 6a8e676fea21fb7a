"""Export of manifests as JSON lines: an object per member, folder and file, in the order of the manifest."""

import json
from collections.abc import Iterator, Sequence

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.format.inside import records_inside
from qa2pack.manifest.format.record import Entry
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.humanize import utc_time
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.verify.checksum_lists import in_package
from qa2pack.pack.views.files import digest_text
from qa2pack.pack.views.json_fields import Fields, path_fields, problem_fields


def json_lines(package: Package, manifests: Sequence[Described]) -> Iterator[bytes]:
    """Yield the lines; paths start with the project code, sources are relative to the origin or absolute."""
    for manifest in manifests:
        folder = in_package(package, manifest)
        yield _line(_member(manifest, folder))
        yield from (_line(left) for left in _left_out(manifest))
        yield from (_line(split) for split in _splits(manifest, folder))
        for record in map(decode_record, manifest.stream.blobs()):
            yield _line({"type": "folder", **path_fields("path", join(folder, record.path).rstrip(b"/"))})
            yield from (_line(_file(entry, folder)) for entry in record.entries())
        for task in manifest.notes.bundles:
            for record in records_inside(task):
                yield from (_line(_inside(entry, join(folder, task.path))) for entry in record.entries())


def _line(fields: Fields) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def _member(manifest: Described, folder: bytes) -> Fields:
    header: Header = manifest.header
    return {
        "type": "member",
        **path_fields("path", folder),
        **path_fields("origin", header.origin),
        "mode": header.mode,
        "is_adopted": header.is_adopted,
        "planned_at": utc_time(header.scanned_ns),
        "user": shown(header.user),
        "host": shown(header.host),
        "program": shown(header.program),
        "file_count": manifest.notes.file_count,
        "byte_count": manifest.notes.byte_count,
        "warnings": problem_fields(manifest.notes.warnings),
    }


def _left_out(manifest: Described) -> Iterator[Fields]:
    for left in manifest.notes.left_out:
        yield {
            "type": "left-out",
            **path_fields("source", left.path),
            "reason": shown(left.reason),
            "is_folder": left.is_tree,
        }


def _splits(manifest: Described, folder: bytes) -> Iterator[Fields]:
    for task in manifest.notes.splits:
        yield {
            "type": "split",
            **path_fields("path", join(folder, task.path)),
            **path_fields("source", task.source),
            "kept_column": shown(task.spec.keep),
            "dropped_columns": [shown(column) for column in task.spec.drop],
            "saved_bytes": task.saved_bytes,
        }


def _inside(entry: Entry, bundle: bytes) -> Fields:
    """Return a file in a bundle; its path is relative to it."""
    fields = _file(entry, b"")
    return {**fields, "type": "inside", **path_fields("bundle", bundle)}


def _file(entry: Entry, folder: bytes) -> Fields:
    return {
        "type": "file",
        **path_fields("path", join(folder, entry.path)),
        "size": entry.size,
        "mtime_ns": entry.state.mtime_ns,
        "mode": f"{entry.mode:04o}",
        "action": entry.action.name.lower(),
        "xxh128": digest_text(entry.digest),
        **path_fields("source", entry.source),
    }
