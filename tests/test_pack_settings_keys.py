"""What a `pack.toml` may hold, and how a mistake in it is reported."""

import re
import tomllib

import pytest
from typer.main import get_group

from qa2pack.pack.cli import COMMANDS
from qa2pack.pack.command_tree import application
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.settings.keys import KEYS, Kind, key_of, read_settings, values_of
from qa2pack.pack.settings.option_source import SettingsError
from support.commands import run_here

PATH = b"/data/project/pack.toml"
Capsys = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("words", "variable", "value", "why"),
    [
        (("verify", "--jobs"), "PACK_JOBS", "100000", "0<=x<=10000"),
        (("verify", "--jobs"), "PACK_JOBS", "two", "'two' is not a valid whole number"),
        (("apply", "P", "--wait"), "PACK_WAIT", "99999999", "0<=x<=31536000"),
        (("verify", "--bandwidth"), "PACK_BANDWIDTH", "1001TB", "more than 1000TB per second"),
        (("verify", "--bandwidth"), "PACK_BANDWIDTH", "-5", "is not a rate"),
        (("verify", "--bandwidth"), "PACK_BANDWIDTH", "1e30", "is not a rate"),
        (("tarsplit", "P", "--size"), "PACK_TARSPLIT_SIZE", "1000TiB", "more than 1000TB"),
        (("audit", "P", "--time"), "", "36501d", "more than 100 years"),
        (("audit", "P", "--every"), "", "36501d", "more than 100 years"),
    ],
)
def test_number_beyond_its_bound_is_refused_with_its_option_or_variable(
    capsys: Capsys, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], variable: str, value: str, why: str
) -> None:
    *command, option = words
    ran = run_here(capsys, *command, f"{option}={value}")
    assert (ran.code, why in ran.err, option in ran.err) == (Exit.USAGE, True, True)
    if variable:
        monkeypatch.setenv(variable, value)
        ran = run_here(capsys, *command)
        assert (ran.code, why in ran.err, variable in ran.err) == (Exit.USAGE, True, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mod = 'hard'", "there is no key mod; did you mean mode?"),
        ("follow_outside = true", "did you mean follow-outside?"),
        ("zzz = 1", "there is no key zzz; there are layout, "),
        ("mode = 'hart'", "mode must be a mode (fake, copy, hard, move, ticket), not 'hart'"),
        ("mode = 3", "mode must be a mode"),
        ("jobs = '2'", "jobs must be a whole number from 0 to 10000, not '2'"),
        ("jobs = -1", "jobs must be a whole number from 0 to 10000, not -1"),
        ("jobs = 100000", "jobs must be a whole number from 0 to 10000, not 100000"),
        ("wait = 99999999", "wait must be a whole number of seconds from 0 to 31536000, not 99999999"),
        ("compression = 0", "compression must be a level from 1 to 9, not 0"),
        ("compression = true", "compression must be a level from 1 to 9, not true"),
        ("jobs = true", "jobs must be a whole number from 0 to 10000, not true"),
        ("bandwidth = 'fast'", "bandwidth must be a rate, as in 200MB, of at most 1000TB, not 'fast'"),
        ("bandwidth = '1001TB'", "of at most 1000TB, not '1001TB'"),
        ("strict = 'yes'", "strict must be true or false, not 'yes'"),
        ("exclude = 'a*'", "exclude must be a list of globs, not 'a*'"),
        ("exclude = ['']", "exclude must be a list of globs"),
        ("include = ['*.txt']", "include must be a list of GLOB=ROLE with a folder of the layout"),
        ("tarsplit.size = 'big'", "tarsplit.size must be a size, as in 6GiB or 2GB, of at most 1000TB, not 'big'"),
        ("tarsplit.size = '1000TiB'", "of at most 1000TB, not '1000TiB'"),
        ("[tarsplit]\nfill = 'full'", "tarsplit.fill must be order or tight, not 'full'"),
        ("[tarsplit]\nchecksum = 'crc'", "tarsplit.checksum must be a list of checksums in one text"),
        ("[tarsplit]\nsiz = '2GB'", "there is no key tarsplit.siz; did you mean tarsplit.size?"),
        ("include = ['a=b=']", "include must be a list of GLOB=ROLE"),
        ("set = ['=a=b']", "set must be a list of NAME=VALUE, one for each NAME, not ['=a=b']"),
        ("set = ['field=a', 'field=b']", "set must be a list of NAME=VALUE, one for each NAME"),
        ("keep-previous = 'maybe'", "keep-previous must be true, false or auto, not 'maybe'"),
        ("readme = ''", "readme must be a path, not ''"),
        ('readme = "a\\u0000b"', "readme must be a path"),
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


def test_includes_and_values_of_variables_are_read_each_in_its_form() -> None:
    said = {"include": ["a*=qa"], "set": ["field=a", "band=b"]}
    assert read_settings(said, PATH, own=b"").values == {"include": ("a*=qa",), "set": ("field=a", "band=b")}


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
