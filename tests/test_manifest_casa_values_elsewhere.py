"""Columns whose values another table or an ASDM has are told from those that the table has itself."""

import pytest

from qa2pack.manifest.casa.table_keywords import Named
from qa2pack.manifest.casa.values_elsewhere import forwarded, values_elsewhere

TAQL = frozenset({"StandardStMan", "VirtualTaQLColumn"})
NOTHING: dict[Named, list[bytes]] = {named: [] for named in Named}


def computed_by(expression: str) -> list[str]:
    return list(values_elsewhere(TAQL, NOTHING | {Named.EXPRESSION: [expression.encode()]}))


@pytest.mark.parametrize(
    "expression",
    [
        "A+1",
        "FROMAGE + A_FROM + WITHIN",
        "[select Q from ::ANTENNA][rownumber()-1]",
        "sum([select Q\nFROM $1::ANTENNA a where Q > 1]), 2",
        "[select Q from $1][0]",
        "mscal.azel1()",
    ],
)
def test_expression_of_the_table_and_its_subtables_needs_no_other(expression: str) -> None:
    assert computed_by(expression) == []


@pytest.mark.parametrize(
    "expression",
    [
        "[select Q from other][0]",
        "[select Q FROM\t'/data/o.ms'][0]",
        "[select Q from $12][0]",
        "[with other x select Q from x][0]",
        "[select Q from ::ANTENNA, other][0]",
        "[select Q from ::ANTENNA as a, other][0]",
        "[select Q from ::ANTENNA/../x][0]",
        "[select Q from other::ANTENNA][0]",
        "[select Q from[select Q from ::ANTENNA]][0]",
        "1from other",
    ],
)
def test_expression_that_may_name_another_table_is_told(expression: str) -> None:
    (said,) = computed_by(expression)
    assert said.startswith("values that TaQL takes from another table: ")


def test_what_cannot_be_read_is_not_taken_for_nothing() -> None:
    assert len(list(values_elsewhere(TAQL, NOTHING))) == 1
    assert len(list(values_elsewhere(frozenset({"ForwardColumnIndexedRowEngine"}), NOTHING))) == 1


def test_lazy_import_has_its_visibilities_in_the_asdm() -> None:
    assert list(values_elsewhere(frozenset({"AsdmStMan"}), NOTHING)) == [
        "visibilities in the ASDM that it was imported from (lazy=True)"
    ]


def test_keywords_without_the_manager_that_reads_them_say_nothing() -> None:
    """A copy into usual managers keeps the keywords."""
    found = {Named.SUBTABLE: [], Named.FORWARD: [b"/data/o"], Named.EXPRESSION: [b"[select Q from o][0]"]}
    plain = frozenset({"StandardStMan"})
    assert (list(forwarded(plain, found)), list(values_elsewhere(plain, found))) == ([], [])
    assert list(forwarded(frozenset({"ForwardColumnEngine"}), found)) == [b"/data/o"]
