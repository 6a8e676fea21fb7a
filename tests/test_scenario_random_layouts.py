"""Random layouts: each is understood or refused when it is loaded; those that are understood place any tree."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qa2pack.manifest.layout.include import Include, parse_include
from qa2pack.manifest.layout.item import Placement
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.place import choose, place
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.layout.survey import Kind, Node
from qa2pack.manifest.layout.usage import usage_of
from qa2pack.manifest.path import check_relative, is_within, join
from qa2pack.manifest.problem import Code, Refused

FEW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
U = "uid___A001_X1_X1"


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


# Values of keys, right and wrong ones.
PIECES = (
    *("{uid}", "{run}", "{top}", "{stem}", "{name}", "{prefix}", "{path}", "{project}", "{Odd}", "{a-b}"),
    *("{", "}", "{{", "}}", "*", "**", "?", "[", "]", "[!", "[^", "[]", "[a-", "z-a]", "[{uid}]", "[z-a]", "[["),
    *("--", "&&", "||", "~~", "/", "//", "..", ".", "", "qa", "qa/", "product/", "uid", "file", "tree", "table", "a"),
    *("é", "\U0001f4a9", "\u202e", "\n", "\0", "\\", "(?P<a>", "$", "^", "x" * 300),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
NUMBERS = st.sampled_from(["0", "-1", "7", "1" * 400, "1" * 5000, "0x" + "f" * 5000, "1e400", "nan", "-inf", "1.5"])
DATES = st.sampled_from(["2026-11-28", "2026-11-28T07:32:00Z", "07:32:00", "2026-11-28 07:32:00.5+01:00"])
SCALARS = st.one_of(TEXTS.map(quoted), NUMBERS, DATES, st.sampled_from(["true", "false", '""', "[]", "{}"]))
LISTS = st.lists(st.one_of(TEXTS.map(quoted), SCALARS), max_size=3).map(lambda each: f"[{', '.join(each)}]")
TABLES = st.dictionaries(st.sampled_from(["to", "column", "x", '"é"']), SCALARS, max_size=3).map(
    lambda each: "{" + ", ".join(f"{key} = {value}" for key, value in each.items()) + "}"
)
DEEP = st.sampled_from(["[" * 50 + "]" * 50, "[" * 400 + "]" * 400, "{a = " * 300 + "1" + "}" * 300])
VALUES = st.one_of(TEXTS.map(quoted), LISTS, SCALARS, TABLES, DEEP)

# What is right in most tables, so that the wrong is met at any depth of the reading.
RIGHT = {
    "like": ['"uid"', '"*"', '"[0-9]*"'],
    "default": ['"7"', '"a"'],
    "name": ['"top"', '"eb"', '"qa"', '"product"'],
    "path": ['"*"', '"**"', '"a/**/b"', '"MOUS_{uid}"'],
    "inside": ['"top"', '"eb"'],
    "named": ['"MOUS_{uid}"', '["a", "{uid}*"]'],
    "marked_by": ['"{uid}.ms"', '["*.ms", "{uid}*"]'],
    "prefix": ['"{uid}__"', '"{top}_"'],
    "no_prefix": ['"{uid}*"'],
    "needed": ["true", "false"],
    "what": ['"a block"'],
    "globs": ['["*~"]'],
    "reason": ['"backup"'],
    "places": ['["top"]', '["eb", "top"]'],
    "kind": ['"file"', '"tree"', '"table"', '"any"'],
    "match": ['"*"', '["*.fits", "{stem}.py"]', '"{stem}.fits"'],
    "to": ['"qa/{name}"', '"product/{stem}"', '"{name}"', '"qa/{prefix}{name}"'],
    "if_taken": ['"qa/{path}"'],
    "never": ['"no"'],
    "again": ['{to = "qa/{name}", column = "DATA"}'],
    "column": ['"DATA"'],
    "included": ['"qa"'],
    "empty": ["true"],
    "warn": ["true"],
    "report": ['["pictures"]'],
    "always": ["true"],
    "tickets": ["false"],
    "listed": ["true"],
    "text": ['"plots"'],
    "needs": ['"qa"'],
    "alike": ['["*.log"]'],
    "in": ['"qa"'],
    "absent": ['["*.tgz", "a/*"]'],
    "project": ['["[0-9]*"]'],
    "at_most_one": ['"*.log"'],
    "holds": ['"*.log"'],
    "lacks": ['"*.log"'],
    "letters": ['"a-z_"'],
    "longest": ["255"],
    "say": ['"warn"', '"refuse"'],
}
KEYS = {
    "[variable.uid]": ("like", "default"),
    "[variable.run]": ("like", "default"),
    "[[place]]": ("name", "path", "inside", "named", "marked_by", "prefix", "no_prefix", "needed", "what"),
    "[[folder]]": ("name", "text", "always", "tickets", "listed", "report"),
    "[[foreign]]": ("globs", "reason"),
    "[[rule]]": (
        *("match", "to", "never", "places", "kind", "if_taken", "again", "column", "included", "empty", "warn"),
    ),
    "[[check]]": (
        *("needs", "what", "alike", "in", "absent", "project", "at_most_one", "holds", "lacks", "letters", "longest"),
        "say",
    ),
}
ODD_TABLES = (
    "[variable]",
    "[place]",
    "[[variable]]",
    "[variable.Odd]",
    "[variable.'a b'.c]",
    "[rule.to]",
    "[[layout]]",
    "[[rule.again]]",
)


@st.composite
def tables(draw: st.DrawFn) -> str:
    """Return one table: a header, right and wrong values, and now and then an unknown key."""
    header = draw(st.one_of(st.sampled_from(list(KEYS)), st.sampled_from([*KEYS, *ODD_TABLES])))
    known = KEYS.get(header, tuple(RIGHT))
    few = draw(st.integers(0, len(known)))
    keys = draw(st.lists(st.sampled_from(known[: few + 2]), unique=True, max_size=5))
    lines = [header]
    for key in keys:
        is_right = draw(st.integers(0, 3))
        lines.append(f"{key} = {draw(st.sampled_from(RIGHT[key]) if is_right else VALUES)}")
    if draw(st.integers(0, 9)) == 0:
        lines.append(
            f"{draw(st.sampled_from(['colour', chr(34) * 2, 'a.b', chr(39) + 'é' + chr(39)]))} = {draw(VALUES)}"
        )
    return "\n".join(lines)


FRAME = (
    '[variable.uid]\nlike = "uid"\n[[place]]\nname = "top"\n[[folder]]\nname = "qa"\n[[folder]]\nname = "product"\n'
)
LAYOUTS = st.builds(
    lambda top, frame, parts: "\n".join([*top, frame, *parts, ""]),
    st.lists(
        st.builds("{} = {}".format, st.sampled_from(["name", "title", "rule", "place", "x"]), VALUES), max_size=1
    ),
    st.sampled_from([FRAME, FRAME, FRAME, ""]),
    st.lists(tables(), max_size=5),
)


def loaded(text: str) -> Layout:
    with tempfile.TemporaryDirectory(prefix="qa2pack-layout-") as folder:
        path = Path(folder) / "mine.toml"
        path.write_text(text)
        return load_layout(str(path))


@FEW
@given(LAYOUTS)
@example(FRAME + "[[rule]]\nmatch = 0x" + "f" * 5000)
@example("name = " + "[" * 400 + "]" * 400)
def test_layout_is_understood_or_refused(text: str) -> None:
    try:
        layout = loaded(text)
    except Refused as refused:
        assert {problem.code for problem in refused.problems} <= {Code.UNKNOWN_LAYOUT, Code.UNKNOWN_ROLE}
        assert all(len(str(problem)) < 5000 for problem in refused.problems)
    else:
        tree = tree_of([*ODD_NAMES, f"{U}.ms/table.dat", "a/b/c.fits"], layout)
        assert_places(layout, tree)
        if "qa" in [role.name for role in layout.roles]:  # else such an include is refused before
            assert_places(layout, tree, (Include("*", "qa"),))


@FEW
@given(st.binary(max_size=60), st.integers(0, 400))
def test_file_with_damaged_bytes_is_understood_or_refused(damage: bytes, at: int) -> None:
    whole = (FRAME + '[[rule]]\nmatch = ["*.fits", "{stem}.py"]\nto = "qa/{name}"\nif_taken = "qa/{path}"\n').encode()
    with tempfile.TemporaryDirectory(prefix="qa2pack-layout-") as folder:
        path = Path(folder) / "mine.toml"
        path.write_bytes(whole[:at] + damage + whole[at + len(damage) :])
        try:
            load_layout(str(path))
        except Refused as refused:
            assert {problem.code for problem in refused.problems} <= {Code.UNKNOWN_LAYOUT, Code.UNKNOWN_ROLE}


# Valid layouts, and trees that they meet.
ODD_NAMES = ("...fits", "..fits", "a.fits", "b.fits", f"{U}.log", "é.py", ". .fits", "x" * 250 + ".fits")
STEPS = st.sampled_from(["*", "**", "a", "run{run}", "MOUS_{uid}", "MOUS_{any}", "{any}", "[ab]"])
TARGETS = (
    *("qa/{name}", "{name}", "qa/{prefix}{name}", "qa/{top}", "qa/{path}", "qa/all", "product/{run}.{name}"),
    *("product/{band}/{name}", "qa/{uid}", "{eb}", "qa/{project}", "qa/{any}", "qa/{any}/{name}", "qa/{prefix}all"),
)
STEM_TARGETS = (
    "product/{stem}",
    "{stem}",
    "qa/{prefix}{stem}",
    "{stem}/{name}",
    "qa/{stem}.x",
    "qa/.{stem}",
    "qa/{stem}/a",
)
MATCHES = ("*", "*.fits", "{uid}*", "{run}.*", "?*", "[!a]*")
STEM_MATCHES = ("{stem}.fits", "{stem}", "{stem}.f*", "{stem}.{stem}", "{uid}{stem}")


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Return a rule that is right."""
    has_stem = draw(st.booleans())
    targets = st.sampled_from(STEM_TARGETS if has_stem else TARGETS)
    kind = draw(st.sampled_from(["any", "file", "tree", "table"]))
    lines = ["[[rule]]", f"kind = {quoted(kind)}", *['places = ["eb"]'] * draw(st.booleans())]
    if not has_stem and draw(st.integers(0, 4)) == 0:
        return "\n".join([*lines, 'match = "*"', 'never = "no"'])
    lines += [f"match = {quoted(draw(st.sampled_from(STEM_MATCHES if has_stem else MATCHES)))}"]
    lines += [f"to = {quoted(draw(targets))}", *[f"if_taken = {quoted(draw(targets))}"] * draw(st.booleans())]
    return "\n".join(lines)


