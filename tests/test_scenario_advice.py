"""Advice that is pasted: the commands that a refusal prints work as they stand, where they are printed."""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code
from qa2pack.pack.exit_codes import Exit
from support.commands import Ran, run_here
from support.in_process import Delivery, make_reduction, write
from support.printed_commands import mixed_lines, printed_commands, ready_commands
from support.two_members import SECOND

Capsys = pytest.CaptureFixture[str]


def pasted(capsys: Capsys, ran: Ran) -> list[str]:
    """Type each command that was printed as it stands, and return them; all must be done."""
    commands = ready_commands(ran.out + ran.err)
    for words in commands:
        if words[0] in ("pack", "tarsplit"):
            assert (words, run_here(capsys, *(words[1:] if words[0] == "pack" else words)).code) == (words, Exit.DONE)
        else:
            subprocess.run(words, check=True)
    return [shlex.join(words) for words in commands]


def test_removed_member_that_was_not_kept_is_added_again(capsys: Capsys, two: Delivery) -> None:
    assert run_here(capsys, "remove", two.path, "--member", SECOND, "--keep-previous=no").code == Exit.DONE
    refused = run_here(capsys, "rollback", two.path)
    assert Code.PREVIOUS_GONE in refused.err
    assert pasted(capsys, refused) == [
        f"pack plan {two.origin} {two.path} --append member --mode copy",
        f"pack apply {two.path}",
    ]
    assert (two.problems(), sorted(path.name for path in two.member.parent.iterdir())) == (
        [],
        ["member_ouss_id", "member_ouss_id2"],
    )


