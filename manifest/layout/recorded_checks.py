"""Recorded checks: the checks of a layout as rows of plans and manifests, and the checks that such rows are.

Recorded is what paths of a member and lists in it decide, so that verify can apply it. Not recorded are checks of
names inside trees that warn by a code in place of a reason, as those of Cycle 0: of these a plan alone warns.
"""

from collections.abc import Iterable, Sequence

from qa2pack.manifest.format.check_row import CheckKind, CheckRow
from qa2pack.manifest.layout.check import ANY_NUMBER, Count, Listed, Names, PathCheck, Say
from qa2pack.manifest.layout.letters import LAST_LETTER, Letters, Range
from qa2pack.manifest.layout.patterns import Variable, Variables, compile_patterns, pieces_of
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.problem import Code


def rows_of(layout: Layout) -> tuple[CheckRow, ...]:
    """Return the rows of the checks of a layout that are recorded, in their order."""
    return tuple(
        _row(check, layout.variables)
        for check in layout.checks
        if isinstance(check, Count | Listed) or (isinstance(check, Names) and (check.what or not check.is_inside))
    )


def checks_of(rows: Iterable[CheckRow]) -> tuple[PathCheck, ...]:
    """Return the checks that rows are.

    Raises:
        ValueError: a row makes no sense; no program writes such a one.
    """
    return tuple(map(_check, rows))


def _row(check: PathCheck, variables: Variables) -> CheckRow:
    refuses = check.say is Say.REFUSE
    match check:
        case Count():
            texts = check.names.texts
            return CheckRow(
                CheckKind.COUNT,
                check.what,
                refuses,
                check.line,
                check.folder,
                texts,
                _likes(texts, variables),
                least=check.least,
                most=check.most,
            )
        case Names():
            return CheckRow(
                CheckKind.NAMES,
                check.what,
                refuses,
                check.line,
                letters=check.letters.ranges if check.letters else (),
                longest=0 if check.longest == ANY_NUMBER else check.longest,
                without=check.without,
                but=tuple(sorted(check.but)),
                is_inside=check.is_inside,
                code="" if check.code is Code.W_CHECK else check.code,
            )
        case Listed():
            texts = tuple(text for step in check.steps for text in step.texts)
            return CheckRow(
                CheckKind.LISTED,
                check.what,
                refuses,
                check.line,
                check.folder,
                texts,
                _likes(texts, variables),
                elements=tuple(sorted(check.elements)),
                attribute=check.attribute,
            )


def _check(row: CheckRow) -> PathCheck:
    say = Say.REFUSE if row.refuses else Say.WARN
    variables = {name: Variable(name, like) for name, like in row.likes}
    match row.kind:
        case CheckKind.COUNT:
            names = compile_patterns(row.patterns, variables)
            return Count(row.folder, names, row.least, row.most, row.what, say, row.line)
        case CheckKind.NAMES:
            return Names(
                letters=_letters(row.letters),
                longest=row.longest or ANY_NUMBER,
                without=row.without,
                what=row.what,
                say=say,
                but=frozenset(row.but),
                is_inside=row.is_inside,
                code=_code(row.code),
                line=row.line,
            )
        case CheckKind.LISTED:
            steps = tuple(compile_patterns((text,), variables) for text in row.patterns)
            return Listed(steps, frozenset(row.elements), row.attribute, row.folder, row.what, say, row.line)


def _likes(texts: Sequence[str], variables: Variables) -> tuple[tuple[str, str], ...]:
    names = dict.fromkeys(name for text in texts for name in pieces_of(text))
    return tuple((name, variables[name].like) for name in names)


def _letters(ranges: tuple[Range, ...]) -> Letters | None:
    """Return the letters of ranges, which ascend."""
    after = 0
    for first, last in ranges:
        if not after <= first <= last <= LAST_LETTER:
            raise ValueError("ranges that are none")
        after = last + 1
    return Letters(ranges) if ranges else None


def _code(text: str) -> Code:
    code = Code(text or Code.W_CHECK)
    if not code.is_warning:
        raise ValueError("a warning that is none")
    return code
