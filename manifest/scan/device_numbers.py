"""The numbers of file systems, which are each machine's own affair.

A network file system gets another number on each machine that mounts it, often by the order of mounting. Plans
compare numbers that several machines have noted. So a scan on another machine is told the numbers as they are there,
and what it noted is translated back: plans hold the coordinator's numbers alone. Numbers that are not known to both
stay as they are, which leads to a refusal or to a copy, never to a wrong link.
"""

from collections.abc import Mapping
from dataclasses import replace

from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.scan.batches import BatchGroup, BigFile, FileBatch, ScanBatch, ScanResult, SubtreeBatch

Numbers = Mapping[int, int]


def renumber_batch(batch: ScanBatch, numbers: Numbers) -> ScanBatch:
    """Return the batch with its numbers of file systems translated."""
    match batch:
        case SubtreeBatch(options=options):
            return replace(batch, options=replace(options, device=_translated(options.device, numbers)))
        case FileBatch(options=options):
            return replace(batch, options=replace(options, device=_translated(options.device, numbers)))
        case BigFile(identity=identity):
            return replace(batch, identity=replace(identity, device=_translated(identity.device, numbers)))
        case BatchGroup(batches=batches):
            return BatchGroup(tuple(renumber_batch(part, numbers) for part in batches))


def renumber_result(result: ScanResult, numbers: Numbers) -> None:
    """Translate the numbers in all that a scan has found."""
    result.blobs = [(path, _renumbered_record(blob, numbers)) for path, blob in result.blobs]
    result.more = [renumber_batch(batch, numbers) for batch in result.more]
    result.devices = {_translated(device, numbers): path for device, path in result.devices.items()}
    result.linked = {(_translated(device, numbers), inode): names for (device, inode), names in result.linked.items()}


def _renumbered_record(blob: bytes, numbers: Numbers) -> bytes:
    record = decode_record(blob)
    return encode_record(replace(record, device=_translated(record.device, numbers)))


def _translated(device: int, numbers: Numbers) -> int:
    return numbers.get(device, device)
