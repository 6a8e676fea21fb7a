"""Table split as a value: which files change when all data columns but one are dropped from a measurement set.

A casacore table is a folder: `table.dat` describes it, and each storage manager keeps its columns in files of its
own, `table.f<number>` and names that add something to that. CASA gives every data column a manager of its own, so
dropping a column means leaving files out, not rewriting the visibilities. This module decides which files; it never
opens one. What else lies in the folder, whatever its name begins with, is of the user and stays: also a `table.f99`
of which `table.dat` says nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, PackError, Problem

DATA_COLUMNS = ("DATA", "MODEL_DATA", "CORRECTED_DATA", "FLOAT_DATA", "LAG_DATA")
SINGLE_DISH_COLUMNS = frozenset({"FLOAT_DATA", "LAG_DATA"})

# The managers whose files are known by name. Anything else (virtual columns, a manager from a plug-in, all
# managers in one container file) is left to casacore as a whole.
_TILED = frozenset({"TiledShapeStMan", "TiledColumnStMan", "TiledCellStMan", "TiledDataStMan"})
_FILE_PER_SHAPE = frozenset({"TiledShapeStMan", "TiledDataStMan"})  # the latter is copied as the former
_PLAIN = frozenset({"StandardStMan", "IncrementalStMan"})
# The managers that give back each value as it was put in, so that a table may be rewritten. The others
# (DyscoStMan, CompressComplex, scaled columns, plug-ins) may round, and what is rounded twice is not what it was; a
# BitFlagsEngine that reads other bits than it writes changes the column that it derives its values from.
_EXACT = _TILED | _PLAIN | {"StManAipsIO", "MemoryStMan"}
CONTAINERS = frozenset({b"table.mf", b"table.mfh5"})

# What managers add to the name of their first file: for arrays (StandardStMan, IncrementalStMan, StManAipsIO), for
# tiles, and what SiscoStMan, LofarStMan and Adios2StMan add. No manager adds anything else: `table.f1.bak`.
_MANAGER_FILE = re.compile(rb"table\.f(\d+)(?:i|_TSM\d+|-shapes|data|meta|seqnr|\.bp)?")
_NEEDED = (b"table.dat", b"table.lock")  # the lock tells how many rows there are
_ALWAYS_WRITTEN = (*_NEEDED, b"table.info")
_LEFTOVER = b"table.dat_tmp"  # of a casacore that was stopped while it wrote table.dat


class Weights(StrEnum):
    """How weights by channel follow the data column that is kept."""

    CONSISTENT = "consistent"  # as the weights of rows: by one rule, so that weights and noise agree
    CASA = "casa"  # the values and columns that CASA's split makes


class TableBrokenError(PackError):
    """A folder with a `table.dat` that cannot be read as a table, or not at all; nothing was changed.

    Attributes:
        path: the table's folder.
        reason: the message of casacore or of the system.
        code: the problem code under which it is reported.
    """

    def __init__(self, path: bytes, reason: str, code: Code = Code.TABLE_BROKEN) -> None:
        super().__init__(path, reason, code)
        self.path = path
        self.reason = reason
        self.code = code
        self.problems = (Problem(code, path, found=reason),)

    def __str__(self) -> str:
        return f"the table {shown(self.path)} cannot be read: {shown(self.reason)}"


class UnknownManagersError(Exception):
    """The table names data managers for which casacore would load libraries, or that open other tables.

    Attributes:
        names: the names in the table.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(names)
        self.names = names

    def __str__(self) -> str:
        return (
            f"the data manager {', '.join(map(shown, self.names))}, which may do more than read the table's own files"
        )