def test_stale_plan_is_made_again_with_all_its_options(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    delivery.make(Mode.COPY)
    header = write(tmp_path / "my header.txt", b"PI name: A. Person\n")
    other = make_reduction(tmp_path / "sb2", seed=2)
    options = ("--append", "member", "--readme", header, "--exclude", "*.log", "--include", "notes*=qa", "--no-split")
    more = ("--compression", "9")
    assert run_here(capsys, "plan", other, delivery.path, "--mode", "hard", *options, *more).code == Exit.DONE
    (Path(os.fsdecode(delivery.package.manifests)) / "group_ouss_id.member_ouss_id.manifest").unlink()
    refused = run_here(capsys, "apply", delivery.path)
    assert Code.PLAN_STALE in refused.err
    plan = (
        f"pack plan {other} {delivery.path} --mode hard --append member --readme '{header}' "
        "--include 'notes*=qa' --exclude '*.log' --no-split --compression 9"
    )
    assert pasted(capsys, refused) == [plan]
    assert run_here(capsys, "apply", delivery.path).code == Exit.DONE
    second = delivery.member.with_name("member_ouss_id2")
    assert (second / "README").read_text().startswith("PI name: A. Person\n")
    assert list((second / "log").rglob("*.log")) == []
    assert (second / "qa/notes of the reducer").exists()


@pytest.mark.parametrize("place", [".", "sg_ouss_id/group_ouss_id/member_ouss_id"])
def test_append_to_a_package_with_files_of_others_is_possible_after_the_advice(
    capsys: Capsys, delivery: Delivery, tmp_path: Path, place: str
) -> None:
    delivery.make(Mode.COPY)
    write(delivery.path / place / "notes", b"mine")
    other = make_reduction(tmp_path / "sb2", seed=2)
    append = ("plan", other, delivery.path, "--mode", "copy", "--append", "member")
    refused = run_here(capsys, *append)
    assert f"{Code.NOT_A_PACKAGE}:" in refused.err
    assert "--force" not in refused.err
    assert len(pasted(capsys, refused)) == 1
    assert run_here(capsys, *append).code == Exit.DONE


def test_package_with_files_of_others_can_be_adopted_after_the_advice(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(os.fsdecode(delivery.package.control))
    write(delivery.path / "notes", b"mine")
    refused = run_here(capsys, "adopt", delivery.path)
    assert pasted(capsys, refused) == [f"rm {delivery.path}/notes"]
    assert run_here(capsys, "adopt", delivery.path).code == Exit.DONE


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_is_in_no_member_is_removed_by_a_command(capsys: Capsys, delivery: Delivery, is_folder: bool) -> None:
    delivery.make(Mode.COPY)
    write(delivery.path / ("notes/a" if is_folder else "notes"), b"mine")
    verified = run_here(capsys, "verify", delivery.path)
    printed = [shlex.join(words) for words in printed_commands(verified.out)]
    assert mixed_lines(verified.out.splitlines()) == []
    assert printed == [f"rm{' -r' if is_folder else ''} {delivery.path}/notes"]
    assert pasted(capsys, verified) == printed
    assert delivery.problems() == []


def test_damaged_manifest_is_removed_before_the_member_is_adopted(capsys: Capsys, two: Delivery) -> None:
    manifest = Path(os.fsdecode(two.package.manifests)) / "group_ouss_id.member_ouss_id2.manifest"
    os.truncate(manifest, 100)
    verified = run_here(capsys, "verify", two.path)
    assert pasted(capsys, verified) == [f"rm {manifest}", f"pack adopt {two.path}"]
    assert two.problems() == []


@pytest.mark.parametrize("name", [(), ("--member", "member_ouss_id7")])
def test_making_again_without_the_name_of_a_member_is_refused_with_a_command_for_each(
    capsys: Capsys, two: Delivery, name: tuple[str, ...]
) -> None:
    refused = run_here(capsys, "plan", "--again", two.path, *name)
    assert refused.code == Exit.FAILED
    assert pasted(capsys, refused) == [
        f"pack plan --again {two.path} --member group_ouss_id/member_ouss_id",
        f"pack plan --again {two.path} --member {SECOND}",
    ]


def test_adopted_member_is_made_again_with_its_reduction_named(capsys: Capsys, two: Delivery) -> None:
    shutil.rmtree(os.fsdecode(two.package.control))
    for prepare in (None, "adopt"):
        if prepare:
            assert run_here(capsys, prepare, two.path).code == Exit.DONE
        refused = run_here(capsys, "plan", "--again", two.path, "--member", SECOND)
        assert refused.code == Exit.FAILED
        command = f"pack plan ORIGIN {two.path} --replace-member {SECOND} --mode MODE"
        assert f"        {command}\n" in refused.err
    typed = command.replace("ORIGIN", str(two.origin)).replace("MODE", "copy")
    refused = run_here(capsys, *shlex.split(typed)[1:])
    assert Code.NOT_TAKEN_OVER in refused.err, "it is not known whether the package has last copies"
    plan, *_ = ready_commands(refused.err)
    assert plan == [
        *shlex.split(typed.replace("member gro", "member=gro").replace("mode copy", "mode=copy")),
        "--force",
    ]
    assert [run_here(capsys, *words).code for words in (plan[1:], ("apply", two.path))] == [Exit.DONE, Exit.DONE]
    assert len(list(two.member.parent.iterdir())) == 2


def test_refusal_to_make_again_is_told_to_machines(capsys: Capsys, two: Delivery) -> None:
    fields = json.loads(run_here(capsys, "plan", "--again", two.path, "--json").out)
    assert (fields["exit_code"], fields["problems"][0]["code"]) == (Exit.FAILED, Code.MEMBER_NOT_NAMED)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with two scheduling blocks and something else."""
    make_reduction(tmp_path / "project/sb1")
    make_reduction(tmp_path / "project/sb2", uid="uid___A002_X1_X2", seed=2)
    write(tmp_path / "project/papers/draft.tex", b"x")
    return tmp_path / "project"


def members(package: Path) -> list[str]:
    return sorted(path.name for path in package.glob("sg_ouss_id/*/*"))


@pytest.mark.parametrize("verb", ["plan", "package"])
def test_swapped_paths_are_turned_round_also_before_there_is_a_package(
    capsys: Capsys, delivery: Delivery, verb: str
) -> None:
    refused = run_here(capsys, verb, delivery.path, delivery.origin, "--mode", "copy")
    assert f"{Code.ORIGIN_MISSING}:" in refused.err
    assert pasted(capsys, refused) == [f"pack plan {delivery.origin} {delivery.path} --mode copy"]
    assert run_here(capsys, "apply", delivery.path).code == Exit.DONE


def test_package_named_before_another_folder_is_turned_round(
    capsys: Capsys, delivery: Delivery, tmp_path: Path
) -> None:
    delivery.make(Mode.COPY)
    other = make_reduction(tmp_path / "sb2", seed=2)
    refused = run_here(capsys, "plan", delivery.path, other, "--mode", "copy", "--append", "member")
    assert f"{Code.SWAPPED}:" in refused.err
    assert ready_commands(refused.err)[0][:4] == ["pack", "plan", str(other), str(delivery.path)]


def test_mistyped_origin_of_a_package_that_is_there_is_not_taken_for_swapped(
    capsys: Capsys, delivery: Delivery
) -> None:
    delivery.make(Mode.COPY)
    refused = run_here(capsys, "plan", f"{delivery.origin}x", delivery.path)
    assert ready_commands(refused.err) == []


def test_nothing_is_put_beside_the_root_of_all_folders(capsys: Capsys, tmp_path: Path) -> None:
    refused = run_here(capsys, "plan", "/", tmp_path / "P", "--layout", "as-is", "--mode", "copy")
    assert f"{Code.NESTED}:" in refused.err
    assert "Beside it" not in refused.err


@pytest.mark.parametrize("inside", [".", "X8c"])
def test_package_inside_the_reduction_is_put_beside_it(
    capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    monkeypatch.chdir(delivery.origin)
    refused = run_here(capsys, "plan", ".", f"{inside}/2011.0.00229.S", "--mode", "hard")
    assert pasted(capsys, refused) == [f"pack plan . {delivery.path} --mode hard"]
    assert run_here(capsys, "apply", delivery.path).code == Exit.DONE


@pytest.mark.parametrize("inside", [".", "sb1"])
def test_package_inside_several_scheduling_blocks_is_made_of_each_of_them(
    capsys: Capsys, project: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    monkeypatch.chdir(project)
    refused = run_here(capsys, "plan", ".", f"{inside}/2011.0.00229.S", "--mode", "hard")
    commands = pasted(capsys, refused)
    package = project.parent / "2011.0.00229.S" if inside == "sb1" else project / "2011.0.00229.S"
    assert [command.split()[2] for command in commands[::2]] == [str(project / "sb1"), str(project / "sb2")]
    assert members(package) == ["member_ouss_id", "member_ouss_id2"]


def test_scheduling_blocks_that_a_plan_names_are_planned_in_its_mode(
    capsys: Capsys, project: Path, tmp_path: Path
) -> None:
    package = tmp_path / "2011.0.00229.S"
    refused = run_here(capsys, "plan", project, package, "--mode", "copy")
    assert f"pack plan {project}/sb1 {package} --append member --mode copy" in pasted(capsys, refused)
    assert members(package) == ["member_ouss_id", "member_ouss_id2"]


@pytest.mark.parametrize("has_block", [False, True], ids=["refused", "warned"])
def test_scheduling_blocks_that_a_plan_names_get_the_header_and_the_rules_that_were_typed(
    capsys: Capsys, project: Path, tmp_path: Path, has_block: bool
) -> None:
    package, header = tmp_path / "2011.0.00229.S", write(tmp_path / "header.txt", b"PI name: A. Person\n")
    if has_block:
        make_reduction(project, uid="uid___A002_X1_X3", seed=3)
    options = ("--append", "group", "--mode", "copy", "--readme", header, "--exclude", "*.log")
    ran = run_here(capsys, "plan", project, package, *options)
    assert "warning-deeper-sb" in ran.out + ran.err
    plans = [shlex.join(words) for words in ready_commands(ran.out + ran.err) if words[:2] == ["pack", "plan"]]
    assert plans == [
        f"pack plan {project}/{name} {package} --append member --mode copy --readme={header} '--exclude=*.log'"
        for name in ("sb1", "sb2")
    ]


@pytest.mark.parametrize("command", [("tarsplit", "-n", "2012-06-20"), ("verify",), ("report",)])
@pytest.mark.parametrize("named", ["sb1", "."])
def test_reduction_in_place_of_a_package_is_advised_to_be_packaged(
    capsys: Capsys, project: Path, command: tuple[str, ...], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    refused = run_here(capsys, *command, named)
    assert f"{Code.PACKAGE_MISSING}:" in refused.err
    commands = printed_commands(refused.err)
    package = project.parent / "2011.0.00229.S"
    for words in commands:
        typed = [{"CODE": str(package), "MODE": "copy"}.get(word, word) for word in words[1:]]
        assert run_here(capsys, *typed).code == Exit.DONE
    assert len(members(package)) == (1 if named == "sb1" else 2)


def test_folder_that_is_no_reduction_is_not_advised_to_be_packaged(capsys: Capsys, project: Path) -> None:
    refused = run_here(capsys, "tarsplit", "-n", "2012-06-20", project / "papers")
    assert printed_commands(refused.err) == []


LISTING = b"""
tree = "set{set}"
[variable.set]
[variable.who]
default = "me"
[[place]]
name = "top"
[[folder]]
name = "script"
[[rule]]
match = "*"
to = "script/{name}"
[[write]]
to = "script/list.txt"
template = "list.jinja"
"""


@pytest.fixture
def listing(delivery: Delivery, tmp_path: Path) -> Delivery:
    """An origin beside a layout with a template."""
    write(tmp_path / "my layout.toml", LISTING)
    write(tmp_path / "list.jinja", b"{{ who }}")
    return delivery


def planned(capsys: Capsys, delivery: Delivery, number: str = "1") -> Ran:
    layout = delivery.origin.parent / "my layout.toml"
    options = ("--layout", layout, "--set", f"set={number}", "--mode", "copy", "--exclude", "*.log")
    return run_here(capsys, "plan", delivery.origin, delivery.path, *options)


def test_plan_is_made_again_with_its_options_after_the_template(capsys: Capsys, listing: Delivery) -> None:
    template = listing.origin.parent / "list.jinja"
    write(template, b"{{ tree.none }}")
    refused = planned(capsys, listing)
    assert f"{Code.TEXT_FAILED}:" in refused.err
    write(template, b"{{ who }}")
    (command,) = pasted(capsys, refused)
    assert command.startswith(f"pack plan {listing.origin} {listing.path} ")
    assert run_here(capsys, "apply", listing.path).code == Exit.DONE
    assert (listing.path / "set1/script/list.txt").read_text() == "me"
    assert list(listing.path.rglob("*.log")) == []


def test_member_that_is_made_again_is_named_after_the_template(capsys: Capsys, listing: Delivery) -> None:
    for number in "12":
        assert planned(capsys, listing, number).code == Exit.DONE
        assert run_here(capsys, "apply", listing.path).code == Exit.DONE
    template = listing.origin.parent / "list.jinja"
    write(template, b"{{ tree.none }}")
    refused = run_here(capsys, "plan", "--again", listing.path, "--member", "set2", "--exclude", "X*")
    write(template, b"{{ who }}")
    assert pasted(capsys, refused) == [
        f"pack plan {listing.origin} {listing.path} --replace-member set2 '--exclude=X*'"
    ]


def test_adopted_package_is_replaced_by_the_plan_that_was_refused(capsys: Capsys, listing: Delivery) -> None:
    assert planned(capsys, listing).code == Exit.DONE
    assert run_here(capsys, "apply", listing.path).code == Exit.DONE
    shutil.rmtree(os.fsdecode(listing.package.control))
    layout = listing.origin.parent / "my layout.toml"
    assert run_here(capsys, "adopt", listing.path, "--layout", layout).code == Exit.DONE
    write(listing.path / "set1/script/a.log", b"of nobody")
    shutil.rmtree(os.fsdecode(listing.package.control))
    assert run_here(capsys, "adopt", listing.path, "--layout", layout).code == Exit.DONE
    refused = planned(capsys, listing)
    assert f"{Code.NOT_TAKEN_OVER}:" in refused.err
    plan, apply, rollback = printed_commands(refused.err)[:3]
    assert plan[-1] == "--force" and f"--layout={layout}" in plan and "--set=set=1" in plan
    for command in (plan, apply, rollback):
        assert run_here(capsys, *command[1:]).code == Exit.DONE
