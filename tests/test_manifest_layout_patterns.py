"""Patterns of names: wildcards, variables and pieces."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa2pack.manifest.layout.patterns import PatternError, Variable, compile_patterns, parse_patterns

UID = Variable("uid", "uid")
BAND = Variable("band", "B[3-9]")
ONE, TWO = b"uid___A0_X1_X3", b"uid___A0_X1_X4"
VARIABLES = {"uid": UID, "band": BAND}


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*.ms", b"a.ms", True),
        ("*.ms", b"a.ms.split", False),
        ("?", "\u00e9".encode(), True),
        ("?", b"\xff", True),
        ("a*.py", b"a\nb.py", True),
        ("a*.py", b"a.py\n", False),
        ("Check*", b"checklist", False),
        ("{uid}.ms", b"uid___A002_X3c9295_X8c.ms", True),
        ("{uid}.ms", b"uid___A002_X3c9295_X8cz.ms", False),
        ("{uid}*.png", b"uid___A002_X3c9295_X8c.ms.a.b.png", True),
        ("*{uid}*", b"old_uid___A002_X3c9295_X8c", True),
        ("a*{band}*b", b"aB1xB3xb", True),
        ("{band}.fits", b"B2.fits", False),
        ("{uid}__{uid}", b"uid___A002_X1_X2__uid___A002_X1_X2", True),
        ("[!a]", b"b", True),
    ],
)
def test_pattern_matches_whole_names(pattern: str, name: bytes, fits: bool) -> None:
    assert compile_patterns((pattern,), VARIABLES).fits(name) is fits


def test_one_of_some_patterns_is_enough() -> None:
    patterns = compile_patterns(("*.py", "{uid}.log"), VARIABLES)
    assert patterns.fits(b"a.py") and patterns.fits(b"uid___A002_X1_X2.log") and not patterns.fits(b"a.log")


def test_no_pattern_fits_nothing() -> None:
    assert not compile_patterns((), VARIABLES).fits(b"")


@pytest.mark.parametrize(
    ("pattern", "name", "pieces"),
    [
        ("{stem}.pb.fits", b"a.pb.fits", {"stem": b"a"}),
        ("{stem}.pb.fits", b"\xff.pb.fits", {"stem": b"\xff"}),
        ("{uid}.{rest}", b"uid___A002_X1_X2.ms.split", {"uid": b"uid___A002_X1_X2", "rest": b"ms.split"}),
        ("{uid}__{uid}", b"uid___A002_X1_X2__uid___A002_X1_X3", {}),
        ("{stem}.fits", b".fits", {}),
    ],
)
def test_pieces_are_read_from_a_name(pattern: str, name: bytes, pieces: dict[str, bytes]) -> None:
    assert compile_patterns((pattern,), VARIABLES).read(name) == pieces


def test_pieces_of_some_patterns_are_those_of_each() -> None:
    assert compile_patterns(("{a}.{uid}", "{b}.{uid}"), VARIABLES).pieces == {"uid"}


@pytest.mark.parametrize("pattern", ["", "a/b", "[{uid}]", "[!{uid}-z]", "{uid", "uid}", "{Uid}", "{}"])
def test_pattern_that_does_not_mean_what_it_seems_to_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_patterns((pattern,), VARIABLES)


@pytest.mark.parametrize(
    ("name", "uid"),
    [
        (b"uid___A002_X3c9295_X8c", b"uid___A002_X3c9295_X8c"),
        (b"uid___A002_X3c9295_X8c.ms.split", b"uid___A002_X3c9295_X8c"),
        (b"uid___A002_X3c9295_X8c_v1.ms", b"uid___A002_X3c9295_X8c"),
        (b"uid___A002_X3c9295", None),
        (b"uid___A002_X3c9295_X8cz.ms", None),
        (b"old_uid___A002_X3c9295_X8c.ms", None),
    ],
)
def test_uid_is_read_from_the_start_of_a_name(name: bytes, uid: bytes | None) -> None:
    assert UID.at_start(name) == uid


@pytest.mark.parametrize(("value", "is_like"), [(b"B3", True), (b"B31", False), (b"B2", False)])
def test_value_of_a_variable_is_like_its_glob_as_a_whole(value: bytes, is_like: bool) -> None:
    assert BAND.is_like(value) is is_like


@pytest.mark.parametrize("text", ["{uid}{stem}", "{uid}*", "*{uid}*", "{a}_{b}", "*.{a}", "{uid}{uid}*"])
def test_words_that_are_told_apart_by_text_or_by_what_they_are_like_may_touch(text: str) -> None:
    assert compile_patterns((text,), {"uid": Variable("uid", "uid")}).texts == (text,)


@pytest.mark.parametrize("pattern", ["*[0-9]*.fits", "*[!_]*", "[a]*[b]"])
def test_stars_may_stand_on_both_sides_of_brackets(pattern: str) -> None:
    assert parse_patterns([pattern], {}).texts == (pattern,)


@pytest.mark.parametrize("text", ["{a}{b}.fits", "{a}{stem}", "{stem}{a}", "{a}*", "*{a}"])
def test_variables_that_are_like_any_text_at_their_ends_do_not_touch(text: str) -> None:
    variables = {name: Variable(name, "*[a-z]*") for name in "ab"}
    with pytest.raises(PatternError, match="text between words"):
        parse_patterns([text], variables)
    assert parse_patterns(["{a}-{b}"], variables) and parse_patterns(["{a}*"], {"a": Variable("a", "*[a-z]")})


@pytest.mark.parametrize(
    ("pattern", "name", "pieces"),
    [
        ("{a}_{b}", b"x_y_z", {"a": b"x_y", "b": b"z"}),
        ("{a}_{b}_{c}", b"1_2_3_4", {"a": b"1_2", "b": b"3", "c": b"4"}),
        ("{a}_{b}_{c}", b"1_2", {}),
        ("*_{b}_{c}.*", b"1_2_3_4.5.6", {"b": b"3", "c": b"4.5"}),
        (
            "{uid}{a}_*-{b}",
            b"uid___A002_X1_X2.a_b-c-d_\xff\n",
            {"uid": b"uid___A002_X1_X2", "a": b".a", "b": b"d_\xff\n"},
        ),
        (
            "{a}.{uid}.{b}.*",
            b"1.uid___A0_X1_X3.uid___A0_X1_X4.x.y",
            {"a": b"1.uid___A0_X1_X3", "uid": b"uid___A0_X1_X4", "b": b"x"},
        ),
        ("{a}_{a}.{b}", b"x_y_x_y.1.2", {"a": b"x_y", "b": b"1.2"}),
    ],
)
def test_each_word_in_its_turn_stands_for_as_much_as_it_can(
    pattern: str, name: bytes, pieces: dict[str, bytes]
) -> None:
    assert (compile_patterns((pattern,), VARIABLES).values(name) or {}) == pieces


PARTS = {
    "a": "a",
    "_": "_",
    "*_": ".*_",
    "?": ".",
    "[ab]": "[ab]",
    "{one}-": "(?P<one>.+)-",
    "{two}_": "(?P<two>.+)_",
    "{three}b": "(?P<three>.+)b",
    "{like}a": "(?P<like>.*[a-]?.*b)a",
    "{fixed}": "(?P<fixed>a[_-])",
    "{four}": "(?P<four>.+)",
}
LIKE = {"like": Variable("like", "*b"), "fixed": Variable("fixed", "a[_-]")}


@given(st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=8, unique=True), st.text("ab_-", max_size=14))
def test_pieces_are_those_of_a_greedy_search(parts: list[str], name: str) -> None:
    pattern = "".join(sorted(parts, key=lambda part: part == "{four}"))
    found = re.fullmatch("".join(PARTS[part] for part in sorted(parts, key=lambda part: part == "{four}")), name)
    values = compile_patterns((pattern,), LIKE).values(name.encode())
    assert values == (found and {piece: value.encode() for piece, value in found.groupdict().items()})


@pytest.mark.parametrize(
    "pattern",
    [
        "{a}a{b}a{c}a{d}a{e}a{f}a{g}z",
        "*a{a}a*a{c}a*a{d}a*a{e}a*z",
        "{v}c{v}c{v}c{v}c{v}",
        "{v}{uid}{w}{uid}{x}z",
        "{a}a{b}a{a}a{b}a{c}a{a}z",
        "*a*a*a*a*a*a*a*a*a*z",
    ],
)
@pytest.mark.parametrize("name", [b"a" * 250 + b"b", b"ac" * 127, b"auid___A0_X1_X2-" * 15])
def test_pattern_of_many_words_is_matched_at_once(pattern: str, name: bytes) -> None:
    likes = {each: Variable(each, "*a*a*a*") for each in "vwx"}
    patterns = compile_patterns((pattern,), {**likes, "uid": UID})
    begin = time.process_time()
    patterns.fits(name), patterns.fits(name * 16)
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    ("pattern", "is_right"), [("{a}_{b}_{a}", True), ("{uid}-*-{a}_{uid}", True), ("{a}_{b}_{a}-*", False)]
)
def test_word_that_stands_twice_stands_beside_few_others(pattern: str, is_right: bool) -> None:
    assert compile_patterns((pattern,), VARIABLES).texts == (pattern,)
    if is_right:
        parse_patterns((pattern,), VARIABLES)
    else:
        with pytest.raises(PatternError, match="at most 2 words"):
            parse_patterns((pattern,), VARIABLES)


@pytest.mark.parametrize("variables", [{}, {"v": Variable("v", "[" * 100_000)}])
def test_pattern_without_end_is_refused_before_it_is_looked_at(variables: dict[str, Variable]) -> None:
    with pytest.raises(PatternError, match="at most 1,000 letters"):
        compile_patterns(("{v}" if variables else "[" * 1_000_000,), variables)


@pytest.mark.parametrize("like", ["a/b", "/", "\0"])
def test_recorded_variable_that_no_name_can_be_like_is_refused(like: str) -> None:
    with pytest.raises(PatternError, match="without a / or NUL"):
        compile_patterns(("{v}",), {"v": Variable("v", like)})
