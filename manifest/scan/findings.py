"""Findings of a scan: counts, problems and whatever else it finds beside the records; of one batch, or of all."""

from dataclasses import field
from typing import TYPE_CHECKING

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import Relink
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.role import role_of
from qa2pack.manifest.scan.link_and_owner_checks import Names, Sums, add_names, add_sums

if TYPE_CHECKING:
    from qa2pack.manifest.scan.table_references import Reference


@dataclass(slots=True)
class Findings:
    """What a scan finds beside the records of folders.

    Attributes:
        counts: files and bytes by role folder.
        devices: device numbers of the sources, each with the path of one of them.
        new_files, new_bytes: of files that are created, not linked.
        holes: by path in the member, the bytes that a copy of a sparse file does not write.
        foreign: skipped files of other programs inside trees; whether each is a folder.
    """

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    counts: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    devices: dict[int, bytes] = field(default_factory=dict)
    sums: Sums = field(default_factory=dict)
    linked: Names = field(default_factory=dict)
    new_files: int = 0
    new_bytes: int = 0
    holes: dict[bytes, int] = field(default_factory=dict)
    relinks: list[Relink] = field(default_factory=list)
    foreign: list[tuple[bytes, bool]] = field(default_factory=list)
    references: list["Reference"] = field(default_factory=list)

    @property
    def file_count(self) -> int:
        """Number of files found."""
        return sum(files for files, _ in self.counts.values())

    def count(self, path: bytes, file_count: int, byte_count: int) -> None:
        """Count files of one folder of the package."""
        self._count(role_of(path, is_folder=True), file_count, byte_count)

    def merge(self, other: "Findings") -> None:
        """Add what was found elsewhere in the same scan."""
        self.problems += other.problems
        self.warnings += other.warnings
        for role, (file_count, byte_count) in other.counts.items():
            self._count(role, file_count, byte_count)
        self.devices = {**other.devices, **self.devices}
        add_sums(self.sums, other.sums)
        add_names(self.linked, other.linked)
        self.new_files += other.new_files
        self.new_bytes += other.new_bytes
        self.holes |= other.holes
        self.relinks += other.relinks
        self.foreign += other.foreign
        self.references += other.references

    def _count(self, role: bytes, file_count: int, byte_count: int) -> None:
        files, size = self.counts.get(role, (0, 0))
        self.counts[role] = (files + file_count, size + byte_count)
