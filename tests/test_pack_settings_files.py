"""Where defaults are looked for."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qa2pack.pack.settings.files import find_settings, own_settings_path, unused_settings
from qa2pack.pack.settings.option_source import SettingsError
from support.users import NOBODY, folder_of_everybody


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_file_beside_the_origin_comes_before_the_users_own(tmp_path: Path) -> None:
    near = _write(tmp_path / "project/pack.toml", "mode = 'hard'")
    own = _write(tmp_path / "config/qa2pack/pack.toml", "mode = 'copy'")
    found = find_settings(bytes(near.parent), {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert [settings.path for settings in found] == [bytes(near), bytes(own)]


def test_no_file_is_no_setting(tmp_path: Path) -> None:
    assert find_settings(bytes(tmp_path), {"HOME": str(tmp_path)}) == ()


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"XDG_CONFIG_HOME": "/conf", "HOME": "/home/me"}, b"/conf/qa2pack/pack.toml"),
        ({"XDG_CONFIG_HOME": "conf", "HOME": "/home/me"}, b"/home/me/.config/qa2pack/pack.toml"),
        ({"HOME": "/home/me"}, b"/home/me/.config/qa2pack/pack.toml"),
        ({}, b""),
    ],
)
def test_users_own_file_is_in_the_configuration_folder(environment: dict[str, str], path: bytes) -> None:
    assert own_settings_path(environment) == path


@pytest.mark.parametrize("text", ["mode", "mode = 'a", "\x00"])
def test_what_is_no_toml_is_reported_with_the_file(tmp_path: Path, text: str) -> None:
    path = _write(tmp_path / "pack.toml", text)
    with pytest.raises(SettingsError, match="is not valid TOML") as raised:
        find_settings(bytes(tmp_path), {})
    assert raised.value.path == bytes(path)


def test_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / "pack.toml").mkdir()
    with pytest.raises(SettingsError, match="it cannot be read"):
        find_settings(bytes(tmp_path), {})


def test_folder_of_the_users_own_file_is_no_foreign_place(tmp_path: Path) -> None:
    own = _write(tmp_path / "qa2pack/pack.toml", "log = 'log.txt'")
    found = find_settings(bytes(own.parent), {"XDG_CONFIG_HOME": str(tmp_path)})
    assert [settings.values for settings in found] == [{"log": str(own.parent / "log.txt")}]


def test_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pack.toml")
    with pytest.raises(SettingsError, match="not a regular file"):
        find_settings(bytes(tmp_path), {})


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    path = _write(tmp_path / "project/pack.toml", "mode = 'move'\nreadme = '~/.ssh/id_ed25519'")
    os.chown(path, 12_345, -1)
    return path


def test_file_of_another_user_is_left_aside_and_its_owner_named(
    foreign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find_settings(bytes(foreign.parent), {"HOME": str(tmp_path)}) == ()
    reported = capsys.readouterr().err
    assert "12345" in reported
    assert f'trusted = ["{foreign}"]' in reported


@pytest.mark.parametrize("root", ["{tmp_path}", "~"])
def test_file_of_another_user_counts_if_the_users_own_file_names_it(foreign: Path, tmp_path: Path, root: str) -> None:
    named = f"{root.format(tmp_path=tmp_path)}/{foreign.relative_to(tmp_path)}"
    _write(tmp_path / "config/qa2pack/pack.toml", f"trusted = ['{named}']")
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path)}
    found = find_settings(bytes(foreign.parent), environment)
    assert [settings.values.get("mode") for settings in found] == ["move", None]


def test_file_of_another_user_cannot_make_itself_trusted(foreign: Path, tmp_path: Path) -> None:
    foreign.write_text(f"trusted = ['{foreign}']")
    assert find_settings(bytes(foreign.parent), {"HOME": str(tmp_path)}) == ()


def test_only_the_users_own_file_says_what_is_trusted(tmp_path: Path) -> None:
    _write(tmp_path / "project/pack.toml", "trusted = ['/data/pack.toml']")
    with pytest.raises(SettingsError, match="only in your own file"):
        find_settings(bytes(tmp_path / "project"), {"HOME": str(tmp_path)})


def test_ones_own_place_with_a_file_of_another_user_does_not_count(foreign: Path) -> None:
    folder = foreign.parent / "qa2pack"
    folder.mkdir()
    foreign.rename(folder / "pack.toml")
    assert find_settings(bytes(folder / "else"), {"XDG_CONFIG_HOME": str(foreign.parent)}) == ()


def test_users_own_file_may_be_a_link_and_one_beside_the_origin_may_not(tmp_path: Path) -> None:
    kept = _write(tmp_path / "dotfiles/pack.toml", "mode = 'hard'")
    own = tmp_path / "config/qa2pack/pack.toml"
    own.parent.mkdir(parents=True)
    own.symlink_to(kept)
    (found,) = find_settings(bytes(tmp_path), {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert found.values == {"mode": "hard"}
    (tmp_path / "pack.toml").symlink_to(kept)
    with pytest.raises(SettingsError, match="a link to"):
        find_settings(bytes(tmp_path), {"XDG_CONFIG_HOME": str(tmp_path / "config")})


def test_settings_that_are_nested_without_end_are_reported(tmp_path: Path) -> None:
    _write(tmp_path / "pack.toml", "include = " + "[" * 100_000)
    with pytest.raises(SettingsError, match="is not valid TOML"):
        find_settings(bytes(tmp_path), {})


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be an ordinary user for a few calls that import nothing."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user for a while")
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_home_of_another_user_that_is_closed_is_left_aside(capsys: pytest.CaptureFixture[str]) -> None:
    """As after `sudo -u`, which keeps HOME."""
    with folder_of_everybody() as folder:
        home = folder / "home"
        home.mkdir(mode=0o700)
        near = _write(folder / "pack.toml", "mode = 'hard'")
        with as_nobody():
            found = find_settings(bytes(folder), {"HOME": str(home)})
            assert unused_settings([bytes(folder)], bytes(folder), {"HOME": str(home)}) == ()
    assert [settings.path for settings in found] == [bytes(near)]
    assert capsys.readouterr().err == (
        f"Ignored: {home}/.config/qa2pack/pack.toml, in {home}, which belongs to root (user 0) and is closed to you. "
        "Set HOME or XDG_CONFIG_HOME to a folder of yours.\n"
    )


def test_ones_own_home_that_is_closed_is_reported_with_the_ways_out() -> None:
    with folder_of_everybody() as folder, as_nobody():
        home = folder / "home"
        home.mkdir(mode=0o000)
        with pytest.raises(
            SettingsError, match=r"is closed to yourself \(chmod u\+rx, or set XDG_CONFIG_HOME, or PACK_NO"
        ):
            find_settings(bytes(folder), {"HOME": str(home)})
