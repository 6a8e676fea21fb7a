"""A file is in the place of a folder of the package: every command says so, and advises nothing that is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.executor.transaction.published_tree import is_like_target, is_published
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code
from support.commands import Ran, run_here
from support.in_process import Delivery
from support.two_members import SECOND

Capsys = pytest.CaptureFixture[str]
NAME = "member_ouss_id2"
FOUND = "expected a folder, found a file"


def put_file(folder: Path) -> Path:
    shutil.rmtree(folder)
    folder.write_text("not a folder")
    return folder


@pytest.fixture
def member(package: Path) -> Path:
    """The place of the second member, where a file is now."""
    return put_file(package / "sg_ouss_id" / SECOND)


def told(ran: Ran, path: Path) -> bool:
    """Return whether it was refused, or found, for the file at the path."""
    return ran.code in (1, 3) and f"{path}: {FOUND}" in ran.out + ran.err


def test_verify_finds_one_file_in_place_of_a_member(capsys: Capsys, package: Path, member: Path) -> None:
    ran = run_here(capsys, "verify", package, "--json")
    found = [problem for problem in json.loads(ran.out)["problems"] if problem["code"] != Code.TICKET_DAMAGED]
    assert [(each["code"], each["path"], each["found"]) for each in found] == [
        (Code.WRONG_TYPE, str(member.relative_to(package)), "a file")
    ]
    assert "pack repair" not in run_here(capsys, "verify", package).out  # it works on members that are there


def test_verify_finds_one_file_in_place_of_a_group(capsys: Capsys, package: Path) -> None:
    put_file(package / "sg_ouss_id" / "group_ouss_id")
    ran = run_here(capsys, "verify", package)
    assert f"wrong-type sg_ouss_id/group_ouss_id: {FOUND}" in ran.out
    assert "1 problem in" in ran.out


@pytest.mark.parametrize("command", ["verify", "show", "repair"])
def test_file_in_place_of_the_package(capsys: Capsys, package: Path, command: str) -> None:
    put_file(package)
    ran = run_here(capsys, command, package)
    assert ran.code in (1, 3)
    assert Code.PACKAGE_GONE in ran.out + ran.err
    assert "found a file" in ran.out + ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("show", "PACKAGE"),
        ("show", "PACKAGE", "--member", NAME),
        ("diff", "ORIGIN", "PACKAGE"),
        ("repair", "PACKAGE", "--member", NAME),
        ("remove", "PACKAGE", "--member", NAME),
        ("rename", "PACKAGE", "2012.1.00001.S"),
        ("readme", "PACKAGE", "--set-field", "PI name=x", "--member", NAME),
        ("plan", "--again", "PACKAGE", "--member", NAME),
        ("plan", "ORIGIN", "PACKAGE", "--replace-member", NAME),
    ],
)
def test_commands_tell_of_a_file_in_place_of_a_member(
    capsys: Capsys, other: Delivery, package: Path, member: Path, words: tuple[str, ...]
) -> None:
    places = {"PACKAGE": package, "ORIGIN": other.origin}
    assert told(run_here(capsys, *(places.get(word, word) for word in words)), member)


def test_status_tells_of_it_and_advises_no_plan(capsys: Capsys, package: Path, member: Path) -> None:
    ran = run_here(capsys, "status", package)
    assert f"{member}: {FOUND}" in ran.out
    assert "pack plan" not in ran.out
    fields = json.loads(run_here(capsys, "status", package, "--json").out)
    assert [problem["found"] for problem in fields["lost_problems"]] == ["a file"]


def test_status_of_a_file_advises_no_plan(capsys: Capsys, package: Path) -> None:
    put_file(package)
    ran = run_here(capsys, "status", package)
    assert "found a file" in ran.out
    assert "pack plan" not in ran.out


def test_adopt_does_not_advise_to_remove_what_is_in_place_of_a_member(
    capsys: Capsys, package: Path, member: Path
) -> None:
    ran = run_here(capsys, "adopt", package)
    assert "Put the folder of the member back" in ran.err
    assert f"rm {member}" not in ran.err


@pytest.mark.parametrize("words", [("readme", "PACKAGE", "--set-field", "PI name=x"), ("rename", "PACKAGE", "2.S")])
def test_folder_in_a_member_is_told_once(capsys: Capsys, delivery: Delivery, words: tuple[str, ...]) -> None:
    delivery.make()
    folder = put_file(delivery.member / "qa")
    ran = run_here(capsys, *(delivery.path if word == "PACKAGE" else word for word in words))
    assert told(ran, folder)
    assert "refused, 1 problem." in ran.err


def test_what_can_be_had_of_a_folder_is_repaired(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    names = {path.name for path in (delivery.member / "qa").iterdir()}
    folder = put_file(delivery.member / "qa")
    (lost,) = delivery.origin.rglob("textfile.txt")
    lost.unlink()
    assert "qa" in run_here(capsys, "repair", delivery.path, "--remove-extra").out
    assert {path.name for path in folder.iterdir()} == {name for name in names if "textfile" not in name}


def test_refused_rollback_does_not_advise_to_append_once_more(capsys: Capsys, package: Path, member: Path) -> None:
    ran = run_here(capsys, "rollback", package)
    assert f"{Code.NOT_AS_APPLIED}: " in ran.err
    assert "--append" not in ran.err


def test_file_that_was_given_the_number_of_the_folder_is_not_taken_for_it(
    capsys: Capsys, package: Path, member: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inode = member.lstat().st_ino
    for look in (is_like_target, is_published):
        monkeypatch.setattr(
            f"qa2pack.executor.rollback_checks.{look.__name__}",
            lambda places, commit, *more, look=look, **options: look(
                places, replace(commit, root_inode=inode), *more, **options
            ),
        )
    assert f"{Code.NOT_AS_APPLIED}: " in run_here(capsys, "rollback", package).err