class CasacoreEnvironmentError(Exception):
    """casacore cannot work in this environment, whatever the table; nothing was changed.

    Attributes:
        path: the folder for temporary files; empty if memory is short.
        expected, found: what was needed, and what was found.
        code: SCRATCH_FULL, MEMORY_SHORT, or CASACORE_UNUSABLE for anything else.
    """

    def __init__(self, path: bytes, expected: str, found: str, code: Code) -> None:
        super().__init__(path, expected, found, code)
        self.path = path
        self.expected = expected
        self.found = found
        self.code = code

    def __str__(self) -> str:
        return f"{self.code}: {shown(self.path)}: {shown(self.found)}"


class ColumnMissingError(Exception):
    """The data column to keep is not in the table.

    Attributes:
        keep: the requested column.
        columns: the data columns of the table.
    """

    def __init__(self, keep: str, columns: tuple[str, ...]) -> None:
        super().__init__(keep, columns)
        self.keep = keep
        self.columns = columns

    def __str__(self) -> str:
        return f"there is no column {self.keep} to keep, only {', '.join(self.columns)}"


class LossyManagerError(Exception):
    """The split would have to rewrite values that their storage manager rounds.

    Attributes:
        kind: type of the storage manager.
        columns: the columns that it stores.
    """

    def __init__(self, kind: str, columns: tuple[str, ...]) -> None:
        super().__init__(kind, columns)
        self.kind = kind
        self.columns = columns

    def __str__(self) -> str:
        return f"{shown(self.kind)} keeps {', '.join(map(shown, self.columns))}"


class OtherFilesError(Exception):
    """A rewritten table has other files than were planned for it, so that the package would not hold all of it.

    Attributes:
        planned, made: names of files, sorted.
    """

    def __init__(self, planned: tuple[bytes, ...], made: tuple[bytes, ...]) -> None:
        super().__init__(planned, made)
        self.planned = planned
        self.made = made

    def __str__(self) -> str:
        return f"expected {self.expected}; found {self.found}"

    @property
    def expected(self) -> str:
        """The files that were not made, in words."""
        return _listed(self.planned, self.made)

    @property
    def found(self) -> str:
        """The files that were not planned, in words."""
        return _listed(self.made, self.planned)


def _listed(names: tuple[bytes, ...], others: tuple[bytes, ...]) -> str:
    return ", ".join(shown(name) for name in names if name not in others) or "no other file"


@dataclass(frozen=True, slots=True)
class Manager:
    """A storage manager: the columns that share its files.

    Attributes:
        sequence: the number in the names of its files.
        targets: columns in which a virtual manager stores the values of its own (CompressComplex, MappedArrayEngine).
    """

    sequence: int
    kind: str
    columns: tuple[str, ...]
    targets: tuple[str, ...] = ()

    @property
    def is_tiled(self) -> bool:
        """Return whether it has a small header file, and the values are in other files."""
        return self.kind in _TILED

    @property
    def has_file_per_shape(self) -> bool:
        """Return whether it has a file for each shape of cells, also when casacore has copied it."""
        return self.kind in _FILE_PER_SHAPE

    @property
    def header(self) -> bytes:
        """The name of the file without which casacore does not open the table."""
        return b"table.f%d" % self.sequence


@dataclass(frozen=True, slots=True)
class TableShape:
    """Columns and storage managers of a table.

    Attributes:
        is_measurement_set: it has the keyword MS_VERSION, as `TableFile.is_measurement_set` has it.
    """

    columns: tuple[str, ...]
    managers: tuple[Manager, ...]
    is_measurement_set: bool

    @property
    def data_columns(self) -> tuple[str, ...]:
        """The data columns of a measurement set, in a fixed order: all other tables are packaged as they are."""
        return self.named_columns if self.is_measurement_set else ()

    @property
    def named_columns(self) -> tuple[str, ...]:
        """The columns, in a fixed order, with names of data columns, whatever kind of table it is."""
        return tuple(name for name in DATA_COLUMNS if name in self.columns)


