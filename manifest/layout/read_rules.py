"""Reading of the rules of a layout: files of other programs, and what goes where."""

from qa2pack.manifest.bundle.form import Form, form_of
from qa2pack.manifest.casa.column_split import DATA_COLUMNS
from qa2pack.manifest.layout.inner_patterns import parse_inner, pieces_read
from qa2pack.manifest.layout.known_names import OF_A_FILE, Known
from qa2pack.manifest.layout.patterns import parse_patterns, pieces_of
from qa2pack.manifest.layout.rules import Again, Foreign, Rule, Shape
from qa2pack.manifest.layout.table import Table
from qa2pack.manifest.layout.template import BUNDLE_MARK, Template

_FOREIGN_KEYS = frozenset({"globs", "reason"})
_WHERE_KEYS = frozenset({"places", "kind", "match", "empty", "included"})
_TARGET_KEYS = frozenset({"to", "if_taken", "column", "doubtful_column", "again", "never", "warn"})
_AGAIN_KEYS = frozenset({"to", "column"})
# Keys that are not for files in bundles of the origin.
_NOT_INSIDE = frozenset({"empty", "included", "column", "doubtful_column", "again", "warn"})
# Keys of a rule that do nothing beside another one, and those that do nothing without another one.
_WITHOUT = {"never": frozenset({"if_taken", "included", "column", "doubtful_column", "again"})}
_WITH = {"warn": "never", "doubtful_column": "column", "again": "column"}
# Keys that do nothing for other kinds of entries.
_ONLY_OF_KINDS = {"empty": (Shape.FILE, Shape.ANY), "column": (Shape.TABLE, Shape.TREE, Shape.ANY)}


def read_foreign(table: Table) -> Foreign:
    """Return names of files of other programs."""
    table.check_keys(_FOREIGN_KEYS, "foreign")
    foreign = Foreign(table.name_globs("globs"), table.text("reason"))
    if not foreign.globs or not foreign.reason:
        table.refuse(expected="globs and a reason", found=table.key_list)
    return foreign


def read_rule(table: Table, known: Known) -> Rule:
    """Return a rule."""
    table.check_keys(_WHERE_KEYS | _TARGET_KEYS, "rule")
    included = known.role(table, table.text("included")) if "included" in table else ""
    texts = _match_texts(table, known) if "match" in table or not included else ("*",)
    inside = table.right("match", parse_inner, texts, known.variables)
    names = tuple(text for each in inside for text in each.bundle.texts) or texts
    match = table.right("match", parse_patterns, names, known.variables)
    pieces = pieces_read(match, inside)
    never = table.text("never")
    if not match.texts or bool(table.text("to")) == bool(never):
        table.refuse(expected="match, and either to or never", found=table.key_list)
    rule = Rule(
        places=_places(table, known),
        shape=table.choice(Shape, table.text("kind", Shape.ANY)),
        match=match,
        to=_target(table, "to", pieces, known),
        if_taken=_target(table, "if_taken", pieces, known),
        included=included,
        column=_column(table, "column"),
        doubtful_column=_column(table, "doubtful_column"),
        again=_again(table, pieces, known),
        is_empty=table.flag("empty"),
        never=never,
        warn=table.flag("warn"),
        inside=inside,
        line=table.line,
    )
    for piece in {piece for text in texts for piece in pieces_of(text)} - rule.target_variables:
        known.check_variable(table, piece, frozenset(), "match")
    _check_together(table)
    _check_bundles(table, rule)
    if inside:
        _check_inside(table, rule)
    return rule


def _check_inside(table: Table, rule: Rule) -> None:
    """Refuse what does not go with taking files out of bundles of the origin."""
    if rule.shape not in (Shape.FILE, Shape.ANY):
        table.refuse(expected=f'kind = "file" beside {BUNDLE_MARK} in match', found=rule.shape)
    if idle := _NOT_INSIDE & table.values.keys():
        expected = f"none of {', '.join(sorted(_NOT_INSIDE))} beside {BUNDLE_MARK} in match"
        table.refuse(expected=expected, found=", ".join(sorted(idle)))
    if bundles := [target.text for target in rule.targets if target.bundle]:
        table.refuse(expected=f"no {BUNDLE_MARK} in to beside {BUNDLE_MARK} in match", found=bundles[0])


def _check_bundles(table: Table, rule: Rule) -> None:
    """Refuse targets in bundles that no file of the rule can go to."""
    bundles = [target.bundle.text for target in rule.targets if target.bundle]
    if bundles and rule.column:
        table.refuse(expected=f"no {BUNDLE_MARK} in targets beside column", found=bundles[0])
    for bundle in bundles:
        if form_of(bundle.encode()) is Form.GZ and rule.shape is not Shape.FILE:
            table.refuse(expected='kind = "file" for a compressed file, because one file goes into it', found=bundle)


def _places(table: Table, known: Known) -> frozenset[str]:
    """Return the names of the places in which a rule applies: without the key in all, never in none."""
    places = table.texts("places")
    if "places" in table and not places:
        table.refuse(expected="a place or more for places, or no such key for all of them", found="an empty list")
    return frozenset(table.one_of(place, known.place_names) for place in places or known.place_names)


def _match_texts(table: Table, known: Known) -> tuple[str, ...]:
    """Return the patterns of a rule as they are written; a word with another meaning in targets is no piece."""
    texts = table.one_or_more("match")
    others = {*OF_A_FILE, *known.place_names, *known.paths}
    for piece in (piece for text in texts for piece in pieces_of(text)):
        if piece in others:
            table.refuse(expected="variables, or words with no other meaning in to, in match", found=piece)
    return texts


def _target(table: Table, key: str, pieces: frozenset[str], known: Known) -> Template | None:
    return known.target(table, key, known.fixed | pieces | OF_A_FILE)


def _column(table: Table, key: str) -> str:
    name = table.text(key)
    return table.one_of(name, DATA_COLUMNS) if name else ""


def _again(table: Table, pieces: frozenset[str], known: Known) -> Again | None:
    if "again" not in table:
        return None
    again = table.inline_table("again")
    if again is None:
        table.refuse(expected="to and column for again", found=table.in_words("again"))
    again.check_keys(_AGAIN_KEYS, "again")
    if not again.values.get("to") or not again.values.get("column"):
        again.refuse(expected="to and column for again", found=again.key_list)
    to = _target(again, "to", pieces, known)
    assert to is not None  # its text is not empty
    return Again(to, _column(again, "column"))


def _check_together(table: Table) -> None:
    """Refuse keys of a rule that do nothing beside its other keys."""
    for key, others in _WITHOUT.items():
        if table.values.get(key) and (idle := others & table.values.keys()):
            table.refuse(expected=f"none of {', '.join(sorted(others))} beside {key}", found=", ".join(sorted(idle)))
    for key, needed in _WITH.items():
        if table.values.get(key) and not table.values.get(needed):
            table.refuse(expected=f"{needed} beside {key}", found=table.key_list)
    for key, kinds in _ONLY_OF_KINDS.items():
        if table.values.get(key) and table.values.get("kind", Shape.ANY) not in kinds:
            table.refuse(expected=f"kind {' or '.join(kinds)} beside {key}", found=table.text("kind"))
