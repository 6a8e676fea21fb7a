"""Worklists: many packages by one command, as a person types it; what fails, what is stopped, and going on."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from qa2pack.executor.transaction.lock import locked_for_writing
from qa2pack.pack.commands import run_log
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs import batch as batch_job
from support.commands import ROOT, Ran, run_here
from support.file_systems import file_in_memory
from support.in_process import make_reduction, write
from support.snapshots import snapshot

Capsys = pytest.CaptureFixture[str]
_LIST = """\
[[job]]
origin = "sb1"
package = "P.S"

[[job]]
origin = "broken"
package = "Q.S"

[[job]]
origin = "sb2"
package = "P.S"
append = "member"
exclude = ["scriptForImaging.py"]
"""
_FIRST, _SECOND = "group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: three scheduling blocks, of which one is broken, and the list of them."""
    make_reduction(tmp_path / "data/sb1")
    make_reduction(tmp_path / "data/sb2", seed=2)
    (tmp_path / "data/broken").mkdir()
    (tmp_path / "data/list.toml").write_text(_LIST)
    monkeypatch.chdir(tmp_path / "data")
    return tmp_path / "data"


def _batch(capsys: Capsys, verb: str, *more: str) -> Ran:
    words = more if "--each" in more else ("list.toml", *more)
    return run_here(capsys, "batch", verb, *words, "--mode", "copy", "--jobs", "1", "--quiet")


def _states(capsys: Capsys, *more: str) -> list[str]:
    return [job["state"] for job in json.loads(_batch(capsys, "status", "--json", *more).out)["jobs"]]


def test_three_blocks_of_which_one_is_broken(capsys: Capsys, project: Path) -> None:
    planned = _batch(capsys, "plan")
    assert (planned.code, planned.err.count("no-place: ")) == (Exit.FAILED, 1)
    assert [line.split("; ")[0] for line in planned.out.splitlines()] == [
        f"sb1 in P.S     planned: {_FIRST}, 15 files, 36.5 KiB",
        "broken in Q.S  not done: no-place",
        "sb2 in P.S     is planned by apply, after line 1",
        "3 jobs",
        "Nothing has been changed yet.",
        "To read the whole plans:",
        "  pack batch plan list.toml --mode=copy --jobs=1 --all",
        "To apply what is planned:",
        "  pack batch apply list.toml --mode=copy --jobs=1",
    ]
    applied = _batch(capsys, "apply")
    assert applied.code == Exit.FAILED
    assert applied.out.splitlines() == [
        f"sb1 in P.S     applied: {_FIRST}",
        "broken in Q.S  not done: plan-missing",
        f"sb2 in P.S     applied: {_SECOND}",
        "3 jobs; 1 not done",
    ]
    verified = _batch(capsys, "verify")
    assert verified.out.splitlines() == [
        "P.S  all as packaged",
        "Q.S  not done: package-missing",
        "2 packages; 1 not done",
    ]
    assert [path.parts[-3] for path in Path("P.S").rglob("scriptForImaging.py")] == ["member_ouss_id"]


def test_given_again_it_does_only_what_is_left(capsys: Capsys, project: Path) -> None:
    _batch(capsys, "plan")
    plan = Path("P.S.pack/plan").stat()
    assert "sb1 in P.S     planned before: " in _batch(capsys, "plan").out
    assert Path("P.S.pack/plan").stat().st_ino == plan.st_ino
    _batch(capsys, "apply")
    package = Path("P.S/sg_ouss_id").stat().st_ino
    make_reduction(project / "broken", seed=3)  # what was broken is mended
    assert _batch(capsys, "plan").code == Exit.DONE
    assert _states(capsys) == ["applied", "planned", "applied"]
    again = _batch(capsys, "apply")
    assert (again.code, again.out.splitlines()) == (
        Exit.DONE,
        [
            f"sb1 in P.S     applied before: {_FIRST}",
            f"broken in Q.S  applied: {_FIRST}",
            f"sb2 in P.S     applied before: {_SECOND}",
            "3 jobs",
        ],
    )
    assert Path("P.S/sg_ouss_id").stat().st_ino == package
    assert sorted(path.name for path in Path("P.S").glob("*/*/*")) == ["member_ouss_id", "member_ouss_id2"]