@st.composite
def valid_layouts(draw: st.DrawFn) -> str:
    """Return a layout that is right."""
    path = "/".join(draw(st.lists(STEPS, min_size=1, max_size=3)))
    prefix = draw(st.sampled_from(["", "{uid}__", "{eb}_", "p", "{run}/x", "{any}"]))
    parts = [
        '[variable.uid]\nlike = "uid"\n[variable.run]\nlike = "[0-9]*"',
        '[variable.any]\n[variable.band]\ndefault = "B3"',
        '[[folder]]\nname = "qa"\n[[folder]]\nname = "product"\n[[place]]\nname = "top"',
        f'[[place]]\nname = "eb"\npath = {quoted(path)}',
        *[f"named = {quoted(draw(st.sampled_from(['a', '*{uid}', '{any}'])))}"] * draw(st.booleans()),
        *['marked_by = ["{uid}.ms", "{uid}.log"]'] * draw(st.booleans()),
        *[f"prefix = {quoted(prefix)}"] * bool(prefix),
        *["needed = true"] * draw(st.booleans()),
        *[f'[[place]]\nname = "in"\ninside = "eb"\npath = {quoted(draw(STEPS))}'] * draw(st.booleans()),
        *draw(st.lists(rules(), min_size=1, max_size=4)),
    ]
    return "\n".join(parts)


