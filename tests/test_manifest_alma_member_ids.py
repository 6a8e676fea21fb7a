"""Names of groups and members."""

import pytest

from qa2pack.manifest.alma.member_ids import folder_of, is_group, is_member, member_at, named_so

MEMBER = b"member_ouss_id"
GROUP = b"group_ouss_id"


@pytest.mark.parametrize(
    ("member", "folder"),
    [
        (b"group_ouss_id/member_ouss_id2", b"sg_ouss_id/group_ouss_id/member_ouss_id2"),
        (b"group_ouss_id2/member_ouss_2012-10-18_id", b"sg_ouss_id/group_ouss_id2/member_ouss_2012-10-18_id"),
        (b"science_goal.X1/group.X2/member.X3", b"science_goal.X1/group.X2/member.X3"),
        (b"run.1", b"run.1"),
        (b".", b""),
    ],
)
def test_name_and_folder_tell_each_other(member: bytes, folder: bytes) -> None:
    assert folder_of(member) == folder
    assert member_at(folder) == member


@pytest.mark.parametrize(
    ("typed", "found"),
    [(b"member.3", b"group.2/member.3"), (b"group.1/member.3", b"a/group.1/member.3"), (b"ember.3", None)],
)
def test_end_of_a_name_is_enough_where_only_one_has_it(typed: bytes, found: bytes | None) -> None:
    members = [b"a/group.1/member.3", b"group.1/member.2", b"group.2/member.3"]
    assert named_so(members[1:] if found == members[2] else members, typed) == ([found] if found else [])


@pytest.mark.parametrize("name", [MEMBER, b"member_ouss_id2", b"member_ouss_2012-10-18_id"])
def test_member_names_are_known(name: bytes) -> None:
    assert is_member(name)


@pytest.mark.parametrize(
    "name", [GROUP, b"member_ouss", b"member_ouss_idx", b"member_ouss_2012_id", b"member_ouss_id\n"]
)
def test_other_names_are_no_members(name: bytes) -> None:
    assert not is_member(name)


def test_group_names_are_known() -> None:
    assert is_group(GROUP) and is_group(b"group_ouss_id12") and not is_group(MEMBER)