def test_later_job_can_be_planned_and_looked_at_once_the_earlier_one_is_applied(
    capsys: Capsys, project: Path
) -> None:
    _batch(capsys, "plan")
    run_here(capsys, "apply", "P.S", "--quiet")
    assert _states(capsys) == ["applied", "new", "new"]
    shown = _batch(capsys, "plan", "--all")
    assert f"Plan of P.S, {_SECOND}" in shown.out
    assert _states(capsys) == ["applied", "new", "planned"]
    _batch(capsys, "apply")
    assert _states(capsys) == ["applied", "new", "applied"]


def test_name_with_a_newline_stays_on_its_line(capsys: Capsys, project: Path) -> None:
    (project / "sb1").rename(project / "n\n1")
    (project / "sb2").rename(project / "n\n2")
    planned = _batch(capsys, "plan", ".", "--each", "n*", "--package", "P.S", "--append", "member")
    assert planned.out.splitlines()[1].endswith("is planned by apply, after n\\n1")


def test_later_job_is_refused_while_the_earlier_one_fails(capsys: Capsys, project: Path) -> None:
    ran = _batch(capsys, "apply")
    assert (ran.code, Path("P.S").exists()) == (Exit.FAILED, False)
    assert [line.split("not done: ")[-1] for line in ran.out.splitlines()] == [
        "plan-missing",
        "plan-missing",
        "earlier-job",
        "3 jobs; 3 not done",
    ]


_APPLY = ("batch", "apply", "list.toml", "--mode", "copy", "--jobs", "1", "--quiet")


def _held_apply(project: Path, held: Path, at: str, words: tuple[str, ...] = _APPLY) -> "subprocess.Popen[bytes]":
    """Start `pack batch apply` and return when it stands still where it opens something below the folder."""
    more = {"QA2PACK_TEST_HOLD": f"{project}/{at}", "QA2PACK_TEST_HELD": str(held)}
    process = subprocess.Popen(
        [sys.executable, "-m", "support.slow_pack", *words],
        cwd=project,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/tests", **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    while not held.exists():
        assert process.poll() is None
        time.sleep(0.01)
    return process


def test_killed_in_the_middle_it_goes_on(capsys: Capsys, project: Path, tmp_path: Path) -> None:
    _batch(capsys, "plan")
    with _held_apply(project, tmp_path / "held", "P.S.pack/staging") as process:
        process.kill()
    assert _states(capsys) == ["interrupted", "new", "later"]
    assert _batch(capsys, "apply").out.splitlines()[::2] == [
        f"sb1 in P.S     applied: {_FIRST}",
        f"sb2 in P.S     applied: {_SECOND}",
    ]
    assert run_here(capsys, "verify", "P.S", "--quiet").code == Exit.DONE


def test_stopped_job_whose_plan_is_gone_is_not_reported_as_applied(
    capsys: Capsys, project: Path, tmp_path: Path
) -> None:
    _batch(capsys, "plan")
    with _held_apply(project, tmp_path / "held", "P.S.pack/staging") as process:
        process.kill()
    Path("P.S.pack/plan").unlink()
    ran = _batch(capsys, "apply")
    assert ran.code != Exit.DONE
    assert ran.out.splitlines()[0] == "sb1 in P.S     not done: plan-missing"
    assert Path("P.S.pack/staging").is_dir()


def test_killed_in_an_added_member_it_goes_on_and_adds_it_once(capsys: Capsys, project: Path, tmp_path: Path) -> None:
    _batch(capsys, "plan")
    run_here(capsys, "apply", "P.S", "--quiet")
    with _held_apply(project, tmp_path / "held", "P.S.pack/staging") as process:
        process.kill()
    assert _states(capsys) == ["applied", "new", "interrupted"]
    _batch(capsys, "apply")
    assert _states(capsys) == ["applied", "new", "applied"]
    assert sorted(path.name for path in Path("P.S").glob("*/*/*")) == ["member_ouss_id", "member_ouss_id2"]


def test_stopped_by_a_signal_the_rest_is_not_begun(capsys: Capsys, project: Path, tmp_path: Path) -> None:
    _batch(capsys, "plan")
    with _held_apply(project, tmp_path / "held", "P.S.pack/staging") as process:
        process.terminate()
        (tmp_path / "held").unlink()
        out, _ = process.communicate()
    assert process.returncode == Exit.RESUMABLE
    assert out.decode().splitlines() == ["sb1 in P.S  not done: interrupted", "3 jobs; 1 not done; 2 not reached"]
    assert _states(capsys) == ["interrupted", "new", "later"]


def test_all_that_is_wrong_in_a_list_is_told_before_anything_is_done(capsys: Capsys, project: Path) -> None:
    Path("list.toml").write_text(
        '[[job]]\norigin = "sb1"\npackage = "P.S"\n'
        '[[job]]\norigin = "sb2"\npackage = "P.S"\n'
        '[[job]]\norigin = "sb1"\npackage = "P.S"\nappend = "member"\n'
        '[[job]]\norigin = "sb2"\n'
        '[[job]]\norigin = "sb2"\npackage = "R.S"\nmode = "soft"\n'
        '[[job]]\norigin = "sb2"\npackage = "S.S"\nstrict = "maybe"\n'
        '[[job]]\norigin = "sb2"\npackage = "T.S"\nexclude = 3\n'
        '[[job]]\norigin = "sb2"\npackage = "U.S"\ninclude = ["*.x=nothing"]\n'
        '[[job]]\norigin = "sb2"\npackage = "V.S"\nagain = true\n'
        '[[job]]\norigin = "sb2"\npackage = "P.S"\nreplace-member = "member_ouss_id"\n'
    )
    ran = _batch(capsys, "plan", "--json")
    found = [problem["found"] for problem in json.loads(ran.out)["problems"]]
    assert ran.code == Exit.FAILED
    assert {fault.partition(":")[0]: fault.partition(": ")[2][:30] for fault in found} == {
        "line 4": "it would replace the package o",
        "line 7": "the same origin and package as",
        "line 11": "package missing",
        "line 13": "Invalid value for '--mode': 'so"[:30],
        "line 17": "strict must be true or false",
        "line 21": "exclude must be a list of text",
        "line 25": "unknown-role: *.x=nothing; exp",
        "line 29": "there is no key again; there a",
        "line 33": "it would replace a member of a",
    }
    assert not list(project.glob("*.pack"))


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("given", "words"),
    [(_LIST, "  pack batch apply LIST --mode=copy --jobs=1\n"), ("origin,x\nsb1,2\n", "line 1: there is no key x")],
    ids=["right", "wrong"],
)
def test_list_out_of_a_pipe_is_read_once(given: str, words: str) -> None:
    plan = [sys.executable, "-m", "qa2pack.pack", "batch", "plan", "/dev/stdin", "--mode", "copy", "--jobs", "1"]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(plan, input=given, env=variables, capture_output=True, text=True, check=False)
    assert words in ran.stdout + ran.stderr
    assert "is a link" not in ran.stderr


