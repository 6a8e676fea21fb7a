"""Paths as people type them, and commands they can type again."""

import os
import subprocess
from pathlib import Path

import pytest

from qa2pack.pack.target import origin_of, quoted, target_of


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.chdir(tmp_path)
    return os.fsencode(tmp_path)


@pytest.mark.parametrize("typed", ["P", "P/", "P//", "./P", "nothing/../P"])
def test_package_is_found_however_it_is_typed(here: bytes, typed: str) -> None:
    assert target_of(typed).package.path == here + b"/P"


def test_links_on_the_way_to_a_package_are_resolved(here: bytes, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert target_of("link/P").package.path == here + b"/real/P"


@pytest.mark.parametrize("typed", ["P", "P/"])
@pytest.mark.parametrize("to", ["big/P", "nowhere", "chain"])
def test_link_means_the_package_that_it_leads_to(here: bytes, tmp_path: Path, typed: str, to: str) -> None:
    (tmp_path / "big/P").mkdir(parents=True)
    (tmp_path / "chain").symlink_to("big/P")
    (tmp_path / "P").symlink_to(to)
    target = target_of(typed)
    led = here + (b"/nowhere" if to == "nowhere" else b"/big/P")
    assert (target.package.path, target.typed) == (led, b"P")
    assert target.link_lines("package") == (f"P is a link; the package is {os.fsdecode(led)}",)


def test_what_is_no_link_is_not_reported_as_one(here: bytes) -> None:
    assert target_of("P").link_lines("package") == ()


def test_current_folder_is_known_by_its_name(here: bytes) -> None:
    assert target_of(".").package.path == here


def test_name_that_is_not_utf8_survives(here: bytes) -> None:
    assert target_of(os.fsdecode(b"\xff")).package.path == here + b"/\xff"


def test_links_in_an_origin_are_resolved(here: bytes, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert origin_of("link/") == here + b"/real"


@pytest.mark.parametrize(
    "path", [b"P", b"a b", b"it's", b"-rf", b"a\nb", b"\xff'\\x", "ä\u202e".encode(), b"$(x)", b"~", b"*"]
)
def test_shell_reads_a_quoted_path_as_it_is(path: bytes) -> None:
    read = subprocess.run(["bash", "-c", f"printf %s {quoted(path)}"], capture_output=True, check=True).stdout
    assert read.removeprefix(b"./") == path


@pytest.mark.parametrize("path", [b"a\x1b[31mb", "a\u202eb".encode(), b"\xff"])
def test_quoted_path_can_be_shown_on_any_terminal(path: bytes) -> None:
    assert quoted(path).isascii()
    assert quoted(path).isprintable()


def test_quoted_path_is_no_option() -> None:
    assert quoted(b"-rf") == "./-rf"
