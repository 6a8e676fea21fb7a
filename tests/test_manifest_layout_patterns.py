"""Patterns of names: wildcards, variables and pieces."""

import pytest

from qa2pack.manifest.layout.patterns import PatternError, Variable, compile_patterns, parse_patterns

UID = Variable("uid", "uid")
BAND = Variable("band", "B[3-9]")
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