def test_all_that_is_wrong_in_one_job_is_told(capsys: Capsys, project: Path) -> None:
    Path("list.toml").write_text(
        '[[job]]\norigin = "sb1"\npackage = "P.S"\nmode = "soft"\nstrict = "maybe"\nappend = "all"\n'
        'include = ["x", "*.x=nothing", "*.y=qa"]\nset = ["a=b"]\nmoda = 1\nexclude = 3\n'
        '[[job]]\nmode = "hart"\nlayout = "cycle99"\norigin = 3\n'
    )
    found = [problem["found"] for problem in json.loads(_batch(capsys, "plan", "--json").out)["problems"]]
    assert [" ".join(fault.split()[:5]) for fault in found] == [
        "line 1: there is no",
        "line 1: strict must be",
        "line 1: exclude must be",
        "line 1: Invalid value for",
        "line 1: Invalid value for",
        "line 1: unknown-role: x; expected",
        "line 1: unknown-role: *.x=nothing; expected",
        "line 1: unknown-variable: a=b; expected",
        "line 11: origin must be",
        "line 11: package missing",
        "line 11: Invalid value for",
        "line 11: unknown-layout: cycle99; expected",
    ]


def test_header_from_a_pipe_is_refused(capsys: Capsys, project: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"PI name: A\n")
    os.close(writing)
    found = json.loads(_batch(capsys, "plan", "--readme", f"/dev/fd/{reading}", "--json").out)["problems"]
    os.close(reading)
    assert [problem["found"].split(",")[0] for problem in found] == [
        f"line {line}: readme must be a file: a pipe can be read only once" for line in (1, 5, 9)
    ]
    assert not Path("P.S.pack").exists()