@dataclass(frozen=True, slots=True)
class SplitSpec:
    """How all data columns but one are dropped from one table.

    Attributes:
        keep: the column that stays; see `final_name` for its name afterwards.
        drop: the data columns that are dropped.
        written: files of the table's folder that the split rewrites; staged as copies, never as links.
        placeholders: headers of dropped managers that casacore needs to open the staged table; removed afterwards.
        dropped: files of the origin that the package does not have (placeholders included).
        sizes: bytes after the split of every written file and of files that only then exist; until
            it is measured, only those that cannot change.
        whole: all the table's own files are staged as copies and rewritten, because the columns that go
            have no files of their own.
        estimated: `sizes` are estimates, because knowing better would mean to write the table.
        weights: by what rule they follow.
        adds_spectrum: SIGMA_SPECTRUM is made, which the origin does not have.
    """

    keep: str
    drop: tuple[str, ...]
    written: tuple[bytes, ...]
    placeholders: tuple[bytes, ...]
    dropped: tuple[bytes, ...]
    sizes: tuple[tuple[bytes, int], ...]
    whole: bool = False
    estimated: bool = False
    weights: Weights = Weights.CONSISTENT
    adds_spectrum: bool = False

    def taken_names(self, files: Iterable[bytes]) -> list[bytes]:
        """Return which of the files stay as they are and have the name of one that the split makes, sorted."""
        return sorted({name for name, _ in self.sizes}.intersection(files).difference(self.written))


def plan_split(
    shape: TableShape, files: Mapping[bytes, int], keep: str, *, weights: Weights = Weights.CONSISTENT
) -> SplitSpec | None:
    """Say how the table comes to hold `keep` alone; None if it is packaged as it is.

    It is packaged unchanged when it is not a measurement set, when DATA is its only data column, and when it is a
    single-dish set without visibilities. A set whose only data column is CORRECTED_DATA still has it renamed. Where a
    single-dish column is kept, the other single-dish columns stay too.

    Args:
        files: names and sizes in bytes of the regular files in the table's folder, not of its subtables.

    Raises:
        ColumnMissingError: the table has other data columns, but not this one.
        LossyManagerError: the table would have to be rewritten, and that may change values that stay.
    """
    columns = shape.data_columns
    if columns in {(), ("DATA",)} or SINGLE_DISH_COLUMNS.issuperset(columns):
        return None
    if keep not in columns:
        raise ColumnMissingError(keep, columns)
    staying = {keep, *(SINGLE_DISH_COLUMNS if keep in SINGLE_DISH_COLUMNS else ())}
    drop = tuple(name for name in columns if name not in staying)
    drop += tuple(name for each in shape.managers if set(drop).issuperset(each.columns) for name in each.targets)
    if not drop and keep != "CORRECTED_DATA":
        return None
    adds_spectrum = weights is Weights.CASA and _lacks_spectrum(shape, keep)
    if adds_spectrum or _needs_casacore(shape, files, drop):
        _refuse_lossy(shape, drop)
        spec = _whole_split(shape, files, keep=keep, drop=drop)
    else:
        spec = _split_by_files(shape, files, drop=drop, keep=keep, weights=weights)
    return replace(spec, weights=weights, adds_spectrum=adds_spectrum)


def final_name(keep: str) -> str:
    """Return the name of the kept column after the split: DATA, but single-dish columns keep their name.

    FLOAT_DATA holds real numbers, which no program expects in DATA.
    """
    return keep if keep in SINGLE_DISH_COLUMNS else "DATA"


def weight_pairs(columns: Iterable[str], keep: str, weights: Weights) -> tuple[tuple[str, str], ...]:
    """Return (read, written) columns of the weights that must follow the data column that is kept.

    SIGMA is the noise of DATA, WEIGHT the weight of CORRECTED_DATA; after the split both speak of the same
    column. CASA leaves WEIGHT_SPECTRUM as it is where DATA is kept.
    """
    present = set(columns)
    pairs = [("SIGMA", "WEIGHT"), ("SIGMA_SPECTRUM", "WEIGHT_SPECTRUM")]
    if keep == "DATA" and weights is Weights.CASA:
        pairs.pop()
    if keep == "CORRECTED_DATA":
        pairs = [(written, read) for read, written in pairs]
    elif keep != "DATA":
        pairs = []
    return tuple(pair for pair in pairs if present.issuperset(pair))