FOLDERS = ("a", "b", "run7", f"MOUS_{U}", "MOUS_..", f"{U}.ms", "7.d")
PATHS = st.builds(
    lambda folders, name: "/".join([*folders, name]),
    st.lists(st.sampled_from(FOLDERS), max_size=3),
    st.sampled_from([*ODD_NAMES, "7.txt", f"{U}.ms/table.dat", "table.dat", "ASDM.xml"]),
)
ORIGINS = st.lists(PATHS, max_size=8, unique=True)


def tree_of(paths: Sequence[str], layout: Layout) -> Node:
    """Return the survey of a tree of these files; one that is below another one is left out."""
    files = [
        path
        for path in paths
        if not any(is_within(other.encode(), path.encode()) and other != path for other in paths)
    ]
    return _folder(b"", b"", sorted(path.encode() for path in files), layout)


def _folder(name: bytes, path: bytes, paths: Sequence[bytes], layout: Layout) -> Node:
    inner: dict[bytes, list[bytes]] = {}
    for each in paths:
        first, _, rest = each.partition(b"/")
        inner.setdefault(first, []).extend([rest] if rest else [])
    kind = Kind.TABLE if b"table.dat" in inner else Kind.FOLDER
    is_whole = bool(name) and (kind is Kind.TABLE or layout.is_opaque(name) or b"ASDM.xml" in inner)
    children = () if is_whole else tuple(_child(each, path, below, layout) for each, below in sorted(inner.items()))
    return Node(
        name, kind if name else Kind.FOLDER, source=path, children=children, opaque=is_whole and kind is Kind.FOLDER
    )