def test_later_job_without_an_origin_is_told_by_the_plan(capsys: Capsys, project: Path) -> None:
    Path("list.csv").write_text("origin,package,append\nsb1,P.S,\nsb9,P.S,member\nsb2,P.S,member\n")
    words = ("list.csv", "--mode", "copy", "--jobs", "1", "--quiet")
    ran = run_here(capsys, "batch", "plan", *words)
    assert ran.code == Exit.FAILED
    assert [line.split("; ")[0] for line in ran.out.splitlines()][1:] == [
        "sb9 in P.S  not done: origin-missing",
        "sb2 in P.S  is planned by apply, after line 3",
        "3 jobs",
        "Nothing has been changed yet.",
        "To read the whole plans:",
        "  pack batch plan list.csv --mode=copy --jobs=1 --all",
        "To apply what is planned:",
        "  pack batch apply list.csv --mode=copy --jobs=1",
    ]


def test_csv_says_the_same_as_toml(capsys: Capsys, project: Path) -> None:
    folder = project / "lists"
    folder.mkdir()
    (folder / "list.csv").write_text(
        "origin,package,append,exclude,strict\n../sb1,../P.S,,,\n../sb2,../P.S,member,scriptForImaging.py x,false\n"
    )
    words = ("lists/list.csv", "--mode", "copy", "--jobs", "1", "--quiet")
    assert run_here(capsys, "batch", "plan", *words).code == Exit.DONE
    assert run_here(capsys, "batch", "apply", *words).code == Exit.DONE
    assert [path.parts[-3] for path in Path("P.S").rglob("scriptForImaging.py")] == ["member_ouss_id"]
    Path("list.toml").write_text(_LIST.replace('.py"]', '.py", "x"]'))
    assert _states(capsys) == ["applied", "new", "applied"]


def test_each_folder_that_matches_is_an_origin(
    capsys: Capsys, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project / "sb.txt", b"no folder")
    each = ("--each", "sb*", ".", "--package", "made/{name}.S")
    Path("made").mkdir()
    assert _batch(capsys, "plan", *each).code == Exit.DONE
    assert _batch(capsys, "apply", *each).out.splitlines() == [
        f"sb1 in made/sb1.S  applied: {_FIRST}",
        f"sb2 in made/sb2.S  applied: {_FIRST}",
        "2 jobs",
    ]
    above = ("--each", "data/sb*/", str(project.parent), "--package", "made/{name}.S")
    assert _states(capsys, *above) == ["applied", "applied"]
    monkeypatch.chdir(project.parent)
    other = ("--each", "*", "data/", "--package", "data/{name}.S")
    assert "data/sb1 in data/sb1.S " in _batch(capsys, "plan", *other).out
    monkeypatch.chdir(project)
    none = _batch(capsys, "plan", "--each", "MOUS_*", ".", "--package", "{name}.S")
    assert (none.code, "no folder matches MOUS_*" in none.err, "the list." in none.err) == (Exit.FAILED, True, False)
    alone = _batch(capsys, "plan", "--each", "sb*", ".")
    assert (alone.code, "--each and --package go together" in alone.err) == (Exit.USAGE, True)


def test_advised_command_applies_what_was_planned_of_each_folder(capsys: Capsys, project: Path) -> None:
    words = (
        "--each",
        "sb*",
        ".",
        "--package",
        "made it/{name}.S",
        "--mode",
        "copy",
        "--all",
        "--quiet",
        "--no-settings",
    )
    Path("made it").mkdir()
    assert "To read the whole plans:" not in run_here(capsys, "batch", "plan", *words).out
    advised = shlex.split(run_here(capsys, "batch", "plan", *words).out.splitlines()[-1])
    assert advised[:2] == ["pack", "batch"]
    applied = run_here(capsys, *advised[1:])
    assert applied.out.splitlines() == [
        f"sb1 in 'made it/sb1.S'  applied: {_FIRST}",
        f"sb2 in 'made it/sb2.S'  applied: {_FIRST}",
        "2 jobs",
    ]
    assert run_here(capsys, "batch", "plan", *words).out.splitlines()[-1] == "2 jobs"


def test_progress_names_the_origin_of_each_job(capsys: Capsys, project: Path) -> None:
    words = ("--each", "sb*", ".", "--package", "{name}.S", "--mode", "copy", "--progress", "json")
    for verb, names in (("plan", ["sb1", "sb2"]), ("apply", ["sb1", "sb2"]), ("verify", ["sb1.S", "sb2.S"])):
        objects = [line for line in run_here(capsys, "batch", verb, *words).err.splitlines() if line.startswith("{")]
        titles = [each["phase"].split(": ")[0] for each in map(json.loads, objects) if "phase" in each]
        assert list(dict.fromkeys(titles)) == names


