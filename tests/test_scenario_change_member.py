"""Members are removed, repaired, and given another README, each in one transaction that can be rolled back."""

import errno
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.format.files import Described, open_manifest
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.layout.include import Include
from qa2pack.manifest.plan.plan import Plan, save_plan
from qa2pack.manifest.plan.rebuild import NewReadme, plan_rebuild
from qa2pack.manifest.plan.removal import make_removal
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code
from qa2pack.pack.cli import main
from support.in_process import Delivery
from support.two_members import FIRST, SECOND

Capsys = pytest.CaptureFixture[str]
MODES = (Mode.HARD, Mode.COPY, Mode.MOVE)


def run(*words: str | Path) -> int:
    """Type a command."""
    return main(list(map(str, words)))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def remove_same(folder: Path, file: Path) -> None:
    """Remove the files below the folder that have the content of this one."""
    for path in [path for path in folder.rglob("*") if path.is_file() and path.read_bytes() == file.read_bytes()]:
        path.unlink()


def links_of(folder: Path) -> dict[Path, str]:
    """Return the symlinks below the folder with their targets."""
    return {path: os.readlink(path) for path in folder.rglob("*") if path.is_symlink()}


def manifest_of(delivery: Delivery) -> Described:
    return open_manifest(delivery.package.manifest(FIRST.encode()))


def test_removed_member_comes_back(capsys: Capsys, package: Path) -> None:
    before = contents(package)
    assert run("remove", package, "--member", "member_ouss_id2") == 0
    assert not (package / "sg_ouss_id" / SECOND).exists()
    assert (package / "sg_ouss_id" / FIRST).exists()
    assert f"Removed: {SECOND}" in capsys.readouterr().out
    assert run("log", package) == 0
    assert "a member was removed\n" in capsys.readouterr().out, "no files are made by it"
    assert run("verify", package) == 0
    with tarfile.open(f"{package}.ticket.tar") as tar:
        assert not any(SECOND in name for name in tar.getnames())
    assert run("rollback", package) == 0
    assert f"which removed {SECOND}" in capsys.readouterr().out
    assert contents(package) == before
    assert run("verify", package) == 0


def test_removal_is_not_rolled_back_over_what_has_come_to_its_place(capsys: Capsys, package: Path) -> None:
    assert run("remove", package, "--member", SECOND) == 0
    notes = package / "sg_ouss_id" / SECOND / "notes"
    notes.parent.mkdir()
    notes.write_text("mine")
    assert run("rollback", package) == 1
    assert Code.NOT_AS_APPLIED in capsys.readouterr().err
    assert notes.read_text() == "mine"
    shutil.rmtree(notes.parent)
    assert run("rollback", package) == 0
    assert run("verify", package) == 0


