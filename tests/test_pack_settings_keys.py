"""What a `pack.toml` may hold, and how a mistake in it is reported."""

import re
import tomllib

import pytest
from typer.main import get_group

from qa2pack.pack.cli import COMMANDS
from qa2pack.pack.command_tree import application
from qa2pack.pack.settings.keys import KEYS, Kind, key_of, read_settings, values_of
from qa2pack.pack.settings.option_source import SettingsError

PATH = b"/data/project/pack.toml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mod = 'hard'", "there is no key mod; did you mean mode?"),
        ("follow_outside = true", "did you mean follow-outside?"),
        ("zzz = 1", "there is no key zzz; there are layout, "),
        ("mode = 'hart'", "mode must be a mode (fake, copy, hard, move, ticket), not 'hart'"),
        ("mode = 3", "mode must be a mode"),
        ("jobs = '2'", "jobs must be a whole number, 0 or more, not '2'"),
        ("jobs = -1", "jobs must be a whole number, 0 or more, not -1"),
        ("compression = 0", "compression must be a level from 1 to 9, not 0"),
        ("compression = true", "compression must be a level from 1 to 9, not true"),
        ("jobs = true", "jobs must be a whole number, 0 or more, not true"),
        ("bandwidth = 'fast'", "bandwidth must be a rate, as in 200MB, not 'fast'"),
        ("strict = 'yes'", "strict must be true or false, not 'yes'"),
        ("exclude = 'a*'", "exclude must be a list of globs, not 'a*'"),
        ("exclude = ['']", "exclude must be a list of globs"),
        ("include = ['*.txt']", "include must be a list of GLOB=ROLE with a folder of the layout"),
        ("tarsplit.size = 'big'", "tarsplit.size must be a size, as in 6GiB or 2GB, not 'big'"),
        ("[tarsplit]\nfill = 'full'", "tarsplit.fill must be order or tight, not 'full'"),
        ("[tarsplit]\nchecksum = 'crc'", "tarsplit.checksum must be a list of checksums in one text"),
        ("[tarsplit]\nsiz = '2GB'", "there is no key tarsplit.siz; did you mean tarsplit.size?"),
        ("readme = ''", "readme must be a path, not ''"),
        ('"a\\u001bb" = 1', "there is no key a\\x1bb"),
    ],
)
def test_mistake_is_reported_with_file_and_key(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(tomllib.loads(text), PATH, own=PATH)
    assert str(raised.value).startswith("in /data/project/pack.toml: ")
    assert words in str(raised.value)


@pytest.mark.parametrize("key", ["log", "cluster", "insecure-cluster", "trust-owner", "tarsplit.output"])
def test_key_that_could_do_harm_counts_only_in_the_users_own_file(key: str) -> None:
    said = {key: {Kind.NAMES: ["x"], Kind.FLAG: True}.get(KEYS[key], "x")}
    foreign = read_settings(said, PATH, own=b"/home/me/pack.toml")
    with pytest.raises(SettingsError, match=f"{key} is refused here: .* your own file, /home/me/pack.toml"):
        list(values_of((foreign,), key))
    assert list(values_of((foreign,), "mode")) == []
    assert len(list(values_of((read_settings(said, PATH, own=PATH),), key))) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("readme = 'header.txt'", "/data/project/header.txt"),
        ("readme = '../header.txt'", "/data/header.txt"),
        ("readme = '/else/header.txt'", "/else/header.txt"),
        ("layout = 'ours.toml'", "/data/project/ours.toml"),
        ("layout = 'cycle0'", "cycle0"),
    ],
)
def test_path_starts_at_the_folder_of_the_file(text: str, value: str) -> None:
    (found,) = read_settings(tomllib.loads(text), PATH, own=b"").values.values()
    assert found == value


def test_lists_are_gathered_and_of_other_keys_the_first_counts() -> None:
    near = read_settings({"jobs": 1, "exclude": ["a"]}, b"/near", own=b"/own")
    own = read_settings({"jobs": 2, "exclude": ["b"], "mode": "hard"}, b"/own", own=PATH)
    assert [value for value, _ in values_of((near, own), "jobs")] == [1]
    assert [value for value, _ in values_of((near, own), "exclude")] == [("a",), ("b",)]
    assert [(value, file.path) for value, file in values_of((near, own), "mode")] == [("hard", b"/own")]


def test_every_key_is_an_option_with_a_variable() -> None:
    commands = get_group(application(COMMANDS)).commands.items()
    options = [(name, option) for name, command in commands for option in command.params if option.envvar]
    variables = {key_of(name, str(option.name)): option.envvar for name, option in options}
    del variables["no-settings"]
    assert variables == {key: f"PACK_{re.sub('[.-]', '_', key.upper())}" for key in KEYS}
