"""Globs over file names: many names at once give what each gives alone."""

from hypothesis import example, given
from hypothesis import strategies as st

from qa2pack.manifest.layout.globs import matches, matching
from qa2pack.manifest.layout.load import load_layout

GLOB = st.text("ab.*?[]!{}~\n", min_size=1, max_size=6).filter(lambda glob: "{" not in glob) | st.sampled_from(
    ["{uid}", "a{uid}*", "*{uid}"]
)
NAME = st.binary(min_size=1, max_size=8).map(lambda name: name.replace(b"\0", b"a").replace(b"/", b"b")) | st.text(
    "ab.~[]\n", min_size=1, max_size=6
).map(str.encode)


@given(st.lists(NAME, max_size=5, unique=True), st.lists(GLOB, max_size=4).map(tuple))
@example([b".DS_Store", b"a.swp", b"a.swpx", b"plot.png"], (".DS_Store", "*.swp"))
@example([b"ab", b"b"], ("b",))
@example([b"a[b"], ("*[b",))
@example([b"uid___A002_X1_X2"], ("*{uid}",))
def test_names_are_matched_together_as_each_alone(names: list[bytes], globs: tuple[str, ...]) -> None:
    assert matching(names, globs) == {name for name in names if globs and matches(name, globs)}


def test_files_of_other_programs_are_found_among_many() -> None:
    globs = tuple(glob for foreign in load_layout("cycle0").foreign for glob in foreign.globs)
    plots = [b"plot%d.png" % number for number in range(9)]
    foreign = [b".DS_Store", b".nfs0001", b"README~", b"a.swp", b".x.swn", b"#a#", b"__pycache__"]
    assert matching([*plots, *foreign], globs) == {*foreign}
    assert matching(plots, globs) == set()