def test_only_member_is_not_removed(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    assert run("remove", delivery.path, "--member", FIRST) == 1
    told = capsys.readouterr().err
    assert Code.ONLY_MEMBER in told
    assert f"      {delivery.member}\n" in told
    assert delivery.problems() == []


def test_last_copies_are_not_removed(capsys: Capsys, other: Delivery, package: Path) -> None:
    other.make(Mode.MOVE, append=Append.REPLACE, replaced=SECOND.encode())
    assert run("remove", package, "--member", SECOND) == 1
    assert Code.ONLY_COPY in capsys.readouterr().err


@pytest.mark.parametrize("mode", MODES)
def test_field_of_the_readme(delivery: Delivery, mode: Mode) -> None:
    delivery.make(mode)
    before, origin, links = contents(delivery.path), contents(delivery.origin), links_of(delivery.origin)
    scanned = manifest_of(delivery).header.scanned_ns
    assert run("readme", delivery.path, "--set-field", "PI name=A. Person") == 0
    after = contents(delivery.path)
    name = f"sg_ouss_id/{FIRST}/README"
    assert {path for path in after if after[path] != before[path]} == {name}
    assert b"\nPI name: A. Person\n" in after[name]
    assert after[name].splitlines()[-20:] == before[name].splitlines()[-20:], "the tree is the same"
    with tarfile.open(f"{delivery.path}.ticket.tar") as tar:
        packed = tar.extractfile(f"2011.0.00229.S/{name}")
        assert packed is not None
        assert packed.read() == after[name]
    assert delivery.problems() == []
    assert manifest_of(delivery).header.scanned_ns == scanned, "the digests are as old as before"
    assert run("rollback", delivery.path) == 0
    assert contents(delivery.path) == before
    assert (contents(delivery.origin), links_of(delivery.origin)) == (origin, links)
    assert delivery.problems() == []


def test_rollback_of_a_readme_leaves_links_that_an_earlier_apply_changed(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    delivery.make(Mode.MOVE, include=(Include("scriptForImaging.py", "log"),))  # it gets another path
    assert manifest_of(delivery).notes.relinks
    links = links_of(delivery.origin)
    assert run("readme", delivery.path, "--set-field", "PI name=A. Person") == 0
    assert run("rollback", delivery.path) == 0
    assert links_of(delivery.origin) == links
    assert delivery.problems() == []


def test_readme_of_a_damaged_member_is_refused(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    missing = next((delivery.member / "log").rglob("*.log"))
    missing.unlink()
    assert run("readme", delivery.path, "--set-field", "PI name=A. Person") == 1
    assert str(missing) in capsys.readouterr().err


def test_new_header_is_used_from_then_on(tmp_path: Path, delivery: Delivery) -> None:
    delivery.make()
    header = tmp_path / "header.txt"
    header.write_text("A header\nPI name:\n")
    assert run("readme", delivery.path, "--header", header, "--set-field", "PI name=B") == 0
    assert run("plan", "--again", delivery.path) == 0
    assert run("apply", delivery.path) == 0
    assert (delivery.member / "README").read_text().startswith("A header\nPI name: B\n|-- 2011")


def test_file_of_a_new_header_is_read_again(tmp_path: Path, delivery: Delivery) -> None:
    delivery.make()
    header = tmp_path / "header.txt"
    header.write_text("A header\n")
    assert run("readme", delivery.path, "--header", header) == 0
    header.write_text("Another header\n")
    assert run("plan", "--again", delivery.path) == 0
    assert run("apply", delivery.path) == 0
    assert (delivery.member / "README").read_text().startswith("Another header\n")


def test_readme_that_was_changed_by_hand(capsys: Capsys, delivery: Delivery, other: Delivery) -> None:
    delivery.make()
    readme = delivery.member / "README"
    readme.write_text(readme.read_text().replace("PI name:", "PI name: C. Person"))
    assert run("plan", other.origin, delivery.path, "--append", "member", "--mode", "hard") == 1
    capsys.readouterr()
    assert run("readme", delivery.path, "--take-changes") == 0
    assert "PI name: C. Person" in readme.read_text()
    assert delivery.problems() == []
    assert run("plan", other.origin, delivery.path, "--append", "member", "--mode", "hard") == 0


def test_change_is_rolled_back_where_the_origin_goes_on(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    before = contents(delivery.path)
    script = delivery.origin / "scriptForImaging.py"
    script.unlink()
    script.write_text("a new version")
    assert run("readme", delivery.path, "--set-field", "PI name=A. Person") == 0
    capsys.readouterr()
    assert run("status", delivery.path) == 0
    assert "cannot be rolled back" not in capsys.readouterr().out
    assert run("rollback", delivery.path) == 0, "the member that is kept has the old version as well"
    assert contents(delivery.path) == before


def test_unknown_field(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    assert run("readme", delivery.path, "--set-field", "Colour=blue") == 1
    assert Code.UNKNOWN_FIELD in capsys.readouterr().err


def test_field_of_a_header_without_any(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    (tmp_path / "header").write_text("no fields here\n")
    delivery.make(readme=os.fsencode(tmp_path / "header"))
    assert run("readme", delivery.path, "--set-field", "Colour=blue") == 1
    assert "Colour: expected a header with fields\n" in capsys.readouterr().err


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY])
def test_missing_and_damaged_files_come_from_the_origin(capsys: Capsys, delivery: Delivery, mode: Mode) -> None:
    delivery.make(mode)
    before = contents(delivery.path)
    names = sorted((delivery.member / "qa").iterdir())
    names[0].unlink()
    shutil.rmtree(delivery.member / "script")
    damaged = next(path for path in (delivery.member / "log").rglob("*.log"))
    data = damaged.read_bytes()
    damaged.unlink()
    damaged.write_bytes(data[:-1] + b"?")
    (delivery.member / "README").write_text("nothing")
    assert run("repair", delivery.path) == 0
    assert contents(delivery.path) == before
    assert delivery.problems() == []
    if mode is Mode.HARD:
        assert os.lstat(names[0]).st_nlink == 2, "a hard link again"
    assert run("rollback", delivery.path) == 3, "the damage is back"
    assert not names[0].exists()


def test_file_changed_in_place_comes_from_another_copy_only(
    capsys: Capsys, tmp_path: Path, delivery: Delivery
) -> None:
    delivery.make(Mode.HARD)
    copy = tmp_path / "backup" / delivery.path.name
    shutil.copytree(delivery.path, copy)
    damaged = next(path for path in (delivery.member / "log").rglob("*.log"))
    right = damaged.read_bytes()
    damaged.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    capsys.readouterr()
    assert run("repair", delivery.path, "--json") == 3, "the origin has the same damaged inode"
    fields = json.loads(capsys.readouterr().out)
    assert [problem["code"] for problem in fields["members"][0]["problems"]] == [Code.CHANGED]
    assert run("repair", delivery.path, "--from", copy) == 0
    assert damaged.read_bytes() == right
    assert delivery.problems() == []


def test_file_is_found_by_its_content_under_any_name(tmp_path: Path, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    script = next((delivery.member / "script").iterdir())
    right = script.read_bytes()
    shutil.rmtree(delivery.origin)
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep" / "some name").write_bytes(right)
    script.unlink()
    assert run("repair", delivery.path, "--from", tmp_path / "elsewhere") == 0
    assert script.read_bytes() == right
    assert delivery.problems() == []


def test_what_can_be_had_is_repaired_and_the_rest_listed(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    first, second = sorted(path for path in (delivery.member / "calibration").rglob("*") if path.is_file())[:2]
    right = first.read_bytes()
    remove_same(delivery.origin, second)
    first.unlink()
    second.unlink()
    capsys.readouterr()
    assert run("repair", delivery.path, "--json") == 3
    (member,) = json.loads(capsys.readouterr().out)["members"]
    assert [problem["path"] for problem in member["problems"]] == [str(second)]
    assert first.read_bytes() == right
    assert [problem.code for problem in delivery.problems()] == [Code.MISSING]


@pytest.fixture
def damaged(delivery: Delivery) -> Path:
    """A package of hard links of which a repair can have one file, and not another one: both are missing."""
    delivery.make(Mode.HARD)
    first, second = sorted(path for path in (delivery.member / "calibration").rglob("*") if path.is_file())[:2]
    remove_same(delivery.origin, second)
    first.unlink()
    second.unlink()
    return delivery.path


def test_linked_files_that_cannot_be_had_do_not_stop_a_repair(delivery: Delivery, damaged: Path) -> None:
    assert run("repair", damaged) == 3
    assert [problem.code for problem in delivery.problems()] == [Code.MISSING]


@pytest.mark.parametrize("command", ["apply", "rollback"])
def test_stopped_repair_that_could_not_have_all(
    delivery: Delivery, damaged: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise OSError(errno.EIO, "stopped")

    before = contents(damaged)
    with monkeypatch.context() as patched:
        patched.setattr("qa2pack.executor.publish.publish.refresh_ctimes", stop)
        assert run("repair", damaged) == 4
    assert run(command, damaged) == (3 if command == "rollback" else 0)
    if command == "rollback":
        assert contents(damaged) == before
    else:
        assert [problem.code for problem in delivery.problems()] == [Code.MISSING]


def test_what_the_ticket_files_hold_and_cannot_be_had_is_not_in_the_way(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    image, log = next((delivery.member / "qa").iterdir()), next((delivery.member / "log").iterdir())
    right = image.read_bytes()
    remove_same(delivery.origin, image)
    image.unlink()
    log.unlink()
    assert run("repair", delivery.path) == 3
    assert log.exists()
    with tarfile.open(f"{delivery.path}.ticket.tar") as tar:
        assert not any(name.endswith(image.name) for name in tar.getnames())
    (delivery.origin / "found again").write_bytes(right)
    assert run("repair", delivery.path) == 0
    assert delivery.problems() == []


def test_nothing_to_repair(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    assert run("repair", delivery.path) == 0
    assert "nothing to repair" in capsys.readouterr().out


def test_moved_member_is_repaired_and_its_links_stay(delivery: Delivery, tmp_path: Path) -> None:
    delivery.make(Mode.MOVE)
    copy = tmp_path / "copy"
    shutil.copytree(delivery.member, copy)
    links = {path: os.readlink(path) for path in delivery.origin.rglob("*") if path.is_symlink()}
    image = next((delivery.member / "product").iterdir())
    right = image.read_bytes()
    image.write_bytes(b"damaged")
    assert run("repair", delivery.path, "--from", copy) == 0
    assert image.read_bytes() == right
    assert {path: os.readlink(path) for path in delivery.origin.rglob("*") if path.is_symlink()} == links
    assert delivery.problems() == []
    assert run("plan", "--again", delivery.path) == 0, "its files are taken over"


def test_two_members_with_damaged_files_of_the_ticket_files_are_repaired(
    capsys: Capsys, delivery: Delivery, package: Path
) -> None:
    before = contents(package)
    scripts = [next((package / "sg_ouss_id" / member / "script").iterdir()) for member in (FIRST, SECOND)]
    for script in scripts:
        script.unlink()
    assert run("repair", package, "--member", FIRST) == 0
    shown = capsys.readouterr().out
    assert "left out of the ticket files" in shown
    assert str(scripts[1]) in shown
    assert run("repair", package) == 0
    assert "left out" not in capsys.readouterr().out
    assert contents(package) == before
    assert delivery.problems() == []


def test_two_readmes_that_were_changed_by_hand_are_taken_over(delivery: Delivery, package: Path) -> None:
    for member in (FIRST, SECOND):
        readme = package / "sg_ouss_id" / member / "README"
        readme.write_text(readme.read_text().replace("PI name:", f"PI name: {member}"))
    for member in (FIRST, SECOND):
        assert run("readme", package, "--take-changes", "--member", member) == 0
    assert delivery.problems() == []


def test_unknown_files_are_not_lost_silently(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    (delivery.member / "qa/notes").write_text("mine")
    next((delivery.member / "script").iterdir()).unlink()
    assert run("repair", delivery.path) == 1
    assert Code.EXTRA in capsys.readouterr().err
    assert run("repair", delivery.path, "--remove-extra") == 0
    assert not (delivery.member / "qa/notes").exists()
    assert delivery.problems() == []


@pytest.mark.parametrize("place", [".", "sg_ouss_id", f"sg_ouss_id/{FIRST}/qa", f"sg_ouss_id/{FIRST}/log/mine"])
@pytest.mark.parametrize("command", [("repair",), ("readme", "--set-field", "PI name=A. Person")])
def test_files_of_others_in_the_package_are_refused(
    capsys: Capsys, delivery: Delivery, command: tuple[str, ...], place: str
) -> None:
    delivery.make()
    if command == ("repair",):
        next((delivery.member / "script").iterdir()).unlink()
    notes = delivery.path / place / "notes"
    notes.parent.mkdir(exist_ok=True)
    notes.write_text("mine")
    assert run(command[0], delivery.path, *command[1:]) == 1
    assert "Nothing was changed" in capsys.readouterr().err
    assert notes.read_text() == "mine"


def test_only_what_is_in_the_member_is_left_out(delivery: Delivery) -> None:
    delivery.make()
    for place in (delivery.path, delivery.member):
        (place / "notes").write_text("mine")
    assert run("repair", delivery.path, "--remove-extra") == 1
    (delivery.path / "notes").unlink()
    assert run("repair", delivery.path, "--remove-extra") == 0
    assert delivery.problems() == []


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD])
def test_member_whose_origin_is_gone_is_not_removed(
    capsys: Capsys, delivery: Delivery, other: Delivery, mode: Mode
) -> None:
    delivery.make(mode)
    other.make(mode, append=Append.MEMBER)
    shutil.rmtree(other.origin)
    assert run("remove", delivery.path, "--member", SECOND, "--keep-previous=no") == 1
    assert Code.ONLY_COPY in capsys.readouterr().err
    assert run("remove", delivery.path, "--member", SECOND, "--force") == 0


def test_member_without_manifest_is_not_removed(capsys: Capsys, package: Path) -> None:
    next(Path(f"{package}.pack/manifests").glob("*id2.manifest")).unlink()
    assert run("remove", package, "--member", SECOND, "--force") == 1
    told = capsys.readouterr().err
    assert Code.MANIFEST_MISSING in told
    assert f"      {package / 'sg_ouss_id' / SECOND}\n" in told


def test_files_of_others_are_not_removed_with_a_member(capsys: Capsys, package: Path) -> None:
    notes = package / "sg_ouss_id" / SECOND / "qa/notes"
    notes.write_text("mine")
    assert run("remove", package, "--member", SECOND) == 1
    assert str(notes) in capsys.readouterr().err
    assert run("remove", package, "--member", SECOND, "--force") == 0


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD])
def test_file_that_was_changed_by_hand_is_not_removed_with_its_member(
    capsys: Capsys, delivery: Delivery, other: Delivery, mode: Mode
) -> None:
    delivery.make(mode)
    other.make(mode, append=Append.MEMBER)
    mine = delivery.path / "sg_ouss_id" / SECOND / "script/scriptForImaging.py"
    mine.unlink()
    mine.write_text("mine")
    assert run("remove", delivery.path, "--member", SECOND) == 1
    told = capsys.readouterr().err
    assert Code.ONLY_COPY in told and str(mine) in told
    assert run("remove", delivery.path, "--member", SECOND, "--force") == 0


def test_all_that_a_removal_would_lose_is_told_at_once(capsys: Capsys, other: Delivery, package: Path) -> None:
    (package / "sg_ouss_id" / SECOND / "qa/notes").write_text("mine")
    shutil.rmtree(other.origin)
    assert run("remove", package, "--member", SECOND) == 1
    told = capsys.readouterr().err
    assert Code.ONLY_COPY in told
    assert Code.EXTRA in told


def test_extra_files_of_several_members_are_removed_one_member_at_a_time(capsys: Capsys, package: Path) -> None:
    assert run("repair", package, "--remove-extra") == 1
    assert Code.MEMBER_NOT_NAMED in capsys.readouterr().err
    assert run("repair", package, "--remove-extra", "--member", SECOND) == 0


def test_field_does_not_revert_what_was_changed_by_hand(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    readme = delivery.member / "README"
    readme.write_text("By hand\n" + readme.read_text())
    assert run("readme", delivery.path, "--set-field", "PI name=B") == 1
    assert "--take-changes" in capsys.readouterr().err
    assert run("readme", delivery.path, "--set-field", "PI name=B", "--take-changes") == 0
    assert readme.read_text().startswith("By hand\n")
    assert "PI name: B\n" in readme.read_text()
    assert delivery.problems() == []


def test_readme_of_an_adopted_member(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(delivery.package.control)
    assert run("adopt", delivery.path) == 0
    assert run("readme", delivery.path, "--set-field", "PI name=B") == 0
    assert "PI name: B\n" in (delivery.member / "README").read_text()
    assert delivery.problems() == []


def test_plan_of_a_removal_that_waits_is_shown_as_one(capsys: Capsys, package: Path) -> None:
    assert run("remove", package, "--member", SECOND) == 0
    assert run("rollback", package) == 0
    capsys.readouterr()
    assert run("show", "--plan", package) == 0
    told = capsys.readouterr().out
    assert f"of which {SECOND} is removed" in told
    assert "still blank" not in told, "a removal makes no README"


def test_plan_of_a_forced_removal_tells_what_is_lost(capsys: Capsys, other: Delivery, package: Path) -> None:
    shutil.rmtree(other.origin)
    assert run("remove", package, "--member", SECOND, "--force", "--keep-previous") == 0
    assert run("rollback", package) == 0
    capsys.readouterr()
    assert run("show", "--plan", package) == 0
    assert Code.W_LAST_COPY in capsys.readouterr().out


def _removal(delivery: Delivery) -> Plan:
    request = PlanRequest(b"", os.fsencode(delivery.path), append=Append.REMOVE, replaced=SECOND.encode())
    return make_removal(request, opened=OpenedFiles(), now_ns=1)


def _rebuilt(delivery: Delivery, **how: Any) -> Plan:
    return plan_rebuild(delivery.package, manifest_of(delivery), OpenedFiles(), program="test", now_ns=1, **how)


def _made_again(delivery: Delivery) -> Plan:
    return delivery.made(append=Append.REPLACE, replaced=FIRST.encode())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_removal, f"{SECOND} is removed"),
        (_rebuilt, f"{FIRST} is repaired"),
        (lambda delivery: _rebuilt(delivery, readme=NewReadme(b"PI name: B\n")), f"{FIRST} gets another README"),
        (_made_again, f"{FIRST} is made again in its place"),
    ],
)
def test_apply_after_a_stop_says_what_it_does_to_which_member(
    capsys: Capsys, delivery: Delivery, package: Path, make: Callable[[Delivery], Plan], words: str
) -> None:
    """As when the command was stopped after its plan was written."""
    made = make(delivery)
    save_plan(made)
    made.gathered.spool.close()
    capsys.readouterr()
    assert run("apply", package) == 0
    title, what, *_ = capsys.readouterr().err.splitlines()
    assert title.startswith("Applying the plan ")
    assert what.startswith(f"  {words}; ")


def test_refused_change_leaves_no_plan_and_says_what_repairs(capsys: Capsys, package: Path) -> None:
    readme = package / "sg_ouss_id" / FIRST / "README"
    readme.chmod(0o644)
    readme.write_bytes(readme.read_bytes() + b"changed")
    assert run("remove", package, "--member", "member_ouss_id2") == 1
    assert "--take-changes" in capsys.readouterr().err
    assert not (package.parent / f"{package.name}.pack" / "plan").exists()


def test_refused_change_of_a_package_renamed_by_hand_leaves_no_plan(capsys: Capsys, package: Path) -> None:
    renamed = package.rename(package.parent / "2012.1.00001.S")
    control = (package.parent / f"{package.name}.pack").rename(package.parent / "2012.1.00001.S.pack")
    assert run("remove", renamed, "--member", "member_ouss_id2") == 1
    assert Code.PACKAGE_RENAMED in capsys.readouterr().err
    assert not (control / "plan").exists()
