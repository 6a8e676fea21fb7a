"""Audits of a shelf: what is verified when, what is noticed, and what becomes of the catalogue."""

import errno
import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from qa2pack.executor.transaction.lock import locked_for_writing
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack import api
from qa2pack.pack.audit.outputs import default_catalogue
from qa2pack.pack.audit.shelved import Standing
from qa2pack.pack.audit.stock import Stock, take_stock
from qa2pack.pack.audit.view import audit_view
from qa2pack.pack.audit.walk import walk_packages
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.terminal.style import Style
from support.commands import run_here
from support.file_systems import quota_disk, small_disk
from support.in_process import Delivery, make_reduction, write
from support.opened_files import opened_paths
from support.report_pages import EVIL
from support.shelves import NAMES, ONE, THREE, TWO, Shelf, Steps, make_shelf, move
from support.tools import needs_root
from support.users import as_ordinary_user, folder_of_everybody

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shelf(tmp_path_factory.mktemp("shelf") / "packages")


@pytest.fixture
def shelf(made: Path, tmp_path: Path) -> Shelf:
    """Three packages that no audit has seen."""
    return Shelf(shutil.copytree(made, tmp_path / "packages"), tmp_path / "catalogue.sqlite")


def refused(shelf: Shelf, *roots: Path, **choices: object) -> list[Problem]:
    with pytest.raises(Refused) as caught:
        shelf.audit(*roots, **choices)
    return list(caught.value.problems)


def test_packages_at_any_depth_are_found_and_verified(shelf: Shelf) -> None:
    audited = shelf.audit()
    assert shelf.changes(audited) == [("new", name) for name in NAMES]
    assert shelf.verified(audited) == list(NAMES)
    assert (audited.wrong, audited.summary.counts[Standing.GOOD], audited.summary.byte_count > 0) == ((), 3, True)


def test_links_are_not_followed_and_a_plan_alone_is_no_package(shelf: Shelf, delivery: Delivery) -> None:
    (shelf.path / "link").symlink_to(shelf.path / "a")
    Delivery(delivery.origin, shelf.path / "planned").plan()
    assert shelf.verified(shelf.audit()) == list(NAMES)