def test_packages_beside_their_origins_are_no_origins(capsys: Capsys, project: Path) -> None:
    each = ("--each", "sb*", ".", "--package", "{name}.S")
    _batch(capsys, "plan", *each)
    _batch(capsys, "apply", *each)
    assert [path.name for path in sorted(project.glob("sb1*"))][:3] == ["sb1", "sb1.S", "sb1.S.pack"]
    assert _states(capsys, *each) == ["applied", "applied"]


def test_added_member_that_fails_does_not_stop_those_after_it(capsys: Capsys, project: Path) -> None:
    make_reduction(project / "sb3", seed=3)
    each = ("--each", "[bs]*[n1-3]", ".", "--package", "P.S", "--append", "member")  # broken, sb1, sb2, sb3
    assert _batch(capsys, "plan", *each).out.splitlines()[1] == "sb1 in P.S     is planned by apply, after broken"
    assert _batch(capsys, "apply", *each).out.splitlines() == [
        "broken in P.S  not done: plan-missing",
        f"sb1 in P.S     applied: {_FIRST}",
        f"sb2 in P.S     applied: {_SECOND}",
        f"sb3 in P.S     applied: {_SECOND[:-1]}3",
        "4 jobs; 1 not done",
    ]


def test_waiting_plan_of_an_earlier_job_that_fails_gives_way(capsys: Capsys, project: Path) -> None:
    Path("list.csv").write_text("origin,package,append\nsb1,P.S,member\nsb2,P.S,member\n")
    words = ("list.csv", "--mode", "copy", "--jobs", "1", "--quiet")
    run_here(capsys, "batch", "plan", *words)
    Path("sb1").rename("elsewhere")
    assert run_here(capsys, "batch", "apply", *words).out.splitlines() == [
        "sb1 in P.S  not done: plan-other",
        f"sb2 in P.S  applied: {_FIRST}",
        "2 jobs; 1 not done",
    ]


def test_json_tells_each_job(capsys: Capsys, project: Path) -> None:
    fields = json.loads(_batch(capsys, "plan", "--json", "--all").out)
    assert (fields["command"], fields["exit_code"]) == ("batch", Exit.FAILED)
    assert fields["summary"] == {
        "job_count": 3,
        "done_count": 2,
        "problem_count": 0,
        "failed_count": 1,
        "left_count": 0,
    }
    first, broken, later = fields["jobs"]
    assert first["plan"]["mode"] == "copy"
    assert {key: first[key] for key in ("place", "state", "is_done_now", "member", "file_count", "exit_code")} == {
        "place": "line 1",
        "state": "planned",
        "is_done_now": True,
        "member": _FIRST,
        "file_count": 15,
        "exit_code": 0,
    }
    assert (broken["place"], broken["problems"][0]["code"]) == ("line 5", "no-place")
    assert (later["state"], later["file_count"], later["origin"]) == ("later", None, f"{project}/sb2")
    applied = json.loads(_batch(capsys, "apply", "--json").out)["jobs"]
    assert (applied[0]["state"], applied[0]["is_done_now"]) == ("applied", True)
    assert applied[0]["plan_digest"] == first["plan_digest"]


# --- what was changed meanwhile


def test_plan_is_made_again_when_origin_options_or_readme_changed(capsys: Capsys, project: Path) -> None:
    header = write(project / "header.txt", b"PI name: A. Person\n")
    readme = ("--readme", str(header))
    _batch(capsys, "plan", *readme)
    assert "planned before" in _batch(capsys, "plan", *readme).out
    header.write_bytes(b"PI name: B. Person\n")
    assert _states(capsys, *readme) == ["other-plan", "new", "later"]
    assert "sb1 in P.S     planned: " in _batch(capsys, "plan", *readme).out
    (project / "sb1/another.fits").write_bytes(b"new in the origin")
    assert _states(capsys, *readme) == ["stale", "new", "later"]
    assert "16 files" in _batch(capsys, "plan", *readme).out
    assert _states(capsys, *readme, "--strict") == ["planned", "new", "later"]
    for other in (["--no-split"], ["--compression", "9"]):
        assert _states(capsys, *readme, *other) == ["other-plan", "new", "later"]