def manager_files(manager: Manager, files: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the names among `files` that belong to the manager, sorted."""
    return tuple(sorted(name for name in files if _sequence(name) == manager.sequence))


def own_files(files: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the names among `files` that belong to the table itself, sorted."""
    return tuple(sorted(name for name in files if is_manager_file(name) or name in (*_ALWAYS_WRITTEN, _LEFTOVER)))


def is_table_file(name: bytes) -> bool:
    """Tell whether a table does not open without its file of this name."""
    return name in _NEEDED or is_manager_file(name)


def is_manager_file(name: bytes) -> bool:
    """Tell whether a storage manager writes a file of this name."""
    return name in CONTAINERS or _sequence(name) is not None


def _sequence(name: bytes) -> int | None:
    match = _MANAGER_FILE.fullmatch(name)
    return int(match[1]) if match else None


def _lacks_spectrum(shape: TableShape, keep: str) -> bool:
    """Tell whether CASA's split would add SIGMA_SPECTRUM; single-dish data are left as they are."""
    has_weights = "WEIGHT_SPECTRUM" in shape.columns and "SIGMA_SPECTRUM" not in shape.columns
    return has_weights and keep not in SINGLE_DISH_COLUMNS


def _needs_casacore(shape: TableShape, files: Iterable[bytes], drop: tuple[str, ...]) -> bool:
    return not CONTAINERS.isdisjoint(files) or any(not _can_do_by_files(manager, drop) for manager in shape.managers)


def _refuse_lossy(shape: TableShape, drop: tuple[str, ...]) -> None:
    for manager in shape.managers:
        staying = tuple(name for name in manager.columns if name not in drop)
        if staying and manager.kind not in _EXACT:
            raise LossyManagerError(manager.kind, staying)


def _can_do_by_files(manager: Manager, drop: tuple[str, ...]) -> bool:
    if set(drop).isdisjoint(manager.columns):
        return manager.is_tiled or manager.kind in _PLAIN
    return manager.is_tiled and set(drop).issuperset(manager.columns)  # others have no small header to open by


def _whole_split(shape: TableShape, files: Iterable[bytes], *, keep: str, drop: tuple[str, ...]) -> SplitSpec:
    numbers = {None, *(manager.sequence for manager in shape.managers)}
    # What only looks like the file of a manager is of the user, as in any other table.
    written = tuple(name for name in own_files(files) if _sequence(name) in numbers)
    return SplitSpec(keep=keep, drop=drop, written=written, placeholders=(), dropped=(), sizes=(), whole=True)


def _split_by_files(
    shape: TableShape, files: Mapping[bytes, int], *, keep: str, drop: tuple[str, ...], weights: Weights
) -> SplitSpec:
    targets = {written for _, written in weight_pairs(shape.columns, keep, weights)}
    going = [manager for manager in shape.managers if set(drop).issuperset(manager.columns)]
    filled = [manager for manager in shape.managers if not targets.isdisjoint(manager.columns)]
    written = {name for manager in filled for name in manager_files(manager, files)}
    # An incremental manager stores a value only where it changes, so other values take another number of bytes.
    fixed = {
        name for manager in filled if manager.kind != "IncrementalStMan" for name in manager_files(manager, files)
    }
    return SplitSpec(
        keep=keep,
        drop=drop,
        written=tuple(sorted(written.union(files.keys() & set(_ALWAYS_WRITTEN)))),
        placeholders=tuple(sorted(manager.header for manager in going)),
        dropped=tuple(sorted(name for manager in going for name in manager_files(manager, files))),
        sizes=tuple(sorted((name, files[name]) for name in fixed)),
    )
