"""The catalogue when two runs change it at a time: one of them is later, and neither fails."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from qa2pack.manifest.problem import Code, Refused
from qa2pack.pack.audit.catalogue import Catalogue, opened_catalogue
from qa2pack.pack.audit.facts import Facts, MemberFacts
from qa2pack.pack.audit.shelved import Finding, Outcome, Standing

PATH = b"/shelf/2011.0.00229.S"
MEMBER = MemberFacts(b"group/member", "alice", "node3", "qa2pack 1", "hard", 1, 2, 3)
FACTS = Facts(b"identity", (MEMBER,))
BAD = Outcome(Standing.PROBLEMS, 1.0, 1, findings=(Finding("missing", "missing a"),))


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Catalogue, Catalogue]]:
    """One catalogue, opened by two runs."""
    path = os.fsencode(tmp_path / "catalogue")
    with ExitStack() as stack:
        one, other = (stack.enter_context(opened_catalogue(path)) for _ in range(2))
        for each in (one, other):
            each.limit_to([b"/shelf"])
        yield one, other


def number(catalogue: Catalogue) -> int:
    (package,) = catalogue.shelf()
    return package.number


def test_package_that_both_find_is_entered_once(two: tuple[Catalogue, Catalogue]) -> None:
    for each in two:
        each.add(PATH, b"looked", FACTS, 10)
    assert [(each.path, each.member_count) for each in two[0].shelf()] == [(PATH, 1)]


def test_package_cannot_be_moved_to_where_the_other_has_found_it(two: tuple[Catalogue, Catalogue]) -> None:
    one, other = two
    one.add(PATH, b"looked", FACTS, 10)
    moved = number(one)
    other.add(b"/shelf/new", b"looked", FACTS, 20)
    one.see(moved, b"/shelf/new", 20)
    assert [each.path for each in other.shelf()] == [PATH, b"/shelf/new"]


def test_package_that_the_other_has_forgotten_is_nobodys_concern(two: tuple[Catalogue, Catalogue]) -> None:
    one, other = two
    one.add(PATH, b"looked", FACTS, 10)
    (package,) = one.shelf()
    other.lose(package.number, 20)
    assert other.forget_gone() == 1
    assert not one.is_due(package.number, 30)
    one.update(package, b"looked", Facts(b"other", (MEMBER,)))
    one.record(package.number, BAD, 30)
    assert list(one.shelf()) == []


def test_package_that_the_other_has_verified_is_not_due(two: tuple[Catalogue, Catalogue]) -> None:
    one, other = two
    one.add(PATH, b"looked", FACTS, 10)
    assert one.is_due(number(one), 20)
    other.record(number(other), BAD, 20)
    assert not one.is_due(number(one), 20)
    assert [each.standing for each in one.wrong()] == [Standing.PROBLEMS]


def test_forged_manifests_of_great_sizes_and_of_one_member_are_taken(two: tuple[Catalogue, Catalogue]) -> None:
    most = (1 << 63) - 1
    for name in (b"/shelf/a", b"/shelf/b"):
        member = MemberFacts(b"m", "", "", "", "copy", 0, most, most)
        two[0].add(name, b"looked", Facts(name, (member, member)), 10)
    assert two[1].summary().byte_count >= most
    assert [each.member_count for each in two[1].shelf()] == [1, 1]


def test_shelf_is_sorted_by_path(two: tuple[Catalogue, Catalogue]) -> None:
    for name in (b"/shelf/b", b"/shelf/a", b"/shelf/c"):
        two[0].add(name, b"looked", FACTS, 10)
    assert [each.path for each in two[0].shelf()] == [b"/shelf/a", b"/shelf/b", b"/shelf/c"]


def test_claim_of_a_package_keeps_other_processes_out_and_ends(two: tuple[Catalogue, Catalogue]) -> None:
    def is_claimed_elsewhere() -> bool:
        child = os.fork()
        if not child:
            with two[1].claimed(5) as is_mine:
                os._exit(not is_mine)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0

    with two[0].claimed(5) as is_mine:
        assert (is_mine, is_claimed_elsewhere()) == (True, True)
    assert not is_claimed_elsewhere()


def test_shelf_of_the_topmost_folder_has_all_packages(two: tuple[Catalogue, Catalogue]) -> None:
    two[0].limit_to([b"/"])
    two[0].add(b"/2011.0.00229.S", b"looked", FACTS, 10)
    assert [each.path for each in two[0].shelf()] == [b"/2011.0.00229.S"]


def test_maker_is_that_of_the_newest_member(two: tuple[Catalogue, Catalogue]) -> None:
    newer = MemberFacts(b"group/member2", "bob", "node4", "qa2pack 2", "copy", 9, 2, 3)
    two[0].add(PATH, b"looked", Facts(b"identity", (newer, MEMBER)), 10)
    (package,) = two[0].shelf()
    assert package.maker is not None
    assert (package.maker.user, package.maker.program) == ("bob", "qa2pack 2")


@pytest.mark.parametrize("suffix", [".lock", "-journal", "-wal", "-shm"])
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("nowhere", path)])
def test_what_is_in_the_place_of_a_file_beside_the_catalogue_is_named(
    tmp_path: Path, make: Callable[[Path], None], suffix: str
) -> None:
    beside = tmp_path / f"catalogue{suffix}"
    make(beside)
    with pytest.raises(Refused) as caught, opened_catalogue(os.fsencode(tmp_path / "catalogue")):
        pass
    assert [(each.code, each.path) for each in caught.value.problems] == [
        (Code.CATALOGUE_UNUSABLE, os.fsencode(beside))
    ]
