"""A member remembers how it was made: a new plan of the same origin is made with the same options."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_group

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.problem import Code
from qa2pack.pack.cli import main
from qa2pack.pack.command_tree import application
from support.commands import run_here
from support.in_process import Delivery, make_reduction

Capsys = pytest.CaptureFixture[str]
Plan = Callable[..., dict[str, object]]
OPTIONS = ("--mode", "hard", "--exclude", "*.log", "--include", "notes*=qa")
SECOND = "group_ouss_id/member_ouss_id2"


@pytest.fixture
def header(tmp_path: Path) -> Path:
    """The header of the README."""
    path = tmp_path / "header.txt"
    path.write_text("PI name: A. Person\n")
    return path


@pytest.fixture
def made(delivery: Delivery, header: Path) -> Delivery:
    """A package that was made with many options."""
    assert main(["plan", str(delivery.origin), str(delivery.path), *OPTIONS, "--readme", str(header)]) == 0
    assert main(["apply", str(delivery.path)]) == 0
    return delivery


@pytest.fixture
def plan(capsys: Capsys) -> Plan:
    """Plan with these words and return the JSON."""

    def planned(*words: str | Path) -> dict[str, object]:
        capsys.readouterr()
        assert main(["plan", *map(str, words), "--json"]) == 0
        fields: dict[str, object] = json.loads(capsys.readouterr().out)
        return fields

    return planned


def readme(delivery: Delivery) -> str:
    return (delivery.member / "README").read_text()


def listed(delivery: Delivery) -> set[str]:
    return {str(path.relative_to(delivery.member)) for path in delivery.member.rglob("*") if path.is_file()}


def test_same_plan_without_a_word(made: Delivery, plan: Plan) -> None:
    before = listed(made)
    fields = plan(made.origin, made.path)
    assert fields["mode"] == "hard"
    assert {each["option"] for each in fields["defaults"]} == {"mode", "include", "exclude", "readme"}  # type: ignore[attr-defined]
    assert main(["apply", str(made.path)]) == 0
    assert listed(made) == before
    assert readme(made).startswith("PI name: A. Person\n")


def test_only_the_package_is_typed(made: Delivery, plan: Plan) -> None:
    plain, again = plan(made.origin, made.path), plan("--again", made.path)
    assert again["origin"] == plain["origin"] == str(made.origin)
    assert again["defaults"] == plain["defaults"]


def test_files_from_outside_come_again(delivery: Delivery, tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "elsewhere.fits").write_bytes(b"image")
    (delivery.origin / "outer.fits").symlink_to(tmp_path / "elsewhere.fits")
    assert main(["plan", str(delivery.origin), str(delivery.path), "--mode", "hard", "--follow-outside"]) == 0
    assert main(["apply", str(delivery.path)]) == 0
    defaults = plan(delivery.origin, delivery.path)["defaults"]
    assert "follow-outside" in {each["option"] for each in defaults}  # type: ignore[attr-defined]


def test_tables_come_again_as_they_are(delivery: Delivery, plan: Plan) -> None:
    assert main(["plan", str(delivery.origin), str(delivery.path), "--mode", "hard", "--as-is"]) == 0
    assert main(["apply", str(delivery.path)]) == 0
    defaults = plan(delivery.origin, delivery.path)["defaults"]
    assert "as-is" in {each["option"] for each in defaults}  # type: ignore[attr-defined]


def test_header_text_is_kept_where_its_file_is_none_any_more(made: Delivery, header: Path, plan: Plan) -> None:
    header.unlink()
    header.mkdir()
    plan(made.origin, made.path)
    assert main(["apply", str(made.path)]) == 0
    assert readme(made).startswith("PI name: A. Person\n")


def test_plan_says_where_options_are_from(capsys: Capsys, made: Delivery) -> None:
    capsys.readouterr()
    assert main(["plan", "--again", str(made.path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "mode, include, exclude, readme from the member, as it was made before" in shown


def test_typed_option_wins(made: Delivery, plan: Plan) -> None:
    fields = plan(made.origin, made.path, "--exclude", "*.png", "--mode", "copy")
    assert fields["mode"] == "copy"
    assert main(["apply", str(made.path)]) == 0
    names = listed(made)
    assert any(name.endswith(".log") for name in names)
    assert not any(name.endswith(".png") for name in names)


def test_nothing_is_recalled_if_so_wanted(made: Delivery, plan: Plan) -> None:
    fields = plan(made.origin, made.path, "--no-recall")
    assert fields["mode"] == "fake"
    assert fields["defaults"] == []


def test_header_file_is_read_again(made: Delivery, header: Path) -> None:
    header.write_text("PI name: B. Person\n")
    assert main(["plan", "--again", str(made.path)]) == 0
    assert main(["apply", str(made.path)]) == 0
    assert readme(made).startswith("PI name: B. Person\n")


@pytest.mark.parametrize("times", [1, 2])
def test_header_text_is_kept_where_its_file_is_gone(made: Delivery, header: Path, times: int) -> None:
    header.unlink()
    for _ in range(times):
        assert main(["plan", "--again", str(made.path)]) == 0
        assert main(["apply", str(made.path)]) == 0
    assert readme(made).startswith("PI name: A. Person\n")


def test_settings_do_not_change_what_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Delivery, plan: Plan
) -> None:
    monkeypatch.setenv("PACK_MODE", "copy")
    (tmp_path / "pack.toml").write_text('exclude = ["*.txt"]\n')
    fields = plan(made.origin, made.path)
    assert fields["mode"] == "hard"
    assert main(["apply", str(made.path)]) == 0
    assert not any(name.endswith((".log", ".txt")) for name in listed(made)), "lists are extended by settings"


def test_diff_compares_with_the_same_options(capsys: Capsys, made: Delivery) -> None:
    capsys.readouterr()
    assert main(["diff", str(made.origin), str(made.path), "--json"]) == 0
    difference = json.loads(capsys.readouterr().out)["difference"]
    assert (difference["added"], difference["removed"], difference["changed"]) == (0, 0, 0)


def test_member_among_others_is_made_again_in_its_place(
    capsys: Capsys, tmp_path: Path, made: Delivery, plan: Plan
) -> None:
    other = make_reduction(tmp_path / "sb2", uid="uid___A002_X1_X2", seed=2)
    command = ["plan", str(other), str(made.path), "--append", "member", "--mode", "copy", "--exclude", "*.py"]
    assert main(command) == 0
    assert main(["apply", str(made.path)]) == 0
    fields = plan("--again", made.path, "--member", "member_ouss_id2")
    assert (fields["member"], fields["mode"]) == (SECOND, "copy")
    before = listed(made)
    assert main(["apply", str(made.path)]) == 0
    assert listed(made) == before
    capsys.readouterr()
    assert main(["plan", "--again", str(made.path)]) == 1
    assert f"pack plan --again {made.path} --member {SECOND}\n" in capsys.readouterr().err


def test_members_of_an_ambiguous_name_are_offered_and_no_others(capsys: Capsys, made: Delivery) -> None:
    made.make(append=Append.MEMBER)
    made.make(append=Append.GROUP)
    refused = run_here(capsys, "plan", "--again", made.path, "--member", "member_ouss_id").err
    assert re.findall(r"--member (group\S+)", refused) == [
        "group_ouss_id/member_ouss_id",
        "group_ouss_id2/member_ouss_id",
    ]


def test_other_origin_recalls_nothing(tmp_path: Path, made: Delivery, plan: Plan) -> None:
    other = make_reduction(tmp_path / "sb2", uid="uid___A002_X1_X2", seed=2)
    assert plan(other, made.path)["mode"] == "fake"


def test_adopted_member_has_nothing_to_recall(delivery: Delivery, capsys: Capsys) -> None:
    delivery.make(Mode.COPY)
    for path in Path(str(delivery.path) + ".pack").rglob("*.manifest"):
        path.unlink()
    assert main(["adopt", str(delivery.path)]) == 0
    capsys.readouterr()
    assert main(["plan", "--again", str(delivery.path)]) == 1
    assert Code.ORIGIN_UNKNOWN in capsys.readouterr().err


def test_member_without_again_is_an_error(made: Delivery) -> None:
    assert main(["plan", str(made.origin), str(made.path), "--member", "member_ouss_id"]) == 2


def test_package_has_every_option_of_plan() -> None:
    commands = get_group(application(("plan", "package"))).commands
    plan, package = ({param.name for param in commands[verb].params} for verb in ("plan", "package"))
    assert package - plan == {"keep_previous"}
    assert plan - package == set()


def test_package_is_made_again_with_its_options_in_one_step(capsys: Capsys, made: Delivery) -> None:
    before = listed(made)
    out = " ".join(run_here(capsys, "package", "--again", made.path).out.split())
    assert "mode, include, exclude, readme from the member, as it was made before" in out
    assert (listed(made), readme(made).startswith("PI name: A. Person\n")) == (before, True)


def test_package_recalls_nothing_if_asked_so(capsys: Capsys, made: Delivery) -> None:
    fields = json.loads(
        run_here(capsys, "package", made.origin, made.path, "--no-recall", "--mode", "copy", "--json").out
    )
    assert (fields["defaults"], "log" in fields["roles"]) == ([], True)


def test_package_replaces_one_member_in_one_step(capsys: Capsys, made: Delivery, tmp_path: Path) -> None:
    other = make_reduction(tmp_path / "other", seed=2)
    assert run_here(capsys, "package", other, made.path, "--append", "member", "--mode", "copy").code == 0
    script = made.origin / "scriptForImaging.py"
    script.write_text("print('better')\n")
    first = "member_ouss_id"
    assert run_here(capsys, "package", made.origin, made.path, "--replace-member", first).code == 0
    assert (made.member / "script/scriptForImaging.py").read_text() == script.read_text()
    assert (made.path / "sg_ouss_id" / SECOND).is_dir()


def test_package_reports_a_pack_toml_that_does_not_count(
    capsys: Capsys, made: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    Path("pack.toml").write_text("mode = 'hard'")
    shown = " ".join(run_here(capsys, "package", made.origin, made.path).out.split())
    assert f"not used: {here}/pack.toml: only the one beside the origin counts" in shown


def test_replaced_member_is_made_as_before_also_from_another_folder(made: Delivery, plan: Plan) -> None:
    moved = made.origin.with_name("renamed")
    made.origin.rename(moved)
    assert plan(moved, made.path, "--replace-member", "member_ouss_id")["mode"] == "hard"
