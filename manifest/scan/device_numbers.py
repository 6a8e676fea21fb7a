"""Device numbers (st_dev): translates those of a worker's machine to those of the coordinator.

A network file system has another device number on each machine that mounts it, often by the order of mounting. Plans
compare device numbers that several machines recorded. So the numbers in a batch are translated to those of the
worker's machine, and the numbers in its result are translated back: a plan holds only the coordinator's numbers. A
number that is not in the mapping stays unchanged, which leads to a refusal or to a copy, never to a wrong link.
"""

from collections.abc import Mapping
from dataclasses import replace

from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.scan.batches import BatchGroup, BigFile, FileBatch, ScanBatch, ScanResult, SubtreeBatch

Numbers = Mapping[int, int]


def renumber_batch(batch: ScanBatch, numbers: Numbers) -> ScanBatch:
    """Return the batch with its device numbers translated."""
    match batch:
        case SubtreeBatch(options=options):
            return replace(batch, options=replace(options, device=_translated(options.device, numbers)))
        case FileBatch(options=options):
            return replace(batch, options=replace(options, device=_translated(options.device, numbers)))
        case BigFile(state=state):
            return replace(batch, state=replace(state, device=_translated(state.device, numbers)))
        case BatchGroup(batches=batches):
            return BatchGroup(tuple(renumber_batch(part, numbers) for part in batches))


def renumber_result(result: ScanResult, numbers: Numbers) -> None:
    """Translate the device numbers in the result of a scan."""
    result.blobs = [(path, _renumbered_record(blob, numbers)) for path, blob in result.blobs]
    result.more = [renumber_batch(batch, numbers) for batch in result.more]
    result.devices = {_translated(device, numbers): path for device, path in result.devices.items()}
    result.linked = {(_translated(device, numbers), inode): names for (device, inode), names in result.linked.items()}


def _renumbered_record(blob: bytes, numbers: Numbers) -> bytes:
    record = decode_record(blob)
    return encode_record(replace(record, device=_translated(record.device, numbers)))


def _translated(device: int, numbers: Numbers) -> int:
    return numbers.get(device, device)
