"""Decisions about included entries where a layout gives them no value."""

import os
from pathlib import Path

from qa2pack.manifest.layout.include import Include
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.place import choose, place
from qa2pack.manifest.layout.survey import survey
from support.trees import make_tree

LAYOUT = """
[variable.run]
[[place]]
name = "top"
path = "**"
prefix = "{run}__"
[[folder]]
name = "qa"
[[rule]]
included = "qa"
match = "{stem}.py"
to = "qa/{stem}"
"""


def included(folder: Path, *names: str) -> list[tuple[bytes, bytes]]:
    """Return sources and destinations of what is included in a tree of these files."""
    make_tree(folder / "origin", names)
    (folder / "mine.toml").write_text(LAYOUT)
    layout = load_layout(str(folder / "mine.toml"))
    origin = os.fsencode(folder / "origin")
    tree = survey(origin, opaque=layout.is_opaque)
    placement = place(tree, choose(tree, layout, origin_path=origin, include=(Include("*.*", "qa"),)), {})
    assert placement.problems == ()
    return [(item.source, item.path) for item in placement.items]


def test_included_file_keeps_its_name_where_the_prefix_has_no_value(tmp_path: Path) -> None:
    assert included(tmp_path, "a.txt") == [(b"a.txt", b"qa/a.txt")]


def test_included_file_keeps_its_name_where_its_rule_makes_no_path_of_it(tmp_path: Path) -> None:
    assert included(tmp_path, "a.py", "...py") == [(b"...py", b"qa/...py"), (b"a.py", b"qa/a")]
