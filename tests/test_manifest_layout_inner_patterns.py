"""Inner patterns: which files of which bundles of the origin they take, and what they read from a path."""

from collections.abc import Mapping

import pytest

from qa2pack.manifest.layout.inner_patterns import parse_inner
from qa2pack.manifest.layout.patterns import PatternError, Variable

UID = {"uid": Variable("uid", "uid")}


def read(text: str, bundle: str, path: str = "") -> Mapping[str, bytes] | None:
    (pattern,) = parse_inner([text], UID)
    return pattern.read(bundle.encode(), path.encode())


@pytest.mark.parametrize(
    ("text", "bundle", "path", "found"),
    [
        ("*.tgz!{rest}", "a.tgz", "x", {"rest": b"x"}),
        ("*.tgz!{rest}", "a.tgz", "b/c/x", {"rest": b"b/c/x"}),
        ("*.tgz!b/{rest}", "a.tgz", "b/c/x", {"rest": b"c/x"}),
        ("*.tgz!b/{rest}", "a.tgz", "b", None),
        ("*.tgz!b/{rest}", "a.tgz", "c/x", None),
        ("*.tgz!*.html", "a.tgz", "x.html", {}),
        ("*.tgz!*.html", "a.tgz", "b/x.html", None),
        ("*.tgz!{page}.html", "a.tgz", "x.html", {"page": b"x"}),
        ("*.tgz!**/*.html", "a.tgz", "x.html", {}),
        ("*.tgz!**/{page}.html", "a.tgz", "b/c/x.html", {"page": b"x"}),
        ("*.tgz!b/**", "a.tgz", "b/c/x", {}),
        ("*.tgz!b/**", "a.tgz", "b", None),
        ("*.tgz!b/**/x", "a.tgz", "b/x", {}),
        ("*.tgz!b/**/b/x", "a.tgz", "b/x", None),
        ("{stem}.tgz!{stem}/x", "a.tgz", "a/x", {"stem": b"a"}),
        ("{stem}.tgz!{stem}/x", "a.tgz", "b/x", None),
        ("{uid}.tgz!{uid}", "uid___A002_X1_X2.tgz", "uid___A002_X1_X2", {"uid": b"uid___A002_X1_X2"}),
        ("{uid}.tgz!{uid}", "uid___A002_X1_X2.tgz", "uid___A002_X1_X2/x", None),
        ("{stem}.gz!", "a.fits.gz", "a.fits", {"stem": b"a.fits"}),
        ("*.gz!", "a.tar.gz", "a.tar", None),
        ("*.tar.gz!{rest}", "a.tar.gz", "x", {"rest": b"x"}),
        ("[!a]*.tar!{rest}", "b.tar", "x", {"rest": b"x"}),
        ("[!a]*.tar!{rest}", "a.tar", "x", None),
    ],
)
def test_path_in_a_bundle_is_read(text: str, bundle: str, path: str, found: Mapping[str, bytes] | None) -> None:
    assert read(text, bundle, path) == found


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["a.tgz!b.tar!x"], "before one !"),
        (["a.zip!x"], "a name that ends in .tar.gz, .tgz, .tar, .gz before one !"),
        (["a.tgz!"], "a path in the bundle behind !"),
        (["a.gz!x"], "nothing behind !"),
        (["a.tgz!**/b/**"], "at most one **"),
        (["a.tgz!**/{rest}"], "at most one **"),
        (["a.tgz!../x"], "names"),
        (["a.tgz!/x"], "names"),
        (["a.tgz!x", "b"], "in all patterns of a rule, or in none"),
    ],
)
def test_pattern_that_means_nothing_is_refused(texts: list[str], words: str) -> None:
    with pytest.raises(PatternError) as refused:
        parse_inner(texts, UID)
    assert words in refused.value.expected


def test_patterns_of_names_are_no_inner_patterns() -> None:
    assert parse_inner(["*.tgz", "[!a]*"], UID) == ()
