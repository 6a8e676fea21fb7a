"""Columns whose values are not in the table, but where its data managers take them from: another table, or an ASDM.

A forwarded column keeps the name of the table. An expression in the query language (TaQL) may name tables anywhere in
it, and casacore looks for these from where a program was started; an import that reads no visibilities (`importasdm`
with `lazy=True`) keeps whole paths of files in the ASDM. The last two hold nowhere but here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from qa2pack.manifest.casa.table_keywords import Named
from qa2pack.manifest.path import shown

# The second is a library of casacore's that adds rows to the first.
_FORWARDING = frozenset({"ForwardColumnEngine", "ForwardColumnIndexedRowEngine"})
_OF_EXPRESSIONS = "VirtualTaQLColumn"
_LAZY = "AsdmStMan"

# A table follows these words of TaQL (TableGram.ll): `$1` is the table itself, `::NAME` its subtable. Whatever else,
# quoted text too, counts as a name: better to refuse what needs no other table than to package what does.
_NAMES_A_TABLE = rb"""(?ix) (?<![a-z_]) (?: with | join | from ) (?!\w)
    (?! (?<=from) \s* (?: \$1 (?!\d) (?: ::\w++ )*+ | (?: ::\w++ )++ )
        (?! [\w./+~$@:\\'"-] | (?: \s++ \w++ ){0,2}+ \s*+ , ) )"""
_SHOWN_BYTES = 120


def forwarded(managers: frozenset[str], found: Mapping[Named, Sequence[bytes]]) -> Sequence[bytes]:
    """Return the tables to which columns are forwarded; a copy keeps the keywords without the manager."""
    return found[Named.FORWARD] if managers & _FORWARDING else ()


def values_elsewhere(managers: frozenset[str], found: Mapping[Named, Sequence[bytes]]) -> Iterator[str]:
    """Yield, in words, where values come from that the table does not tell as the path of another.

    Args:
        managers: names of the data managers of the table.
        found: what its keywords say.
    """
    if managers & _FORWARDING and not found[Named.FORWARD]:
        yield "values of a column that is forwarded to another table, which cannot be read"
    if _OF_EXPRESSIONS in managers:
        if not found[Named.EXPRESSION]:
            yield "values that TaQL computes by an expression that cannot be read"
        for expression in found[Named.EXPRESSION]:
            if re.search(_NAMES_A_TABLE, expression):
                yield f"values that TaQL takes from another table: {_cut(shown(expression))}"
    if _LAZY in managers:
        yield "visibilities in the ASDM that it was imported from (lazy=True)"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_BYTES else f"{text[:_SHOWN_BYTES]} ..."