def test_job_with_a_header_in_memory_or_from_an_open_file_is_planned_once(capsys: Capsys, project: Path) -> None:
    with file_in_memory() as header:
        write(Path(header.name), b"PI name: A\n")
        for path in (header.name, f"/proc/self/fd/{header.fileno()}"):
            _batch(capsys, "plan", "--readme", path)
            assert _states(capsys, "--readme", path)[0] == "planned"


def test_plan_is_made_again_when_a_file_of_the_plan_changed(capsys: Capsys, project: Path) -> None:
    _batch(capsys, "plan")
    (project / "sb1/scriptForImaging.py").write_bytes(b"other words")
    assert _states(capsys) == ["stale", "new", "later"]
    assert "sb1 in P.S     not done: origin-changed" in _batch(capsys, "apply").out
    assert "sb1 in P.S     planned: " in _batch(capsys, "plan").out
    (project / "sb1/scriptForImaging.py").unlink()
    assert _states(capsys) == ["stale", "new", "later"]


def test_plan_is_made_again_when_the_package_changed(capsys: Capsys, project: Path) -> None:
    _batch(capsys, "plan")
    _batch(capsys, "apply")
    Path("list.toml").write_text('[[job]]\norigin = "sb1"\npackage = "P.S"\nmode = "fake"\n')
    _batch(capsys, "plan")
    assert _states(capsys) == ["planned"]
    shutil.rmtree("P.S/sg_ouss_id/group_ouss_id/member_ouss_id2")
    for manifest in Path("P.S.pack/manifests").glob("*member_ouss_id2*"):
        manifest.unlink()
    assert _states(capsys) == ["stale"]


def test_plan_of_a_later_job_is_not_applied_before_the_earlier_job(capsys: Capsys, project: Path) -> None:
    words = ("--append", "member", "--exclude", "scriptForImaging.py", "--mode", "copy", "--quiet")
    run_here(capsys, "plan", "sb2", "P.S", *words)
    assert "sb2 in P.S     not done: earlier-job" in _batch(capsys, "apply").out
    assert not Path("P.S").exists()


def test_plan_of_something_else_is_not_applied(capsys: Capsys, project: Path) -> None:
    run_here(capsys, "plan", "sb2", "P.S", "--quiet")
    ran = _batch(capsys, "apply")
    advised = "        pack batch plan list.toml --mode=copy --jobs=1\n"
    assert ("plan-other" in ran.out, advised in ran.err) == (True, True)
    assert not Path("P.S").exists()


def test_unfinished_apply_of_another_origin_is_left_alone(capsys: Capsys, project: Path, tmp_path: Path) -> None:
    _batch(capsys, "plan")
    with _held_apply(project, tmp_path / "held", "P.S.pack/staging") as process:
        process.kill()
    Path("list.toml").write_text('[[job]]\norigin = "sb2"\npackage = "P.S"\n')
    assert _states(capsys) == ["in-the-way"]
    assert "not done: unfinished" in _batch(capsys, "apply").out
    assert "not done: unfinished" in _batch(capsys, "plan").out
    assert not Path("P.S").exists()


def test_unfinished_rollback_is_left_to_pack_rollback(capsys: Capsys, project: Path, tmp_path: Path) -> None:
    _batch(capsys, "plan")
    for name, words in (("one", _APPLY), ("two", ("rollback", "P.S", "--quiet"))):
        with _held_apply(project, tmp_path / name, "P.S.pack/staging", words) as process:
            process.kill()
    assert _states(capsys) == ["in-the-way", "new", "later"]
    ran = _batch(capsys, "apply")
    assert "sb1 in P.S     not done: unfinished" in ran.out
    assert ("pack rollback P.S" in ran.err, "pack apply P.S" in ran.err) == (True, False)


def test_member_with_other_options_is_never_added_twice(capsys: Capsys, project: Path) -> None:
    _batch(capsys, "plan")
    _batch(capsys, "apply")
    Path("list.toml").write_text(_LIST.replace('.py"]', '.py", "ipython.log"]'))
    ran = _batch(capsys, "apply")
    assert ran.out.splitlines()[2] == "sb2 in P.S     not done: made-otherwise"
    assert len(list(Path("P.S").glob("*/*/*"))) == 2


