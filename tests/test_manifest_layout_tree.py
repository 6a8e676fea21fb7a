"""Trees of packages: names of new members, by counters and by values."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.template import NoValueError
from qa2pack.manifest.layout.tree import Tree, adds_folder
from qa2pack.manifest.problem import Refused

GOAL, GROUP, MEMBER = "sg_ouss_id", "group_ouss_id", "member_ouss_id"
CYCLE0 = load_layout("cycle0").tree


def tree_of(tmp_path: Path, text: str, variables: str = "") -> Tree:
    path = tmp_path / "mine.toml"
    path.write_text(f'tree = "{text}"\n{variables}\n[[place]]\nname = "top"\n')
    return load_layout(str(path)).tree


def next_of(existing: Mapping[str, list[str]], append: Append, tree: Tree = CYCLE0) -> str:
    """Return the next member of a package that has these groups with these members."""
    members = [f"{GOAL}/{group}/{member}" for group, members in existing.items() for member in members]
    groups = [f"{GOAL}/{group}" for group, members in existing.items() if not members]
    return tree.member({}, [path.encode() for path in (*members, *groups)], append).decode()


def test_replacing_starts_with_the_plain_names() -> None:
    assert next_of({"group_ouss_id7": ["member_ouss_id3"]}, Append.NOTHING) == f"{GROUP}/{MEMBER}"


@pytest.mark.parametrize("append", Append)
def test_first_names_of_an_empty_package_are_plain(append: Append) -> None:
    assert next_of({}, append) == f"{GROUP}/{MEMBER}"


def test_plain_member_counts_as_one() -> None:
    assert next_of({GROUP: [MEMBER]}, Append.MEMBER) == f"{GROUP}/member_ouss_id2"


def test_numbers_go_up_from_the_highest() -> None:
    members = [MEMBER, "member_ouss_id9", "member_ouss_id10"]
    assert next_of({GROUP: members}, Append.MEMBER) == f"{GROUP}/member_ouss_id11"


def test_member_goes_to_the_highest_group() -> None:
    existing = {"group_ouss_id10": [MEMBER], GROUP: [MEMBER], "group_ouss_id9": [MEMBER]}
    assert next_of(existing, Append.MEMBER) == "group_ouss_id10/member_ouss_id2"


def test_next_group_starts_with_a_plain_member() -> None:
    assert next_of({GROUP: [MEMBER], "group_ouss_id4": []}, Append.GROUP) == f"group_ouss_id5/{MEMBER}"


def test_dated_member_counts_as_no_number() -> None:
    members = [MEMBER, "member_ouss_2012-10-18_id"]
    assert next_of({GROUP: members}, Append.MEMBER) == f"{GROUP}/member_ouss_id2"


def test_member_beside_only_dated_ones_is_plain() -> None:
    assert next_of({GROUP: ["member_ouss_2012-10-18_id"]}, Append.MEMBER) == f"{GROUP}/{MEMBER}"


def test_counters_of_other_words_and_depth(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, "part{member}.d")
    assert tree.member({}, [b"part.d", b"part7.d", b"part8"], Append.MEMBER) == b"part8.d"
    assert not tree.can(Append.GROUP)


def test_values_are_the_name_of_a_member(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, "{project}/run.{run}", "[variable.run]")
    assert tree.variables == {"run"}
    assert tree.member({"run": b"7", "project": b"P"}, [], Append.NOTHING) == b"P/run.7"
    with pytest.raises(NoValueError):
        tree.member({"project": b"P"}, [], Append.NOTHING)


def test_counters_count_within_the_folder_that_values_tell(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, "run.{run}/v{member}", "[variable.run]")
    present = [b"run.1/v", b"run.1/v2", b"run.2/v9"]
    assert tree.member({"run": b"1"}, present, Append.MEMBER) == b"run.1/v3"
    assert tree.member({"run": b"3"}, present, Append.MEMBER) == b"run.3/v"


def test_package_is_the_member_without_a_tree(tmp_path: Path) -> None:
    assert tree_of(tmp_path, "").member({}, [], Append.NOTHING) == b"."


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("{run}", ""),
        ("/a", ""),
        ("a/", ""),
        ("a//b", ""),
        ("../a", ""),
        ("a/..", ""),
        ("{group}", ""),
        ("{group}{member}", ""),
        ("{member}/{group}", ""),
        ("{member}/{member}", ""),
        ("{name}", ""),
        ("{top}", ""),
        ("a{b", ""),
    ],
)
def test_tree_that_makes_no_sense_is_refused(tmp_path: Path, text: str, variables: str) -> None:
    with pytest.raises(Refused):
        tree_of(tmp_path, text, variables)


@pytest.mark.parametrize(
    ("member", "belongs"),
    [
        (b"group_ouss_id/member_ouss_id2", True),
        (b"group_ouss_id/member_ouss_2012-10-18_id", True),
        (b".", False),
        (b"science_goal.1/group.2/member.3", False),
        (b"a/b", False),
    ],
)
def test_members_of_other_trees_are_told_apart(member: bytes, belongs: bool) -> None:
    assert CYCLE0.has(member) is belongs


@pytest.mark.parametrize(
    ("text", "member", "belongs"),
    [
        ("g{group}/m{member}", b"g2/m", True),
        ("x{group}/y{member}", b"g/m", False),
        ("set.{run}/m.{project}", b"g/m", False),
        ("set.{run}/m.{project}", b"set.1/m.P", True),
        ("", b"g/m", False),
        ("", b".", True),
    ],
)
def test_members_of_a_tree_are_known_by_what_is_fixed(
    tmp_path: Path, text: str, member: bytes, belongs: bool
) -> None:
    assert tree_of(tmp_path, text, "[variable.run]").has(member) is belongs


def test_folder_above_is_new_where_no_other_member_is_in_it() -> None:
    assert adds_folder(b"a/b/c", [b"a/x/c"])
    assert not adds_folder(b"a/b/c", [b"a/b/d"])
    assert not adds_folder(b"a", [b"b"])
