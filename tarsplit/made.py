"""Form and size of a chunk before it is written: container or tree, bytes, level of compression. Pure."""

from qa2pack.manifest.bundle.gzip_format import largest_gzip_bytes
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_form import TREES, DeliveryForm


@dataclass(frozen=True, slots=True)
class Made:
    """A container, or a tree.

    Attributes:
        plain_bytes: its exact size before compression; of a tree, that of its files.
        level: of the compression; 0 for none.
    """

    form: DeliveryForm
    plain_bytes: int
    level: int = 0

    @property
    def byte_count(self) -> int:
        """Its size; of what is compressed, the largest that it can have."""
        return largest_gzip_bytes(self.plain_bytes) if self.level else self.plain_bytes

    @property
    def is_tree(self) -> bool:
        """Whether each file of the package is a file in it."""
        return self.form in TREES
