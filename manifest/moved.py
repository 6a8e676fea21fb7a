"""After a move the package is the only home of its files: nothing may replace it that does not take them over."""

import os
from array import array
from collections.abc import Iterator

import xxhash

from manifest.destination import Destination
from manifest.ids import SCIENCE_GOAL, Append
from manifest.path import join
from manifest.planfile import Described, open_manifest
from manifest.problem import Code, PlanRefused, Problem
from manifest.record import Action, decode_record
from manifest.request import PlanRequest
from manifest.stream import StreamError

_ONLY_HERE = frozenset((Action.MOVE, Action.CARRY))


def lost_files(destination: Destination, request: PlanRequest, carried: "array[int]") -> Iterator[Problem]:
    """Yield the files that only the package has and that replacing it would lose.

    Args:
        carried: XXH3-64 of the absolute paths of the files that the new member takes over.
    """
    if request.append is not Append.NOTHING:
        return
    kept = frozenset(carried)
    for path in destination.state.manifests.values():
        try:
            manifest = open_manifest(path)
        except StreamError as error:
            raise PlanRefused(Problem(Code.MANIFEST_DAMAGED, path, found=error.reason)) from error
        for file in _moved_files(manifest, os.path.realpath(destination.package.path)):
            if xxhash.xxh3_64_intdigest(file) not in kept and os.path.lexists(file):
                yield Problem(Code.ONLY_COPY, file, found=os.fsdecode(manifest.header.origin))


def _moved_files(manifest: Described, package: bytes) -> Iterator[bytes]:
    member = b"/".join((package, SCIENCE_GOAL, manifest.header.member_path))
    for blob in manifest.stream.blobs():
        record = decode_record(blob)
        if not _ONLY_HERE.isdisjoint(record.actions):
            folder = join(member, record.path)
            yield from (
                join(folder, name)
                for name, action in zip(record.names, record.actions, strict=True)
                if action in _ONLY_HERE
            )
