"""Growth of an object: what it has before a version is added."""

from qa2pack.manifest.dataclass import dataclass
from qa2pack.tarsplit.chunk_entries import ChunkPart, shares
from qa2pack.tarsplit.state import EarlierVersion


@dataclass(frozen=True, slots=True)
class Growth:
    """What an object has before a version is added.

    Attributes:
        stored: the SHA-512 of each content of the newest version, by size and XXH3-128, as far as that is known.
    """

    earlier: EarlierVersion
    stored: dict[tuple[int, bytes], str]

    def added_bytes(self, part: ChunkPart) -> int:
        """Return how much of the files of a chunk it has not."""
        return sum(
            share.record.sizes[index]
            for share in shares(part)
            for index in share.files
            if (share.record.sizes[index], share.record.digest(index)) not in self.stored
        )