def test_packages_below_the_topmost_folder_have_the_paths_that_they_have_below_others(shelf: Shelf) -> None:
    needs_root("have another topmost folder")
    walk = "print(*walk_packages(b'/', print))"
    program = (
        f"import os; from qa2pack.pack.audit.walk import walk_packages; os.chroot({os.fspath(shelf.path)!r}); {walk}"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [repr(os.fsencode("/" + name)) for name in NAMES]


def test_one_that_waits_longest_comes_first(shelf: Shelf) -> None:
    shelf.audit(shelf.path / TWO)
    shelf.audit(shelf.path / THREE)
    shelf.audit(shelf.path / ONE)
    assert shelf.verified(shelf.audit()) == [TWO, THREE, ONE]


def test_no_package_is_begun_after_the_time_and_the_next_run_goes_on(shelf: Shelf) -> None:
    shelf.time.step = 10
    first = shelf.audit(seconds=15)
    assert (shelf.verified(first), first.left_count) == ([ONE], 2)
    second = shelf.audit(seconds=15)
    assert (shelf.verified(second), second.left_count) == ([TWO], 2)
    assert shelf.verified(shelf.audit()) == [THREE, ONE, TWO]


def test_package_that_will_not_fit_is_left_and_is_the_first_of_the_next_run(shelf: Shelf) -> None:
    shelf.time.step = 1
    shelf.audit(shelf.path / ONE)
    shelf.time.step = 1000
    shelf.audit(shelf.path / TWO)  # takes so long
    shelf.time.step = 1
    shelf.audit(shelf.path / THREE)
    assert shelf.verified(shelf.audit(seconds=100)) == [ONE, THREE]
    assert shelf.verified(shelf.audit(seconds=100)) == [TWO, ONE, THREE]


def test_what_was_verified_lately_is_left(shelf: Shelf) -> None:
    shelf.audit(shelf.path / "a")
    again = shelf.audit(every_seconds=30 * 86_400)
    assert (shelf.verified(again), again.left_count) == ([THREE], 0)


def test_damage_is_noted_until_a_verification_is_good(shelf: Shelf) -> None:
    shelf.audit()
    text = shelf.script(TWO).read_bytes()
    shelf.script(TWO).write_bytes(b"other")
    audited = shelf.audit()
    assert shelf.wrong(audited) == [(TWO, "problems")]
    assert [each.code for each in audited.wrong[0].findings] == [Code.TRUNCATED]
    shelf.script(TWO).write_bytes(text)
    assert shelf.wrong(shelf.audit(every_seconds=1e6)) == [(TWO, "problems")]
    assert shelf.wrong(shelf.audit(shelf.path / TWO)) == []


def test_of_many_problems_the_first_are_kept_with_their_number(shelf: Shelf) -> None:
    for number in range(30):
        write(shelf.script(ONE).with_name(f"added{number}"), b"x")
    (wrong,) = shelf.audit().wrong
    assert (wrong.package.problem_count, len(wrong.findings)) == (30, 20)


def test_package_that_cannot_be_verified_keeps_nobody_from_the_others(shelf: Shelf) -> None:
    Path(f"{shelf.path / ONE}.pack/journal").write_bytes(b"no journal")
    audited = shelf.audit()
    assert shelf.wrong(audited) == [(ONE, "failed")]
    assert [each.code for each in audited.wrong[0].findings] == [Code.JOURNAL_DAMAGED]
    assert audited.wrong[0].package.verified_ns is None
    assert shelf.verified(audited) == list(NAMES)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--allowed-signers", "/nowhere/signers"), Code.SIGNERS_UNUSABLE),
        (("--cluster", "tcp://192.0.2.1:8786"), Code.NOT_ENCRYPTED),
    ],
)
def test_what_keeps_the_run_from_its_work_is_not_noted_of_a_package(
    capsys: Capsys, shelf: Shelf, options: tuple[str, ...], code: Code
) -> None:
    ran = run_here(capsys, "audit", shelf.path, "--catalogue", shelf.catalogue, *options, "--json")
    assert (ran.code, [each["code"] for each in json.loads(ran.out)["problems"]]) == (Exit.FAILED, [code])
    assert shelf.wrong(shelf.audit(every_seconds=1e9)) == []


def test_package_that_is_being_applied_is_left_for_later(shelf: Shelf) -> None:
    with locked_for_writing(lock_path(Package(os.fsencode(shelf.path / ONE)))):
        audited = shelf.audit()
    assert ([shelf.relative(path) for path in audited.busy], shelf.verified(audited)) == ([ONE], [TWO, THREE])
    assert (audited.wrong, audited.left_count) == ((), 0)
    assert shelf.verified(shelf.audit())[0] == ONE


@dataclass
class SignalledAt(Steps):
    """A clock that sends a signal to this process when it is asked for the nth time."""

    left: int = 0

    def seconds(self) -> float:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        return 0


def test_signal_just_before_a_package_is_read_stops_it(shelf: Shelf) -> None:
    shelf.time = SignalledAt(left=2)  # the first time is that of the run, the second that of the package
    audited = shelf.audit()
    assert (audited.is_stopped, audited.verified, audited.left_count) == (True, (), 3)


def test_moved_package_keeps_its_verification(shelf: Shelf) -> None:
    shelf.audit()
    move(shelf.path / ONE, shelf.path / "c" / "2011.0.00001.S")
    audited = shelf.audit(every_seconds=1e6)
    assert shelf.changes(audited) == [("moved", "c/2011.0.00001.S")]
    assert (shelf.relative(audited.changes[0].was), audited.verified, audited.wrong) == (ONE, (), ())


