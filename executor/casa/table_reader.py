"""The reader of tables that a plan is given; what calls casacore is imported with the first table, if any."""

from qa2pack.manifest.casa.column_split import SplitSpec, TableShape
from qa2pack.manifest.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class TableReader:
    """The `TableReader` of planning: calls casacore; picklable."""

    def prepare(self) -> None:
        """See `start_host`."""
        from qa2pack.executor.casa.child_process import start_host

        start_host()

    def describe(self, table: bytes) -> TableShape:
        """See `describe_table`."""
        from qa2pack.executor.casa.split import describe_table

        return describe_table(table)

    def measure(self, table: bytes, spec: SplitSpec) -> SplitSpec:
        """See `measure_split`."""
        from qa2pack.executor.casa.split import measure_split

        return measure_split(table, spec)
