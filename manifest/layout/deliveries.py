"""Delivery sets of a layout: `[[delivery]]`, which files of a member are delivered together.

Values only; `manifest.layout.read_deliveries` reads the tables. The plan records them as rows, with the values of the
variables filled in.
"""

from collections.abc import Mapping, Sequence

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.format.delivery_row import LATE, MEMBER, DeliveryRow, escaped
from qa2pack.manifest.layout.template import NoPathError, NoValueError, Template
from qa2pack.manifest.problem import Code, Problem, Refused


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery set.

    Attributes:
        file: name of its file, or of each part of it.
        select, form, checksums, also, at_apply: see `DeliveryRow`.
        limit_bytes: of a part; 0 for a set of one part.
        line: where it begins in the layout file, for messages; 0 if that is not known.
    """

    name: str
    file: Template
    select: tuple[str, ...]
    limit_bytes: int = 0
    line: int = 0
    form: DeliveryForm | None = None
    checksums: tuple[str, ...] | None = None
    also: bool = False
    at_apply: bool = False


def rows_of_sets(deliveries: Sequence[Delivery], values: Mapping[str, bytes]) -> tuple[DeliveryRow, ...]:
    """Return the sets as they are recorded.

    Raises:
        Refused: a variable in the name of a file has no value, or the name is too long.
    """
    late = {name: b"{%b}" % name.encode() for name in LATE if name != MEMBER or MEMBER not in values}
    known = {name: escaped(value) for name, value in values.items()} | late
    rows, problems = [], []
    for each in deliveries:
        try:
            file = each.file.fill(known.get)
            rows.append(
                DeliveryRow(
                    each.name,
                    file,
                    each.select,
                    each.limit_bytes,
                    each.form,
                    each.checksums,
                    also=each.also,
                    at_apply=each.at_apply,
                )
            )
        except NoValueError as error:
            problems.append(Problem(Code.VARIABLE_MISSING, error.variable.encode(), "one value for the package"))
        except NoPathError as error:
            problems.append(Problem(Code.TEXT_FAILED, error.path, "a name of a file to deliver"))
    if problems:
        raise Refused(*problems)
    return tuple(rows)