def test_python_interface_audits(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(shelf.path)
    audited = api.audit(["a", "b/deep"], shelf.catalogue, api.Workers(1), report=tmp_path / "shelf.html", seconds=1e6)
    assert shelf.verified(audited) == list(NAMES)
    assert audited.summary.counts[Standing.GOOD] == 3
    assert (tmp_path / "shelf.html").stat().st_size > 0
    again = api.audit(["."], shelf.catalogue, api.Workers(1), every_seconds=1e9)
    assert (again.verified, again.left_count) == ((), 0)


def test_renamed_package_is_told_as_moved_and_is_verified_again(shelf: Shelf, capsys: Capsys) -> None:
    shelf.audit()
    for old, new in ((ONE, "2011.0.00008.S"), ("a/2011.0.00008.S", "2011.0.00009.S")):
        assert run_here(capsys, "rename", shelf.path / old, new, "-q").code == Exit.DONE
    audited = shelf.audit(every_seconds=1e6)
    assert shelf.changes(audited) == [("moved", "a/2011.0.00009.S")]
    assert shelf.relative(audited.changes[0].was) == ONE
    assert (shelf.verified(audited), audited.wrong) == (["a/2011.0.00009.S"], ())


def test_package_that_has_the_old_name_of_another_one_is_new(shelf: Shelf, capsys: Capsys, tmp_path: Path) -> None:
    shelf.audit()
    shutil.copytree(shelf.path / "a", tmp_path / "copy")
    run_here(capsys, "rename", shelf.path / ONE, "2011.0.00009.S", "-q")
    move(tmp_path / "copy/2011.0.00001.S", shelf.path / ONE)
    assert ("new", "a/2011.0.00009.S") in shelf.changes(shelf.audit())


def test_copy_is_a_package_of_its_own(shelf: Shelf) -> None:
    shelf.audit()
    shutil.copytree(shelf.path / "a", shelf.path / "c")
    assert shelf.changes(shelf.audit()) == [("new", "c/2011.0.00001.S"), ("new", "c/2011.0.00002.S")]


def test_package_that_is_gone_is_wrong_until_it_is_forgotten(shelf: Shelf, tmp_path: Path) -> None:
    shelf.audit()
    move(shelf.path / TWO, tmp_path / "away" / "2011.0.00002.S")
    audited = shelf.audit()
    assert (shelf.changes(audited), shelf.wrong(audited)) == ([("gone", TWO)], [(TWO, "gone")])
    audited = shelf.audit()
    assert (shelf.changes(audited), shelf.wrong(audited)) == ([], [(TWO, "gone")])
    audited = shelf.audit(is_forgetting=True)
    assert (audited.forgotten_count, shelf.wrong(audited), audited.summary.package_count) == (1, [], 2)


def test_package_that_comes_back_is_wrong_no_more(shelf: Shelf, tmp_path: Path) -> None:
    shelf.audit()
    move(shelf.path / TWO, tmp_path / "away" / "2011.0.00002.S")
    shelf.audit()
    move(tmp_path / "away" / "2011.0.00002.S", shelf.path / TWO)
    audited = shelf.audit()
    assert (shelf.changes(audited), shelf.wrong(audited)) == ([("returned", TWO)], [])


def test_changed_package_is_verified_before_the_others(shelf: Shelf, tmp_path: Path) -> None:
    shelf.audit()
    second = make_reduction(tmp_path / "second", uid="uid___A002_X1_X2", seed=9)
    Delivery(second, shelf.path / THREE).make(Mode.COPY, append=Append.MEMBER)
    audited = shelf.audit()
    assert shelf.changes(audited) == [("changed", THREE)]
    assert shelf.verified(audited) == [THREE, ONE, TWO]


def test_package_whose_manifests_were_touched_is_not_changed(shelf: Shelf) -> None:
    shelf.audit()
    for manifest in shelf.path.rglob("*.manifest"):
        os.utime(manifest, ns=(1, 1))
    audited = shelf.audit(every_seconds=1e6)
    assert (shelf.changes(audited), shelf.verified(audited)) == ([], [])


def test_root_that_is_not_there_is_refused_and_nothing_is_gone(shelf: Shelf) -> None:
    shelf.audit()
    shelf.path.rename(shelf.path.with_name("unmounted"))
    assert [problem.code for problem in refused(shelf, shelf.path)] == [Code.PATH_MISSING]
    shelf.path.touch()
    assert [problem.code for problem in refused(shelf, shelf.path)] == [Code.PATH_OTHER]
    shelf.path.unlink()
    shelf.path.with_name("unmounted").rename(shelf.path)
    assert shelf.changes(shelf.audit()) == []


def test_packages_of_other_roots_do_not_count(shelf: Shelf) -> None:
    shelf.audit()
    shutil.rmtree(shelf.path / "b")
    audited = shelf.audit(shelf.path / "a")
    assert (shelf.changes(audited), audited.summary.package_count) == ([], 2)


def test_folder_that_may_not_be_searched_hides_packages_and_makes_them_not_gone(made: Path) -> None:
    with folder_of_everybody() as common:
        path = shutil.copytree(made, common / "packages")
        (common / "own").mkdir(mode=0o777)
        (common / "own").chmod(0o777)
        with as_ordinary_user() as user:
            for above, folders, names in os.walk(common):
                for name in (*folders, *names):
                    with suppress(PermissionError):
                        os.chown(os.path.join(above, name), user, -1)
            shelf = Shelf(path, common / "own" / "catalogue")
            shelf.audit()
        closed = (path / "b", path / f"{ONE}.pack" / "manifests")
        for folder in closed:
            folder.chmod(0)
        with as_ordinary_user():
            audited = shelf.audit()
        for folder in closed:
            folder.chmod(0o755)
    assert {(problem.code, shelf.relative(problem.path)) for problem in audited.unsearched} == {
        (Code.ACCESS_DENIED, "b"),
        (Code.ACCESS_DENIED, f"{ONE}.pack/manifests"),
    }
    assert [change for change in audited.changes if change.kind == "gone"] == []


def test_manifests_that_did_not_change_are_not_read_to_take_stock(shelf: Shelf) -> None:
    shelf.audit()
    with opened_paths() as paths:
        shelf.audit(every_seconds=1e6)
    assert [path for path in paths if path.endswith(b".manifest")] == []


def test_damaged_catalogue_is_refused(shelf: Shelf) -> None:
    shelf.audit()
    with shelf.catalogue.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    assert [problem.code for problem in refused(shelf)] == [Code.CATALOGUE_UNUSABLE]


@pytest.mark.parametrize("pages", [1, 3, 5, 8, 12, 16])
def test_full_disk_of_the_catalogue_is_named_as_such(shelf: Shelf, tmp_path: Path, pages: int) -> None:
    """It is not damaged: to move it away would lose what was verified."""
    with small_disk(tmp_path / "small", size=pages * os.sysconf("SC_PAGE_SIZE")) as small:
        shelf.catalogue = small / "catalogue.sqlite"
        with pytest.raises(OSError, check=lambda error: error.errno == errno.ENOSPC) as caught:
            shelf.audit()
        assert caught.value.filename == os.fsencode(shelf.catalogue)


def test_disk_without_inodes_for_what_is_beside_the_catalogue_is_full(shelf: Shelf, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", inodes=3) as small:
        shelf.catalogue = small / "catalogue.sqlite"
        with pytest.raises(OSError, check=lambda error: error.errno == errno.ENOSPC):
            shelf.audit()


def test_quota_of_the_catalogue_that_is_used_up_is_named_as_such(shelf: Shelf, tmp_path: Path) -> None:
    with quota_disk(tmp_path / "disk", 1 << 20) as disk:
        shelf.catalogue = disk / "catalogue.sqlite"
        shelf.audit()
        with suppress(OSError), (disk / "filling").open("wb", buffering=0) as filling:
            while filling.write(os.urandom(1 << 16)):
                os.fsync(filling)
        with pytest.raises(OSError, check=lambda error: error.errno == errno.EDQUOT):
            shelf.audit()


def test_catalogue_that_the_system_refuses_to_write_is_not_called_damaged(shelf: Shelf) -> None:
    """As under `ulimit -f`."""
    shelf.audit()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        with pytest.raises(OSError, check=lambda error: error.errno == errno.EFBIG) as caught:
            shelf.audit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == os.fsencode(shelf.catalogue)


def test_damage_that_this_run_would_not_meet_is_found(shelf: Shelf) -> None:
    shelf.audit()
    with closing(sqlite3.connect(shelf.catalogue)) as catalogue:
        ((page,),) = catalogue.execute("SELECT rootpage FROM sqlite_master WHERE name = 'finding'")
        ((size,),) = catalogue.execute("PRAGMA page_size")
    with shelf.catalogue.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    assert [problem.code for problem in refused(shelf, every_seconds=1e9)] == [Code.CATALOGUE_UNUSABLE]


@pytest.mark.parametrize(
    "values",
    [
        "file_count = 'many'",
        "file_count = x'00'",
        "path = 'text'",
        "path = x'61'",
        "path = x'2f00'",
        "result = 'none of ours'",
        "seconds = 'long'",
    ],
)
def test_catalogue_with_values_that_it_cannot_have_is_damaged(shelf: Shelf, values: str) -> None:
    shelf.audit()
    with closing(sqlite3.connect(shelf.catalogue)) as catalogue, catalogue:
        catalogue.execute(f"UPDATE package SET {values} WHERE id = 2")
    assert [problem.code for problem in refused(shelf)] == [Code.CATALOGUE_UNUSABLE]


def test_file_of_one_byte_is_no_catalogue_and_is_left(shelf: Shelf) -> None:
    shelf.catalogue.write_bytes(b"y")
    assert [problem.code for problem in refused(shelf)] == [Code.CATALOGUE_UNUSABLE]
    assert shelf.catalogue.read_bytes() == b"y"


def test_catalogue_of_another_program_is_refused_and_left(shelf: Shelf) -> None:
    with closing(sqlite3.connect(shelf.catalogue)) as other, other:
        other.execute("CREATE TABLE mine (a)")
    before = shelf.catalogue.read_bytes()
    assert [problem.found for problem in refused(shelf)] == ["a database of another program"]
    assert shelf.catalogue.read_bytes() == before


def test_catalogue_is_in_the_state_folder_of_the_user() -> None:
    assert default_catalogue({"XDG_STATE_HOME": "/s", "HOME": "/h"}) == b"/s/qa2pack/catalogue.sqlite"
    assert default_catalogue({"XDG_STATE_HOME": "s", "HOME": "/h"}) == b"/h/.local/state/qa2pack/catalogue.sqlite"
    assert default_catalogue({}) == b""


@pytest.mark.parametrize("choice", ["catalogue", "report", "metrics"])
def test_nothing_is_written_into_a_package(shelf: Shelf, choice: str) -> None:
    for place in (shelf.script(ONE).with_name("new"), Path(f"{shelf.path / ONE}.pack/new")):
        problems = refused(shelf, **{choice: os.fsencode(place)})
        assert [problem.code for problem in problems] == [Code.OUTPUT_PROTECTED]


def test_only_pages_and_metrics_are_replaced(shelf: Shelf, tmp_path: Path) -> None:
    page, metrics = tmp_path / "shelf.html", tmp_path / "shelf.prom"
    for _ in range(2):
        shelf.audit(report=os.fsencode(page), metrics=os.fsencode(metrics))
    swapped = {"report": os.fsencode(metrics), "metrics": os.fsencode(page)}
    for choice, path in swapped.items():
        assert [problem.code for problem in refused(shelf, **{choice: path})] == [Code.OUTPUT_EXISTS]


def test_walk_enters_no_package(shelf: Shelf) -> None:
    shutil.copytree(shelf.path / "b", shelf.path / ONE / "inner")
    found = list(walk_packages(os.fsencode(shelf.path), lambda _: None))
    assert [shelf.relative(path) for path in found] == list(NAMES)


def run(capsys: Capsys, shelf: Shelf, *options: str | Path) -> tuple[int, str]:
    ran = run_here(capsys, "audit", shelf.path, "--catalogue", shelf.catalogue, "--jobs", "1", *options)
    return ran.code, ran.out


def test_quiet_audit_prints_only_what_is_wrong(capsys: Capsys, shelf: Shelf) -> None:
    assert run(capsys, shelf, "--quiet") == (Exit.DONE, "")
    shelf.script(ONE).unlink()
    code, out = run(capsys, shelf, "--quiet")
    assert code == Exit.PROBLEMS
    assert out.startswith("1 package to be looked at, of 3 packages, ")
    assert f"\n  {shelf.path / ONE}: 1 problem, found " in out
    assert "\n    missing sg_ouss_id/group_ouss_id/member_ouss_id/script/scriptForImaging.py" in out


def test_shelf_without_a_package_is_not_good_and_never_silent(capsys: Capsys, tmp_path: Path) -> None:
    page = tmp_path / "shelf.html"
    words = ("--catalogue", tmp_path / "catalogue", "--quiet", "--report", page)
    (tmp_path / "shelf").mkdir()
    ran = run_here(capsys, "audit", tmp_path / "shelf", *words)
    assert (ran.code, ran.out.splitlines()[0]) == (Exit.PROBLEMS, f"There is no package below {tmp_path}/shelf")
    assert "All as packaged" not in page.read_text()


def test_folder_on_a_failing_disk_is_what_the_text_begins_with(shelf: Shelf) -> None:
    audited = shelf.audit()
    failing, closed = (
        Problem(Code.DISK_ERROR, b"/s/a", found="Input/output error"),
        Problem(Code.ACCESS_DENIED, b"/s/b"),
    )
    view = audit_view(replace(audited, unsearched=(failing, closed)), is_quiet=True)
    lines = list(view.lines(Style()))
    assert (view.code, lines[0].split(";")[0]) == (Exit.PROBLEMS, "1 folder could not be searched")
    assert "not searched: /s/a; Input/output error" in lines
    assert audit_view(replace(audited, unsearched=(closed,)), is_quiet=True).code == Exit.DONE


def test_folder_on_a_failing_disk_is_on_the_page_and_in_the_metrics(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing, closed = (
        Problem(Code.DISK_ERROR, b"/s/a", found="Input/output error"),
        Problem(Code.ACCESS_DENIED, b"/s/<b>", found="Permission denied"),
    )
    page, metrics = tmp_path / "shelf.html", tmp_path / "shelf.prom"
    for unsearched, state, count in (
        ((failing, closed), "1 folder could not be searched", 1),
        ((closed,), "All as packaged", 0),
        ((), "All as packaged", 0),
    ):
        monkeypatch.setattr("qa2pack.pack.audit.make.take_stock", partial(_stock_without, unsearched))
        shelf.audit(report=os.fsencode(page), metrics=os.fsencode(metrics))
        shown = Page(page)
        assert state in shown.text
        assert ("All as packaged" in shown.text) == (not count)
        assert [each.path.decode() in shown.text for each in (failing, closed)] == [
            each in unsearched for each in (failing, closed)
        ]
        assert f"\nqa2pack_audit_failed_folders {count}\n" in metrics.read_text()


def _stock_without(unsearched: tuple[Problem, ...], *words: Any) -> Stock:
    return replace(take_stock(*words), unsearched=unsearched)


def test_advised_commands_bring_the_shelf_in_order(capsys: Capsys, shelf: Shelf) -> None:
    run(capsys, shelf)
    text = shelf.script(ONE).read_bytes()
    shelf.script(ONE).unlink()
    shutil.rmtree(shelf.path / "b")
    _, out = run(capsys, shelf)
    verify, again, forget = (line.split()[1:] for line in out.splitlines() if line.startswith("  pack "))
    assert run_here(capsys, *verify).code == Exit.PROBLEMS
    shelf.script(ONE).write_bytes(text)
    assert [run_here(capsys, *again).code, run_here(capsys, *forget).code] == [Exit.DONE, Exit.DONE]


def test_json_has_all_that_is_known(capsys: Capsys, shelf: Shelf) -> None:
    shelf.script(ONE).unlink()
    code, out = run(capsys, shelf, "--json")
    fields = json.loads(out)
    page = (Path(__file__).parents[1] / "docs/commands.md").read_text()
    assert (code, fields["exit_code"], fields["summary"]["problems_count"]) == (3, 3, 1)
    assert [each["path"] for each in fields["wrong"]] == [str(shelf.path / ONE)]
    assert [name for name in (*fields, *fields["summary"], *fields["wrong"][0]) if f"`{name}`" not in page] == []


def test_json_has_the_very_path_of_what_was_written(capsys: Capsys, shelf: Shelf, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.html"
    fields = json.loads(run(capsys, shelf, "--report", os.fsdecode(path), "--json")[1])
    assert (bytes.fromhex(fields["report_bytes"]), fields["metrics"]) == (path, None)


def test_progress_tells_which_package_is_verified_and_counts_each_anew(capsys: Capsys, shelf: Shelf) -> None:
    ran = run_here(capsys, "audit", shelf.path, "--catalogue", shelf.catalogue, "--progress", "json")
    ended = [event for line in ran.err.splitlines() if (event := json.loads(line))["event"] == "phase-end"]
    member = "verify group_ouss_id/member_ouss_id"
    assert [each["phase"] for each in ended] == [
        f"{Path(name).name} ({at} of 3): {member}" for at, name in enumerate(NAMES, start=1)
    ]
    assert all(each["file_count"] == each["all_file_count"] > 0 for each in ended)


def test_metrics_are_in_the_format_of_prometheus(shelf: Shelf, tmp_path: Path) -> None:
    shelf.path.joinpath("a").rename(shelf.path / 'a"\\\n')
    shelf.audit(metrics=os.fsencode(tmp_path / "shelf.prom"))
    text = (tmp_path / "shelf.prom").read_text()
    line = r'(# (HELP|TYPE) \w+ .+|qa2pack_audit_[a-z_]+(\{[a-z]+="([^"\\\n]|\\["\\n])*"\})? [0-9.]+)\n'
    assert re.fullmatch(f"({line})+", text)
    assert 'qa2pack_audit_packages{standing="good"} 3\n' in text
    names = [line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert names == sorted(names, key=names.index)  # those of one name are together


class Page(HTMLParser):
    """The links and the text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_links_to_the_report_of_each_package(capsys: Capsys, shelf: Shelf, tmp_path: Path) -> None:
    odd = shelf.path / "odd #%?" / "2011.0.00001.S"
    move(shelf.path / ONE, odd)
    assert run_here(capsys, "report", odd, "--quiet").code == Exit.DONE
    (tmp_path / "pages").mkdir()
    shelf.audit(report=os.fsencode(tmp_path / "pages/shelf.html"))
    links = [link for link in Page(tmp_path / "pages/shelf.html").links if not link.startswith("#")]
    paths = [unquote(urlsplit(link).path) for link in links]
    assert [(tmp_path / "pages" / path).resolve() for path in paths] == [Path(f"{odd}.report.html")]


def test_nothing_on_the_page_is_taken_for_html(shelf: Shelf, tmp_path: Path) -> None:
    shelf.path.joinpath("a").rename(shelf.path / EVIL.decode())
    write(shelf.script(THREE).with_name(EVIL.decode()), b"x")
    shelf.audit(report=os.fsencode(tmp_path / "shelf.html"))
    page = Page(tmp_path / "shelf.html")
    assert page.tags & {"script", "img"} == set()
    assert page.text.count(EVIL.decode()) >= 3
