"""Known folder: the digests that are known of the folder of a subtree, from earlier streams or records."""

from qa2pack.manifest.format.record_codec import record_path
from qa2pack.manifest.path import is_within
from qa2pack.manifest.scan.batches import ScanOptions, Subtree
from qa2pack.manifest.scan.digest_cache import KnownFolder, known_digests


def known_folder(options: ScanOptions, subtree: Subtree) -> KnownFolder | None:
    """Return what is known of the files of the folder itself, or None."""
    if own := [one for one in subtree.known if record_path(one[0]) == subtree.path]:
        return KnownFolder(own)
    return known_digests(options.known).folder(subtree.path) if options.known else None


def records_within(records: tuple[tuple[bytes, int], ...], folder: bytes) -> tuple[tuple[bytes, int], ...]:
    """Return, of encoded records with the times of their scans, those of a folder and of what is below it."""
    return tuple(one for one in records if is_within(record_path(one[0]), folder))
