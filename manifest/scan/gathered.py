"""Gathered: the merged results of a scan. What plans without a scan, as a removal does, has an empty one.

It is apart from the scan, whose modules take a fifth of the start of such a command.
"""

from dataclasses import field
from typing import TYPE_CHECKING

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.spool import RecordSpool
from qa2pack.manifest.scan.findings import Findings

if TYPE_CHECKING:
    from qa2pack.manifest.scan.batches import ScanResult


@dataclass(slots=True)
class Gathered(Findings):
    """Merged results of a scan.

    Attributes:
        spool: the folder records.
    """

    spool: RecordSpool = field(default_factory=RecordSpool)

    def add(self, result: "ScanResult") -> None:
        """Merge the result of one batch."""
        self.merge(result)
        for path, blob in result.blobs:
            self.spool.add(path, blob)
        for folder, name, digest in result.digests:
            self.spool.add_digest(folder, name, digest)
