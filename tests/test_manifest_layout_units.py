"""Units of an origin: the one command that plans all of them, where each can be planned by itself."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.place import choose
from qa2pack.manifest.layout.several_values import several_values
from qa2pack.manifest.layout.survey import survey
from qa2pack.manifest.layout.template import PROJECT
from qa2pack.manifest.layout.units import planned_together
from support.trees import make_tree

BY_VALUE = 'tree = "{comet}"'
COUNTED = 'tree = "member{member}"'
PLACE = '[[place]]\nname = "run"\npath = "{comet}"\nneeded = true\n'
REST = '[variable.comet]\n[variable.set]\ndefault = "one"\n[[rule]]\nmatch = "*"\nto = "{comet}_{name}"\n'
LIKE = '[variable.comet]\nlike = "[eh][na]*"'
FOLDERS = ("encke", "halley")
ALL = "pack batch plan ORIGIN --each PATH --package PACKAGE"
MEMBERS, APPENDED = f"{ALL} --mode MODE", f"{ALL} --append member --mode MODE"
PACKAGES = f"{ALL}-{{name}} --mode MODE"


def advised(
    folder: Path, text: str, *folders: str, append: Append = Append.NOTHING, given: dict[str, bytes] | None = None
) -> list[tuple[str, str]]:
    """Return the command and the glob of what is advised for a run with these folders."""
    path = folder / "layout.toml"
    path.write_text(text)
    layout, origin = load_layout(str(path)), os.fsencode(make_tree(folder / "run", [f"{each}/a" for each in folders]))
    tree = survey(origin, opaque=layout.is_opaque)
    choice = choose(tree, layout, origin_path=origin, given={PROJECT: b"P", **(given or {})})
    several = several_values(layout, choice.places)
    assert several is not None
    remedies = planned_together(several, choice, tree, origin_path=origin, append=append)
    return [(command, os.fsdecode(remedy.path)) for remedy in remedies for command in remedy.commands]


@pytest.mark.parametrize(
    ("tree", "command"),
    [(BY_VALUE, MEMBERS), (COUNTED, APPENDED), ("", PACKAGES), ('tree = "{set}"', PACKAGES)],
    ids=["members-by-value", "counted-members", "no-tree", "one-member-for-all"],
)
def test_members_of_one_package_or_packages_by_the_tree(tmp_path: Path, tree: str, command: str) -> None:
    assert advised(tmp_path, f"{tree}\n{REST}{PLACE}", *FOLDERS) == [(command, "*")]


def test_append_that_was_asked_for_stands_in_the_command_already(tmp_path: Path) -> None:
    assert advised(tmp_path, f"{COUNTED}\n{REST}{PLACE}", *FOLDERS, append=Append.MEMBER) == [(MEMBERS, "*")]


@pytest.mark.parametrize("append", [Append.GROUP, Append.REPLACE])
def test_nothing_is_advised_where_members_are_not_added_so(tmp_path: Path, append: Append) -> None:
    assert advised(tmp_path, f"{COUNTED}\n{REST}{PLACE}", *FOLDERS, append=append) == []


@pytest.mark.parametrize(
    ("others", "glob"), [((), "*"), (("bias",), "[eh]*"), (("bias", "eggs"), ""), ((".hidden",), "*")]
)
def test_glob_takes_no_folder_that_is_no_unit(tmp_path: Path, others: tuple[str, ...], glob: str) -> None:
    layout = f"{BY_VALUE}\n{REST.replace('[variable.comet]', LIKE)}{PLACE}"
    assert advised(tmp_path, layout, *FOLDERS, *others) == ([(MEMBERS, glob)] if glob else [])


def test_folders_with_a_common_beginning_are_told_by_it(tmp_path: Path) -> None:
    deep = PLACE.replace("{comet}", "obs/*/night{comet}/raw")
    folders = ("obs/a/night1/raw", "obs/b/night2/raw", "obs/c/other")
    assert advised(tmp_path, f"{BY_VALUE}\n{REST}{deep}", *folders) == [(MEMBERS, "obs/*/night*")]


@pytest.mark.parametrize(
    "place",
    [PLACE.replace("needed = true\n", ""), PLACE + '[[place]]\nname = "top"\nneeded = true\npath = "*/deep"\n'],
    ids=["not-needed", "another-one-needed"],
)
def test_nothing_is_advised_where_a_unit_is_no_origin_by_itself(tmp_path: Path, place: str) -> None:
    assert advised(tmp_path, f"{BY_VALUE}\n{REST}{place}", *FOLDERS, "encke/deep") == []


def test_given_values_count_for_each_unit(tmp_path: Path) -> None:
    place = PLACE.replace("{comet}", "{set}/{comet}")
    text = f'tree = "{{set}}/{{comet}}"\n{REST}{place}'
    folders = ("a/encke", "a/halley", "b/encke")
    assert advised(tmp_path, text, *folders, given={"set": b"a"}) == [(MEMBERS, "a/*")]


def test_nothing_is_advised_where_a_unit_lacks_a_place(tmp_path: Path) -> None:
    places = '[[place]]\nname = "run"\npath = "**"\nnamed = "[eh]{comet}"\n'
    places += '[[place]]\nname = "top"\nneeded = true\npath = "*/deep"\n'
    assert advised(tmp_path, f"{BY_VALUE}\n{REST}{places}", *FOLDERS, "encke/deep") == []
    assert advised(tmp_path, f"{BY_VALUE}\n{REST}{places}", "halley/deep") == [(MEMBERS, "*")]


def test_nothing_is_advised_where_a_unit_has_several_values_of_another_variable(tmp_path: Path) -> None:
    place = PLACE.replace("{comet}", "{comet}/{set}")
    folders = ("encke/a", "encke/b", "halley/a", "hartley/a")
    assert advised(tmp_path, f'tree = "{{comet}}/{{set}}"\n{REST}{place}', *folders) == []