def _child(name: bytes, folder: bytes, below: Sequence[bytes], layout: Layout) -> Node:
    path = join(folder, name)
    return _folder(name, path, below, layout) if below else Node(name, Kind.FILE, size=5, source=path)


def leaves(node: Node, path: bytes = b"") -> list[bytes]:
    """Return the paths of everything that is not searched further."""
    if node.children:
        return [leaf for child in node.children for leaf in leaves(child, join(path, child.name))]
    return [path] if path else []


def assert_places(layout: Layout, tree: Node, include: Sequence[Include] = ()) -> None:
    """Check that nothing is lost, that nothing meets silently, and that each path is one of the member."""
    choice = choose(tree, layout, origin_path=b"/data/run7", include=include, given={"project": b"2011.0.00229.S"})
    placement = place(tree, choice, {})
    told = [
        *(item.source for item in placement.items),
        *(left.path for left in placement.left_out),
        *(problem.path for problem in placement.problems),
    ]
    assert [leaf for leaf in leaves(tree) if not any(each and is_within(leaf, each) for each in told)] == []
    for item in placement.items:
        check_relative(item.path)
    assert_distinct(placement)
    if include:
        return
    usage = usage_of(tree, choice, b"/data/run7")
    counted = sum(taken.file_count + taken.tree_count for taken in (*usage.taken, usage.foreign))
    assert counted + len(usage.untaken) >= len(placement.items)
    assert [
        left for left in usage.untaken if any(is_within(left.path, item.source) for item in placement.items)
    ] == []


def assert_distinct(placement: Placement) -> None:
    paths = [item.path for item in placement.items]
    is_meeting = len(set(paths)) < len(paths) or any(
        is_within(inner, outer) for inner in set(paths) for outer in set(paths) if inner != outer
    )
    assert is_meeting == any(problem.code is Code.COLLISION for problem in placement.problems)


@settings(FEW, max_examples=200)
@given(valid_layouts(), ORIGINS, st.booleans())
def test_valid_layout_places_any_tree(text: str, paths: list[str], is_included: bool) -> None:
    layout = loaded(text)
    include = tuple(parse_include(each) for each in ("*.fits=qa", "b=product") if is_included)
    assert_places(layout, tree_of(paths, layout), include)
