"""Names in a member: other names for those that meet, and the law that nothing meets silently."""

from hypothesis import given
from hypothesis import strategies as st

from qa2pack.manifest.layout.names import Claim, settle_names
from qa2pack.manifest.problem import Code


def claim(source: bytes, name: bytes, prefix: bytes = b"") -> Claim:
    return Claim(source, b"product/" + name, b"product/" + prefix + name if prefix else b"")


def test_name_stays_while_it_is_unique() -> None:
    paths, problems = settle_names([claim(b"X1/a", b"a", b"u1__"), claim(b"X2/b", b"b", b"u2__")])
    assert (paths, problems) == ((b"product/a", b"product/b"), ())


def test_all_that_meet_get_their_prefix() -> None:
    paths, problems = settle_names([claim(b"X1/a", b"a", b"u1__"), claim(b"Images/a", b"a", b"Images__")])
    assert (paths, problems) == ((b"product/u1__a", b"product/Images__a"), ())


def test_name_without_a_prefix_stays_where_another_gives_way() -> None:
    paths, problems = settle_names([claim(b"a", b"a"), claim(b"X1/a", b"a", b"u1__")])
    assert (paths, problems) == ((b"product/a", b"product/u1__a"), ())


def test_names_in_different_folders_do_not_meet() -> None:
    one, other = claim(b"X1/a", b"a", b"u1__"), Claim(b"X2/a", b"script/a", b"script/u2__a")
    assert settle_names([one, other]) == ((b"product/a", b"script/a"), ())


def test_names_that_may_not_change_collide() -> None:
    _, (problem,) = settle_names([claim(b"X8c/Xa", b"Xa"), claim(b"old/Xa", b"Xa")])
    assert (problem.code, problem.path, problem.expected, problem.found) == (
        Code.COLLISION,
        b"product/Xa",
        "X8c/Xa",
        "old/Xa",
    )


def test_prefixed_name_can_collide_with_a_name_as_it_was() -> None:
    claims = [claim(b"a", b"a"), claim(b"X1/a", b"a", b"u1__"), claim(b"u1__a", b"u1__a")]
    _, (problem,) = settle_names(claims)
    assert (problem.expected, problem.found) == ("X1/a", "u1__a")


def test_name_inside_of_what_another_becomes_collides() -> None:
    tree = Claim(b"X1/t", b"calibration/t")
    _, (problem,) = settle_names([tree, Claim(b"X1/f", b"calibration/t/f")])
    assert (problem.path, problem.expected, problem.found) == (b"calibration/t", "X1/t", "X1/f")


def bundled(source: bytes, inside: bytes) -> Claim:
    return Claim(source, b"cal/all.tgz/" + inside, bundle=b"cal/all.tgz")


def test_collision_in_a_bundle_has_the_path_with_the_mark_that_layouts_write() -> None:
    _, (problem,) = settle_names([bundled(b"X1/a", b"t/a"), bundled(b"X2/a", b"t/a")])
    assert (problem.path, problem.expected, problem.found) == (b"cal/all.tgz!t/a", "X1/a", "X2/a")
    _, problems = settle_names([bundled(b"X1/a", b"t/a"), bundled(b"X2/a", b"t")])
    assert {problem.path for problem in problems} == {b"cal/all.tgz!t"}


def test_file_at_the_path_of_a_bundle_collides_without_a_mark() -> None:
    _, problems = settle_names([bundled(b"X1/a", b"a"), Claim(b"b", b"cal/all.tgz")])
    assert {problem.path for problem in problems} == {b"cal/all.tgz"}


def test_name_that_is_too_long_in_a_bundle_has_the_path_with_its_mark() -> None:
    _, (problem,) = settle_names([bundled(b"X1/a", b"n" * 256)])
    assert (problem.code, problem.path) == (Code.NAME_TOO_LONG, b"X1/a")
    assert problem.found == f"256 bytes in cal/all.tgz!{'n' * 256}"


def test_names_in_a_collision_are_escaped() -> None:
    _, (problem,) = settle_names([claim(b"\x1b[2J", b"a"), claim(b"b", b"a")])
    assert problem.expected == r"\x1b[2J"


def test_name_that_its_prefix_makes_too_long_is_reported() -> None:
    _, (problem,) = settle_names([claim(b"X1/n", b"u1__xx" + b"n" * 250)])
    assert (problem.code, problem.path) == (Code.NAME_TOO_LONG, b"X1/n")


def test_longest_possible_name_is_no_problem() -> None:
    _, problems = settle_names([claim(b"X1/n", b"u1__" + b"n" * 251)])
    assert problems == ()


PATHS = st.sampled_from([b"qa/a", b"qa/b", b"qa/u1__a", b"qa/a/a", b"qa/a/u1__a", b"log/a", b"log/u1__b"])
CLAIMS = st.lists(
    st.builds(
        Claim,
        source=st.uuids().map(lambda uuid: uuid.hex.encode()),
        path=PATHS,
        if_taken=st.one_of(st.just(b""), PATHS),
    ),
    max_size=8,
    unique_by=lambda choice: choice.source,
)


def named_by(path: bytes, claims: list[Claim]) -> set[tuple[bytes, str, str]]:
    """Say of every two claims that share or hold a path that a problem should name both."""
    paths, _ = settle_names(claims)
    return {
        (path, one.source.decode(), other.source.decode())
        for one, its_path in zip(claims, paths, strict=True)
        for other, other_path in zip(claims, paths, strict=True)
        if one is not other and its_path == path and (other_path + b"/").startswith(path + b"/")
    }


@given(CLAIMS)
def test_names_never_collide_silently(claims: list[Claim]) -> None:
    paths, problems = settle_names(claims)
    for path in paths:
        reported = [f"{problem.expected}, {problem.found}" for problem in problems if problem.path == path]
        for _, one, other in named_by(path, claims):
            assert any(one in text for text in reported) and any(other in text for text in reported)


@given(CLAIMS)
def test_problems_are_only_reported_where_names_meet(claims: list[Claim]) -> None:
    _, problems = settle_names(claims)
    assert all(named_by(problem.path, claims) for problem in problems)


@given(CLAIMS, st.randoms())
def test_order_of_the_claims_has_no_influence(claims: list[Claim], random: object) -> None:
    turned = list(reversed(claims))
    paths, problems = settle_names(claims)
    turned_paths, turned_problems = settle_names(turned)
    assert (paths, problems) == (tuple(reversed(turned_paths)), turned_problems)
