from dataclasses import replace

import pytest
from hypothesis import given

from qa2pack.manifest.actions import Action
from qa2pack.manifest.diff import Change, Kind, diff_members
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from support.generated import members, record_of

MIRRORED = {Kind.ADDED: Kind.REMOVED, Kind.REMOVED: Kind.ADDED}


def kinds(old: list[FolderRecord], new: list[FolderRecord]) -> dict[bytes, Kind]:
    return {change.path: change.kind for change in diff_members(old, new)}


@given(members())
def test_nothing_changes_between_a_member_and_itself(member: list[FolderRecord]) -> None:
    assert {change.kind for change in diff_members(member, member)} <= {Kind.UNCHANGED}


@given(members(), members())
def test_what_one_way_adds_the_other_removes(old: list[FolderRecord], new: list[FolderRecord]) -> None:
    mirrored = [
        Change(change.path, MIRRORED.get(change.kind, change.kind), change.new_size, change.old_size)
        for change in diff_members(old, new)
    ]
    assert list(diff_members(new, old)) == mirrored


@given(members(), members())
def test_every_file_of_either_side_comes_once(old: list[FolderRecord], new: list[FolderRecord]) -> None:
    paths = [change.path for change in diff_members(old, new)]
    assert sorted(paths) == sorted({entry.path for member in (old, new) for r in member for entry in r.entries()})


def test_each_kind_is_reported_with_its_sizes() -> None:
    old = [record_of(b"log", {b"a": 1, b"b": 2, b"c": 3})]
    new = [record_of(b"log", {b"a": 1, b"c": 4}), record_of(b"qa", {b"d": 5})]
    assert list(diff_members(old, new)) == [
        Change(b"log/a", Kind.UNCHANGED, 1, 1),
        Change(b"log/b", Kind.REMOVED, 2, None),
        Change(b"log/c", Kind.CHANGED, 3, 4),
        Change(b"qa/d", Kind.ADDED, None, 5),
    ]


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"digests": b"x" * 16}, Kind.CHANGED),
        ({"sizes": [2]}, Kind.CHANGED),
        ({"mtimes": [6]}, Kind.UNCHANGED),  # the content decides
        ({"actions": bytes([Action.LINK])}, Kind.UNCHANGED),
        ({"actions": bytes([Action.DUMMY])}, Kind.CHANGED),  # a placeholder is not the file
        ({"digests": NO_DIGEST}, Kind.UNCHANGED),
        ({"digests": NO_DIGEST, "mtimes": [6]}, Kind.CHANGED),
    ],
)
def test_same_content_is_unchanged(columns: dict[str, object], kind: Kind) -> None:
    old = record_of(b"qa", {b"a": 1})
    assert kinds([old], [replace(old, **columns)]) == {b"qa/a": kind}  # type: ignore[arg-type]


def test_folders_are_merged_part_by_part() -> None:
    old = [record_of(b"a", {b"x": 1}), record_of(b"a/b", {b"x": 1}), record_of(b"a-b", {b"x": 1})]
    new = [record_of(b"a", {b"x": 1}), record_of(b"a-b", {b"x": 1})]
    assert kinds(old, new) == {b"a/x": Kind.UNCHANGED, b"a/b/x": Kind.REMOVED, b"a-b/x": Kind.UNCHANGED}