def test_plan_that_replaces_a_package_says_so(capsys: Capsys, project: Path) -> None:
    _batch(capsys, "plan")
    _batch(capsys, "apply")
    Path("list.toml").write_text('[[job]]\norigin = "sb1"\npackage = "P.S"\nmode = "fake"\n')
    assert "; REPLACES 2 members" in _batch(capsys, "plan").out


def test_replaced_member_is_replaced_once(capsys: Capsys, project: Path) -> None:
    _batch(capsys, "plan")
    _batch(capsys, "apply")
    Path("list.toml").write_text('[[job]]\norigin = "sb1"\npackage = "P.S"\nreplace-member = "member_ouss_id2"\n')
    assert "; REPLACES this member" in _batch(capsys, "plan").out
    assert f"applied: {_SECOND}" in _batch(capsys, "apply").out
    assert _states(capsys) == ["applied"]
    assert "applied before" in _batch(capsys, "plan").out


def test_member_is_replaced_also_if_it_was_made_of_the_same_origin(capsys: Capsys, project: Path) -> None:
    _batch(capsys, "plan")
    _batch(capsys, "apply")
    Path("list.toml").write_text('[[job]]\norigin = "sb1"\npackage = "P.S"\nreplace-member = "member_ouss_id"\n')
    assert _states(capsys) == ["new"]


def test_option_taken_out_of_the_list_is_remembered_unless_nothing_is(capsys: Capsys, project: Path) -> None:
    _batch(capsys, "plan")
    _batch(capsys, "apply")
    Path("list.toml").write_text(_LIST.replace("exclude", "# exclude"))
    assert _states(capsys) == ["applied", "new", "applied"]
    assert "sb2 in P.S     not done: made-otherwise" in _batch(capsys, "status", "--no-recall").out


