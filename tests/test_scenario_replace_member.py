"""One member is made again in its place: the others stay as they are, and the ticket files hold them all."""

import os
import re
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.problem import Code, Refused
from qa2pack.pack.cli import main
from support.in_process import Delivery
from support.two_members import FIRST, SECOND

Capsys = pytest.CaptureFixture[str]


def run(*words: str | Path) -> int:
    """Type a command."""
    return main(list(map(str, words)))


def inodes(folder: Path) -> dict[str, int]:
    """Return the inode of every file below the folder."""
    return {str(path.relative_to(folder)): path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


def test_others_stay(capsys: Capsys, delivery: Delivery, package: Path) -> None:
    second = package / "sg_ouss_id" / SECOND
    before = inodes(second)
    (delivery.origin / "scriptForImaging.py").write_text("imaging, now better\n")
    assert run("plan", delivery.origin, package, "--mode", "hard", "--replace-member", "member_ouss_id") == 0
    shown = capsys.readouterr().out
    assert f"At the destination: this package, of which {FIRST} is replaced" in shown
    assert re.search(rf"and these stay:\n +{SECOND}\n", shown)
    assert run("apply", package) == 0
    assert run("verify", package) == 0
    assert inodes(second) == before
    assert (package / "sg_ouss_id" / FIRST / "script/scriptForImaging.py").read_text() == "imaging, now better\n"
    assert run("log", package) == 0
    assert "a member was replaced" in capsys.readouterr().out


def test_kept_member_comes_back(delivery: Delivery, package: Path) -> None:
    before = inodes(package)
    (delivery.origin / "scriptForImaging.py").unlink()
    assert run("plan", delivery.origin, package, "--mode", "hard", "--replace-member", FIRST) == 0
    assert run("apply", package, "--keep-previous") == 0
    assert inodes(package) != before
    assert run("rollback", package) == 0
    assert inodes(package) == before
    assert run("verify", package) == 0


def test_moved_member_is_taken_over_and_the_other_stays(delivery: Delivery, other: Delivery, package: Path) -> None:
    delivery.make(Mode.MOVE, append=Append.REPLACE, replaced=FIRST.encode())
    other.make(Mode.MOVE, append=Append.REPLACE, replaced=SECOND.encode())
    before = inodes(package)
    (delivery.origin / "notes of the reducer").unlink(missing_ok=True)
    delivery.make(Mode.MOVE, append=Append.REPLACE, replaced=FIRST.encode())
    assert {path: inode for path, inode in inodes(package).items() if not path.endswith("README")} == {
        path: inode for path, inode in before.items() if not path.endswith("README")
    }
    assert delivery.problems() == []
    for origin in (delivery.origin, other.origin):
        for path in origin.rglob("*"):
            assert path.exists(), "no symlink of the origin dangles"


def test_last_copies_of_the_replaced_member_are_not_lost(delivery: Delivery, other: Delivery, package: Path) -> None:
    delivery.make(Mode.MOVE, append=Append.REPLACE, replaced=FIRST.encode())
    with pytest.raises(Refused) as refused:
        other.made(append=Append.REPLACE, replaced=FIRST.encode())
    assert {problem.code for problem in refused.value.problems} == {Code.ONLY_COPY}
    assert all(
        problem.path.startswith(os.fsencode(package / "sg_ouss_id" / FIRST)) for problem in refused.value.problems
    )


def test_another_origin_is_warned_of(capsys: Capsys, other: Delivery, package: Path) -> None:
    assert run("plan", other.origin, package, "--mode", "hard", "--replace-member", FIRST) == 0
    shown = capsys.readouterr().out
    assert Code.W_MEMBER_GOES in shown
    assert Code.W_SAME_ORIGIN in shown, "the second member is of this origin too"
    assert "replaces the whole package" not in shown, "the second member stays"


@pytest.mark.parametrize(
    ("place", "options", "is_warned"),
    [
        (".", (), True),
        (".", ("--replace-member", FIRST), False),
        (f"sg_ouss_id/{FIRST}/qa", (), True),
        (f"sg_ouss_id/{FIRST}/qa", ("--replace-member", FIRST), True),
        (f"sg_ouss_id/{SECOND}/qa", ("--replace-member", FIRST), False),
        (f"sg_ouss_id/{SECOND}/qa", ("--append", "member"), False),
    ],
)
def test_files_of_others_that_go_are_warned_of(
    capsys: Capsys, delivery: Delivery, package: Path, place: str, options: tuple[str, ...], is_warned: bool
) -> None:
    (package / place / "notes").write_text("mine")
    forced = ("--force",) if place == "." else ()  # it must be: something else is in the package
    assert run("plan", delivery.origin, package, "--mode", "hard", *options, *forced) in (0, 1)
    shown = capsys.readouterr()
    assert (str(package / place / "notes") in shown.out and Code.W_EXTRA_GOES in shown.out) is is_warned


def test_unknown_member_is_refused(capsys: Capsys, delivery: Delivery, package: Path) -> None:
    assert run("plan", delivery.origin, package, "--mode", "hard", "--replace-member", "member_ouss_id7") == 1
    assert f"one of {FIRST}, {SECOND}" in " ".join(capsys.readouterr().err.split())


def test_either_append_or_replace(delivery: Delivery, package: Path) -> None:
    command = ("plan", delivery.origin, package, "--append", "member", "--replace-member", FIRST)
    assert run(*command) == 2


def test_links_of_the_origin_into_a_member_that_stays_are_left(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    delivery.make(Mode.COPY, append=Append.MEMBER)
    delivery.make(Mode.COPY, append=Append.REPLACE, replaced=SECOND.encode())
    links = [path for path in delivery.origin.rglob("*") if path.is_symlink()]
    assert links
    for link in links:
        assert link.resolve().is_relative_to(delivery.path / "sg_ouss_id" / FIRST)
    assert delivery.problems() == []
