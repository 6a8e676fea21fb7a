"""Names of groups and members."""

import pytest

from qa2pack.manifest.alma.member_ids import Append, is_group, is_member, next_member
from qa2pack.manifest.path import join

MEMBER = b"member_ouss_id"
GROUP = b"group_ouss_id"


def test_replacing_starts_with_the_plain_names() -> None:
    assert next_member({b"group_ouss_id7": [b"member_ouss_id3"]}, Append.NOTHING) == join(GROUP, MEMBER)


@pytest.mark.parametrize("append", Append)
def test_first_names_of_an_empty_package_are_plain(append: Append) -> None:
    assert next_member({}, append) == join(GROUP, MEMBER)


def test_plain_member_counts_as_one() -> None:
    assert next_member({GROUP: [MEMBER]}, Append.MEMBER) == join(GROUP, b"member_ouss_id2")


def test_numbers_go_up_from_the_highest() -> None:
    members = [MEMBER, b"member_ouss_id9", b"member_ouss_id10"]
    assert next_member({GROUP: members}, Append.MEMBER) == join(GROUP, b"member_ouss_id11")


def test_member_goes_to_the_highest_group() -> None:
    existing = {b"group_ouss_id10": [MEMBER], GROUP: [MEMBER], b"group_ouss_id9": [MEMBER]}
    assert next_member(existing, Append.MEMBER) == join(b"group_ouss_id10", b"member_ouss_id2")


def test_next_group_starts_with_a_plain_member() -> None:
    assert next_member({GROUP: [MEMBER], b"group_ouss_id4": []}, Append.GROUP) == join(b"group_ouss_id5", MEMBER)


def test_dated_member_counts_as_no_number() -> None:
    members = [MEMBER, b"member_ouss_2012-10-18_id"]
    assert next_member({GROUP: members}, Append.MEMBER) == join(GROUP, b"member_ouss_id2")


def test_member_beside_only_dated_ones_is_plain() -> None:
    assert next_member({GROUP: [b"member_ouss_2012-10-18_id"]}, Append.MEMBER) == join(GROUP, MEMBER)


def test_strange_names_count_for_nothing() -> None:
    existing = {GROUP: [b"notes", b"member_ouss_id99.bak"], b"group_ouss_id99_old": [MEMBER]}
    assert next_member(existing, Append.MEMBER) == join(GROUP, MEMBER)


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