def test_member_that_another_run_adds_meanwhile_is_not_added_again(
    capsys: Capsys, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _batch(capsys, "plan")
    run_here(capsys, "apply", "P.S", "--quiet")
    look_at = batch_job.look_at

    def look_before_it_is_added(job: batch_job.Job) -> batch_job.Found:
        found = look_at(job)
        if found.state is batch_job.JobState.NEW and job.earlier:
            monkeypatch.setattr(batch_job, "look_at", look_at)
            _batch(capsys, "apply")
        return found

    monkeypatch.setattr(batch_job, "look_at", look_before_it_is_added)
    assert f"sb2 in P.S     applied before: {_SECOND}" in _batch(capsys, "apply").out
    assert len(list(Path("P.S").glob("*/*/*"))) == 2


def test_plan_that_was_replaced_after_it_was_looked_at_is_not_applied(
    capsys: Capsys, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _batch(capsys, "plan")
    look_at = batch_job.look_at

    def look_before_it_is_replaced(job: batch_job.Job) -> batch_job.Found:
        found = look_at(job)
        monkeypatch.setattr(batch_job, "look_at", look_at)
        run_here(capsys, "plan", "sb2", "P.S", "--quiet")
        return found

    monkeypatch.setattr(batch_job, "look_at", look_before_it_is_replaced)
    assert "sb1 in P.S     not done: plan-other" in _batch(capsys, "apply").out
    assert not Path("P.S").exists()


def test_plan_is_made_again_when_the_layout_file_changed(capsys: Capsys, project: Path) -> None:
    ours = Path("ours.toml")
    ours.write_text(run_here(capsys, "layout").out)
    os.utime(ours, (1, 1))
    _batch(capsys, "plan", "--layout", "ours.toml")
    assert _states(capsys, "--layout", "ours.toml") == ["planned", "new", "later"]
    ours.touch()
    assert _states(capsys, "--layout", "ours.toml") == ["stale", "new", "later"]


def test_plan_is_made_again_when_a_text_changed_that_the_layout_writes(capsys: Capsys, project: Path) -> None:
    write = '[[write]]\nto = "log/a"\ntemplate = "a.jinja"\n[[write]]\nto = "log/b"\nfrom = "{b}"\n[variable.b]\n'
    Path("ours.toml").write_text(run_here(capsys, "layout").out + write)
    for name in ("ours.toml", "a.jinja", "b.txt"):
        with Path(name).open("a") as file:
            file.write("# y\n")
        os.utime(name, (1, 1))
    words = ("--layout", "ours.toml", "--set", "b=b.txt")
    _batch(capsys, "plan", *words)
    assert _states(capsys, *words) == ["planned", "new", "later"]
    Path("a.jinja").write_text("x")
    assert _states(capsys, *words) == ["stale", "new", "later"]
    Path("a.jinja").write_text("# y\n")
    assert _states(capsys, *words) == ["planned", "new", "later"]
    Path("b.txt").write_text("x")
    assert _states(capsys, *words) == ["stale", "new", "later"]


def test_plan_with_options_of_the_member_that_it_makes_again_is_not_made_twice(capsys: Capsys, project: Path) -> None:
    _batch(capsys, "plan")
    _batch(capsys, "apply")
    Path("list.toml").write_text('[[job]]\norigin = "sb1"\npackage = "P.S"\nexclude = ["ipython.log"]\n')
    words = ("batch", "plan", "list.toml", "--quiet", "--jobs", "1")  # no mode: copy is remembered
    assert "planned: " in run_here(capsys, *words).out
    assert "planned before: " in run_here(capsys, *words).out


def test_locked_package_is_told_and_the_rest_goes_on(capsys: Capsys, project: Path) -> None:
    _batch(capsys, "plan")
    make_reduction(project / "broken", seed=3)
    with locked_for_writing(os.fsencode(project / "P.S.pack/lock")):
        assert _states(capsys) == ["running", "new", "running"]
        ran = _batch(capsys, "plan")
    assert (ran.code, ran.out.count("not done: locked"), ran.out.count("planned: ")) == (Exit.LOCKED, 2, 1)


def test_log_is_one_of_the_whole_run_and_outside_of_every_job(capsys: Capsys, project: Path) -> None:
    assert _batch(capsys, "plan", "--log", "run.log").code == Exit.FAILED
    assert Path("run.log").read_text().count("begin: pack batch plan") == 1
    assert "pack plan" not in Path("run.log").read_text().replace("pack plan: refused", "")


@pytest.mark.parametrize("words", [("list.toml",), (".", "--each", "sb*", "--package", "{name}.S")])
def test_jobs_are_those_with_which_the_log_was_compared(
    capsys: Capsys, project: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    def change_the_jobs(log: bytes, texts: Iterable[tuple[str, bytes]]) -> None:
        if "package" in dict(texts):  # those of a job
            Path("list.toml").write_text('[[job]]\norigin = "sb1"\npackage = "other.S"\n')
            Path("sb3").mkdir(exist_ok=True)

    monkeypatch.setattr(run_log, "check_log_apart", change_the_jobs)
    ran = run_here(capsys, "batch", "status", *words, "--log", "run.log")
    assert ("other.S" in ran.out, "sb3" in ran.out, "sb2 in " in ran.out) == (False, False, True)


@pytest.mark.parametrize("place", ["sb2/run.log", "P.S/run.log", "list.toml", "header.txt"])
def test_log_at_a_file_of_a_job_is_refused_before_it_is_written(capsys: Capsys, project: Path, place: str) -> None:
    (project / "header.txt").write_text("A header\n")
    with Path("list.toml").open("a") as jobs:
        jobs.write('readme = "header.txt"\n')
    before = snapshot(project)
    ran = _batch(capsys, "status", "--log", place)
    assert (ran.code, "Invalid value for --log: output-protected: " in ran.err) == (Exit.USAGE, True)
    assert snapshot(project) == before


def test_log_in_an_origin_of_a_pattern_is_refused_before_it_is_written(capsys: Capsys, project: Path) -> None:
    words = ("--each", "sb*", "--package", "{name}.S", "--log", "sb2/run.log")
    ran = run_here(capsys, "batch", "status", ".", *words)
    assert (ran.code, "output-protected: " in ran.err) == (Exit.USAGE, True)
    assert not Path("sb2/run.log").exists()


def test_pack_toml_beside_the_list_counts_for_the_run(capsys: Capsys, project: Path) -> None:
    write(project / "lists/pack.toml", b"jobs = -1\n")
    ran = run_here(capsys, "batch", "status", "lists/list.toml")
    assert (ran.code, "jobs must be a whole number" in ran.err) == (Exit.USAGE, True)


def test_pack_toml_beside_an_origin_counts_for_its_job(capsys: Capsys, project: Path) -> None:
    Path("pack.toml").write_text('exclude = ["scriptForImaging.py"]\n')
    assert "14 files" in _batch(capsys, "plan").out
    assert "15 files" in _batch(capsys, "plan", "--no-settings").out
