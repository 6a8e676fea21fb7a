"""`pack config show`: where the value of each setting comes from."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.settings.files import key_lines
from qa2pack.pack.settings.keys import KEYS
from support.commands import ROOT, run_here
from support.tools import needs_root

Capsys = pytest.CaptureFixture[str]
_NEAR = """# of the project
mode = "hard"

exclude = [
  "*.tmp",
]
cluster = "tls://other:8786"

[tarsplit]
# small
size = "2GB"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a `pack.toml`, and another one of the user."""
    (tmp_path / "config/qa2pack").mkdir(parents=True)
    (tmp_path / "config/qa2pack/pack.toml").write_text('mode = "copy"\nexclude = ["test/"]\njobs = 4\n')
    (tmp_path / "pack.toml").write_text(_NEAR)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _settings(capsys: Capsys, *words: str | Path) -> dict[str, Any]:
    ran = run_here(capsys, "config", "show", *words, "--json")
    assert ran.code == Exit.DONE
    return {each["key"]: each for each in json.loads(ran.out)["settings"]}


def _sources(setting: dict[str, Any]) -> list[tuple[str, int | None]]:
    return [(each["variable"] or each["file"], each["line"]) for each in setting["sources"]]


def test_each_setting_is_shown_with_its_default(capsys: Capsys, tmp_path: Path) -> None:
    found = _settings(capsys, tmp_path / "sb1")
    assert list(found) == list(KEYS)
    values = {key: found[key]["value"] for key in ("mode", "jobs", "strict", "log", "exclude", "tarsplit.checksum")}
    assert values == {
        "mode": "fake",
        "jobs": 0,
        "strict": False,
        "log": None,
        "exclude": None,
        "tarsplit.checksum": "md5",
    }
    assert {each for setting in found.values() for each in _sources(setting)} == {("", None)}


def test_catalogue_that_counts_without_a_setting_is_shown(
    capsys: Capsys, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    found = _settings(capsys)["catalogue"]
    assert (found["value"], _sources(found), found["fault"]) == (
        f"{folder}/qa2pack/catalogue.sqlite",
        [("", None)],
        None,
    )


def test_first_that_gives_a_value_is_its_source_and_lists_have_several(
    capsys: Capsys, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACK_JOBS", "3")
    near, own = str(folder / "pack.toml"), str(folder / "config/qa2pack/pack.toml")
    found = _settings(capsys, folder / "sb1")
    assert (found["mode"]["value"], _sources(found["mode"])) == ("hard", [(near, 2)])
    assert (found["exclude"]["value"], _sources(found["exclude"])) == (["*.tmp", "test/"], [(near, 4), (own, 2)])
    assert (found["jobs"]["value"], _sources(found["jobs"])) == ("3", [("PACK_JOBS", None)])
    assert (found["tarsplit.size"]["value"], _sources(found["tarsplit.size"])) == ("2GB", [(near, 11)])


def test_key_that_counts_only_in_the_own_file_is_shown_as_refused(capsys: Capsys, folder: Path) -> None:
    found = _settings(capsys, folder / "sb1")["cluster"]
    assert (found["value"], [each["is_refused"] for each in found["sources"]]) == (None, [False, True])
    assert "pack.toml:7 refused" in run_here(capsys, "config", "show", "sb1").out


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("PACK_JOBS", "100000", "100000 is not in the range"),
        ("PACK_JOBS", "two", "'two' is not a valid whole number"),
        ("PACK_BANDWIDTH", "-1", "'-1' is not a rate"),
        ("PACK_TARSPLIT_SIZE", "9999TB", "more than 1000TB"),
        ("PACK_MODE", "hart", "'hart' is not one of"),
        ("PACK_STRICT", "maybe", "'maybe' is not a valid boolean"),
        ("PACK_KEEP_PREVIOUS", "never", "'never' is not one of"),
        ("PACK_LAYOUT", "no-such", "unknown-layout: no-such"),
        ("PACK_INCLUDE", "*.txt=qa *.txt", "unknown-role: *.txt"),
        ("PACK_SET", "a=1 a=2", "a variable has one value"),
        ("PACK_README", "no-such", "path-missing: no-such"),
        ("PACK_ALLOWED_SIGNERS", "no-such", "path-missing: no-such"),
        ("PACK_TRUST_OWNER", "root no-such", "there is no user no-such"),
    ],
)
def test_value_that_a_command_refuses_is_shown_with_the_reason(
    capsys: Capsys, folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, fault: str
) -> None:
    monkeypatch.setenv(variable, value)
    faults = [each["fault"] for each in _settings(capsys).values() if each["fault"]]
    assert (len(faults), fault in faults[0]) == (1, True)
    assert re.search(f"{variable}  refused: .*{re.escape(fault)}", run_here(capsys, "config", "show").out)


def test_path_of_a_file_that_is_not_there_is_shown_as_refused(capsys: Capsys, folder: Path) -> None:
    (folder / "pack.toml").write_text('mode = "hard"\nreadme = "header.txt"\nlayout = "ours.toml"\n')
    found = _settings(capsys)
    assert (found["mode"]["fault"], found["readme"]["fault"]) == (
        None,
        f"path-missing: {folder}/header.txt; expected a file",
    )
    assert "ours.toml" in found["layout"]["fault"]


@pytest.mark.parametrize(
    ("key", "variables", "fault"),
    [
        ("cluster", {"PACK_CLUSTER": "tcp://10.0.0.1:8786"}, "not-encrypted: tcp://10.0.0.1:8786"),
        ("cluster", {"PACK_CLUSTER": "tcp://10.0.0.1:8786", "PACK_INSECURE_CLUSTER": "0"}, "not-encrypted"),
        ("cluster", {"PACK_CLUSTER": "tcp://10.0.0.1:8786", "PACK_INSECURE_CLUSTER": "1"}, ""),
        ("cluster", {"PACK_CLUSTER": "tcp://127.0.0.1:8786"}, ""),
        ("cluster", {"PACK_CLUSTER": "tls://10.0.0.1:8786"}, ""),
        ("require-signature", {"PACK_REQUIRE_SIGNATURE": "1"}, "give --allowed-signers FILE"),
        ("require-signature", {"PACK_REQUIRE_SIGNATURE": "0"}, ""),
        ("require-signature", {"PACK_REQUIRE_SIGNATURE": "1", "PACK_ALLOWED_SIGNERS": "pack.toml"}, ""),
    ],
)
def test_value_that_the_other_settings_do_not_allow_is_shown_as_refused(
    capsys: Capsys,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    variables: dict[str, str],
    fault: str,
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    found = {key: each["fault"] for key, each in _settings(capsys).items()}
    assert (bool(found[key]), fault in (found[key] or "")) == (bool(fault), True)


def test_files_that_count_and_files_left_aside_are_shown(capsys: Capsys, folder: Path) -> None:
    needs_root("give a file to another user")
    os.chown(folder / "pack.toml", 12_345, -1)
    (folder / "below").mkdir()
    shown = run_here(capsys, "config", "show", "below/sb1").out
    assert f"not used: {folder}/pack.toml" in shown
    assert f"counts: {folder}/config/qa2pack/pack.toml" in shown
    ran = run_here(capsys, "config", "show", "sb1")
    assert f"ignored: {folder}/pack.toml, which belongs to" in ran.out
    assert "mode                   copy" in ran.out


def test_without_settings_no_file_counts(capsys: Capsys, folder: Path) -> None:
    assert _settings(capsys, "sb1", "--no-settings")["mode"]["value"] == "fake"


def test_without_a_path_the_file_of_the_current_folder_counts(capsys: Capsys, folder: Path) -> None:
    assert _settings(capsys)["mode"]["value"] == "hard"
    (folder / "pack.toml").write_text('color = "always"\n')
    assert "\x1b" in run_here(capsys, "config", "show").out


def test_every_field_is_on_the_page(capsys: Capsys, folder: Path) -> None:
    fields = json.loads(run_here(capsys, "config", "show", "--json").out)
    page = (ROOT / "docs/commands.md").read_text()
    names = {*fields, *fields["settings"][0], *fields["settings"][0]["sources"][0]}
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_line_of_a_key_is_the_one_in_which_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "pack.toml"
    path.write_text(
        'mode = """\nlog = 1\n"""\n"log" = "x"  # log\ntarsplit.size = "1"\n\n[deliver]\n\n  fill="tight"'
    )
    assert key_lines(bytes(path)) == {"mode": 1, "log": 4, "tarsplit.size": 5, "deliver.fill": 9}
