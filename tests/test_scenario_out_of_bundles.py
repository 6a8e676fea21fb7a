"""Out of bundles: files of tars and compressed files of the origin, from the layout to verify, diff and rollback."""

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.format.files import open_plan, save_durably
from qa2pack.manifest.format.record_codec import record_path
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.problem import Refused
from qa2pack.manifest.scan import origin_bundle
from support.bundled import Capsys
from support.commands import Ran, run_here

UID = "uid___A001_X2d20_X1b3"
REPORT = f"pipeline-{UID}/html/qa2_report.html"
FILES = {REPORT: b"<h1>QA2</h1>", f"pipeline-{UID}/html/plots/bandpass.png": b"plot", "index.html": b"top"}
HEAD = 'readme = false\n[[folder]]\nname = "qa"\n[[folder]]\nname = "product"\n[[place]]\nname = "top"\n'
LAYOUT = f"""{HEAD}
[variable.uid]
like = "uid"
[[rule]]
match = "*.weblog.tgz!**/*.png"
never = "plots stay in the weblog"
[[rule]]
match = "{{run}}.weblog.tgz!pipeline-{{run}}/html/{{rest}}"
to = "qa/{{rest}}"
if_taken = "qa/{{run}}/{{rest}}"
[[rule]]
match = "{{stem}}.fits.gz!"
to = "product/{{stem}}.fits"
[[rule]]
match = "*.txt"
to = "qa/{{name}}"
"""


def tar_of(path: Path, *members: tuple[str, bytes | None, bytes]) -> Path:
    """Write a tar.gz of members, each with its type, and what a link leads to in place of content."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.type, info.mtime, info.mode = kind, 1_500_000_000, 0o4775
            info.size = len(content or b"") if kind == tarfile.REGTYPE else 0
            info.linkname = "" if kind == tarfile.REGTYPE else (content or b"").decode()
            tar.addfile(info, io.BytesIO(content or b""))
    return path


def weblog(folder: Path, uid: str = UID, report: bytes = FILES[REPORT]) -> Path:
    files = {name.replace(UID, uid): data for name, data in FILES.items()} | {REPORT.replace(UID, uid): report}
    return tar_of(folder / f"{uid}.weblog.tgz", *((name, data, tarfile.REGTYPE) for name, data in files.items()))


class Run:
    """A folder with a weblog, a compressed image and a note, and the package of what is taken out of these."""

    def __init__(self, folder: Path, capsys: Capsys) -> None:
        self.origin, self.package, self.layout = folder / "run", folder / "P", folder / "mine.toml"
        self.origin.mkdir()
        self.layout.write_text(LAYOUT)
        self.weblog = weblog(self.origin)
        (self.origin / "cube.fits.gz").write_bytes(gzip.compress(b"cube" * 1000))
        (self.origin / "note.txt").write_text("note")
        self.capsys = capsys

    def run(self, *words: str | Path) -> Ran:
        return run_here(self.capsys, *words)

    def plan(self, mode: str = "copy", *more: str) -> Ran:
        words = ("--mode", mode, "--jobs", "1", *more)
        return self.run("plan", self.origin, self.package, "--layout", self.layout, *words)

    def apply(self) -> Ran:
        return self.run("apply", self.package, "--jobs", "1", "--json")

    def make(self, mode: str = "copy") -> None:
        for ran in (self.plan(mode), self.apply(), self.run("verify", self.package)):
            assert ran.code == 0, ran.err

    def refused(self, ran: Ran) -> list[tuple[str, str, str]]:
        problems = json.loads(ran.out)["problems"]
        return [(each["code"], each["path"], str(each["found"])) for each in problems]

    @property
    def files(self) -> dict[str, bytes]:
        found = (path for path in self.package.rglob("*") if path.is_file())
        return {str(path.relative_to(self.package)): path.read_bytes() for path in found}


@pytest.fixture
def run(tmp_path: Path, capsys: Capsys) -> Run:
    return Run(tmp_path, capsys)


@pytest.mark.parametrize("mode", ["copy", "hard", "move"])
def test_files_are_taken_out_of_bundles_which_stay(run: Run, mode: str) -> None:
    os.utime(run.origin / "cube.fits.gz", (3, 3))
    before = run.weblog.read_bytes()
    planned = run.plan(mode).out
    run.make(mode)
    assert run.files == {
        "qa/qa2_report.html": FILES[REPORT],
        "product/cube.fits": b"cube" * 1000,
        "qa/note.txt": b"note",
    }
    report = (run.package / "qa/qa2_report.html").stat()
    assert (report.st_mtime, report.st_mode & 0o7777, report.st_nlink) == (1_500_000_000, 0o755, 1)
    assert (run.package / "product/cube.fits").stat().st_mtime == 3  # a .gz does not tell that of its file
    assert not run.weblog.is_symlink() and run.weblog.read_bytes() == before
    assert (run.origin / "note.txt").is_symlink() is (mode == "move")
    assert ("the bundles stay in the origin" in planned) is (mode != "copy")


def test_plan_and_check_of_the_layout_tell_what_is_taken_out(run: Run) -> None:
    planned = json.loads(run.plan("copy", "--json").out)
    assert [(each["source"], each["file_count"], each["byte_count"]) for each in planned["opened_bundles"]] == [
        ("cube.fits.gz", 1, 4000),
        (run.weblog.name, 1, len(FILES[REPORT])),
    ]
    assert {each["path"]: each["reason"] for each in planned["left_out"]} == {
        "cube.fits.gz": "files are taken out of it",
        run.weblog.name: "files are taken out of it",
    }
    checked = json.loads(run.run("layout", "--check", run.layout, run.origin, "--json").out)
    assert [rule["file_count"] for rule in checked["rules"]] == [1, 1, 1, 1] and not checked["untaken"]


def test_placeholders_of_what_is_in_bundles_are_empty(run: Run) -> None:
    run.make("fake")
    assert set(run.files.values()) == {b""} and "qa/qa2_report.html" in run.files


def test_changed_file_in_a_bundle_of_the_origin_is_what_diff_tells(run: Run) -> None:
    run.make()
    assert "would change nothing" in run.run("diff", run.origin, run.package).out
    weblog(run.origin, report=b"other")
    lines = run.run("diff", run.origin, run.package).out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("~ ")] == ["qa/qa2_report.html"]


def test_files_of_two_bundles_that_meet_get_the_other_name(run: Run) -> None:
    other = UID.replace("X1b3", "X1b4")
    weblog(run.origin, other, b"other")
    run.make()
    assert {path: data for path, data in run.files.items() if "report" in path} == {
        f"qa/{UID}/qa2_report.html": FILES[REPORT],
        f"qa/{other}/qa2_report.html": b"other",
    }


def test_exclude_names_a_file_in_a_bundle(run: Run) -> None:
    planned = run.plan("copy", "--exclude", f"{run.weblog.name}/{REPORT}", "--json")
    assert json.loads(planned.out)["warnings"] == []
    assert run.apply().code == 0
    assert set(run.files) == {"product/cube.fits", "qa/note.txt"}


def test_file_in_a_bundle_that_lacks_a_value_is_left_out_with_the_reason(run: Run) -> None:
    (run.origin / "obs_1").mkdir()
    weblog(run.origin / "obs_1")
    run.layout.write_text(
        f'{HEAD}[[place]]\nname = "obs"\npath = "obs_{{night}}"\n[variable.night]\n'
        '[[rule]]\nmatch = "*.weblog.tgz!{page}.html"\nto = "qa/{night}.{page}.html"\n'
    )
    left = {each["path"]: each["reason"] for each in json.loads(run.plan("copy", "--json").out)["left_out"]}
    assert left[f"{run.weblog.name}/index.html"] == "its obs is not in this origin"
    assert left[f"obs_1/{run.weblog.name}"] == "files are taken out of it"
    assert left[run.weblog.name] == f"no rule of layout {run.layout} takes it"
    checked = json.loads(run.run("layout", "--check", run.layout, run.origin, "--json").out)
    assert f"{run.weblog.name}/index.html" in [each["path"] for each in checked["untaken"]]


def test_files_of_other_programs_are_neither_opened_nor_taken_out(run: Run) -> None:
    (run.origin / "._a.weblog.tgz").write_bytes(b"no bundle")
    run.layout.write_text(f'{HEAD}[[foreign]]\nglobs = ["._*", "index*"]\nreason = "of a Mac"\n{LAYOUT[len(HEAD) :]}')
    run.layout.write_text(run.layout.read_text().replace("!pipeline-{run}/html/{rest}", "!{rest}"))
    run.make()
    assert sorted(run.files) == ["product/cube.fits", "qa/note.txt", f"qa/{REPORT}"]


@pytest.mark.parametrize("folder", [".git", "pipeline/.ipynb_checkpoints", "__MACOSX/a/b"])
def test_folders_of_other_programs_are_not_taken_out(run: Run, folder: str) -> None:
    files = ((name, b"1", tarfile.REGTYPE) for name in (f"{folder}/config", "pipeline/config"))
    tar_of(run.weblog, *files)
    run.layout.write_text(LAYOUT.replace("!pipeline-{run}/html/{rest}", "!{rest}"))
    run.make()
    assert sorted(run.files) == ["product/cube.fits", "qa/note.txt", "qa/pipeline/config"]


def test_bundle_may_be_packaged_as_well(run: Run) -> None:
    run.layout.write_text(f'{LAYOUT}[[rule]]\nmatch = "*.weblog.tgz"\nto = "product/{{name}}"\n')
    run.make("move")
    assert {"qa/qa2_report.html", f"product/{run.weblog.name}"} <= set(run.files)
    assert run.weblog.is_symlink()
    run.make("move")  # out of the bundle that is in the package now
    assert run.files["qa/qa2_report.html"] == FILES[REPORT]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda path: weblog(path.parent, report=b"x" * len(FILES[REPORT])), ""),
        (lambda path: os.truncate(path, 100), "100 bytes"),
        (Path.unlink, "No such file"),
        (lambda path: os.utime(path, (1, 1)), "1970"),
        (lambda path: path.symlink_to(path.rename(path.parent.parent / "elsewhere.tgz")), "symbolic links"),
    ],
)
def test_bundle_that_changed_since_the_plan_refuses_and_nothing_is_seen(
    run: Run, change: Callable[[Path], object], found: str
) -> None:
    os.utime(run.weblog, (2, 2))
    assert run.plan().code == 0
    change(run.weblog)
    ((code, path, why),) = run.refused(run.apply())
    assert (code, path) == ("origin-changed", str(run.weblog)) and found in why
    assert not run.package.exists()


@pytest.mark.parametrize("is_stopped", [False, True])
def test_content_that_changed_behind_an_unchanged_state_is_noticed(
    run: Run, monkeypatch: pytest.MonkeyPatch, is_stopped: bool
) -> None:
    def write_cube(content: bytes) -> None:
        (run.origin / "cube.fits.gz").write_bytes(gzip.compress(content * 1000, 0))
        os.utime(run.origin / "cube.fits.gz", (2, 2))

    def stopped(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    write_cube(b"cube")
    assert run.plan().code == 0
    write_cube(b"Cube")
    with monkeypatch.context() as stopping:
        if is_stopped:
            stopping.setattr("qa2pack.executor.io.disk.Disk.unlink", stopped)
        refused = run.apply()
    if not is_stopped:
        ((code, path, _),) = run.refused(refused)
        assert (code, path) == ("origin-changed", str(run.origin / "cube.fits.gz"))
    write_cube(b"cube")  # what was written before is not taken for it
    assert run.apply().code == 0 and run.files["product/cube.fits"] == b"cube" * 1000


def test_plan_that_somebody_made_to_read_a_bundle_elsewhere_is_refused(run: Run) -> None:
    assert run.plan().code == 0
    path = os.fsencode(run.package.with_name("P.pack") / "plan")
    plan = open_plan(path)
    opened = tuple(replace(bundle, source=b"/elsewhere.tgz") for bundle in plan.notes.opened)
    records = ((record_path(blob), blob) for blob in list(plan.stream.blobs()))
    save_durably(path, plan.header, replace(plan.notes, opened=opened), records)
    assert ("unsafe-path", "/elsewhere.tgz") in {(code, path) for code, path, _ in run.refused(run.apply())}


def test_file_that_is_not_in_the_bundle_any_more_is_noticed(run: Run) -> None:
    run.layout.write_text(f'{HEAD}[[rule]]\nmatch = "*.tar!**/*.html"\nto = "qa/{{name}}"\n')
    tar = run.origin / "pages.tar"
    for name in ("a.html", "b.html"):
        with tarfile.open(tar, "w") as pages:
            info = tarfile.TarInfo(f"html/{name}")
            info.size = 4
            pages.addfile(info, io.BytesIO(b"page"))
        os.utime(tar, (2, 2))
        if name == "a.html":
            assert run.plan().code == 0
    ((code, path, _),) = run.refused(run.apply())
    assert (code, path) == ("origin-changed", str(tar)) and not run.package.exists()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("../evil", b"x", tarfile.REGTYPE)], "no path inside"),
        ([("/tmp/evil", b"x", tarfile.REGTYPE)], "no path inside"),
        ([("a", b"/etc/passwd", tarfile.SYMTYPE), ("a/evil", b"x", tarfile.REGTYPE)], "no plain file"),
        ([("a", b"b", tarfile.LNKTYPE)], "no plain file"),
        ([("a", b"", tarfile.CHRTYPE)], "no plain file"),
        ([("a", b"", tarfile.FIFOTYPE)], "no plain file"),
        ([("a", b"1", tarfile.REGTYPE), ("a", b"2", tarfile.REGTYPE)], "a twice"),
    ],
)
def test_hostile_bundle_refuses_the_plan_and_writes_nothing(
    run: Run, members: list[tuple[str, bytes, bytes]], words: str
) -> None:
    run.layout.write_text(f'{HEAD}[[rule]]\nmatch = "*.weblog.tgz!{{rest}}"\nto = "qa/{{rest}}"\n')
    tar_of(run.weblog, *members)
    before = sorted(run.origin.parent.rglob("*"))
    ((code, path, why),) = run.refused(run.plan("copy", "--json"))
    assert (code, path) == ("bundle-unreadable", str(run.weblog)) and words in why
    assert sorted(run.origin.parent.rglob("*")) == before
    checked = run.run("layout", "--check", run.layout, run.origin, "--json")
    assert [each["code"] for each in json.loads(checked.out)["problems"]] == ["bundle-unreadable"]


def test_path_in_a_bundle_that_no_disk_takes_refuses_the_plan(run: Run) -> None:
    run.layout.write_text(f'{HEAD}[[rule]]\nmatch = "*.weblog.tgz!{{rest}}"\nto = "qa/{{rest}}"\n')
    tar_of(run.weblog, ("/".join(["d" * 200] * 30), b"x", tarfile.REGTYPE))
    assert [code for code, _, _ in run.refused(run.plan("copy", "--json"))] == ["path-too-long"]


def test_bundle_of_any_number_of_files_is_not_listed_to_its_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qa2pack.manifest.scan.origin_bundle._LISTED_BYTES", 1000)
    ((code, path, why),) = run.refused(run.plan("copy", "--json"))
    assert (code, path, why) == ("bundle-unreadable", str(run.weblog), "it has too many files")


def test_what_an_earlier_run_took_out_is_not_written_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from qa2pack.executor.stage import extract

    written: list[bytes] = []

    def counted(context: object, planned: object, blocks: object, *, real: object = extract._write) -> None:
        if len(written) == 1:
            written.append(b"stopped")
            raise OSError(28, "No space left on device")
        real(context, planned, blocks)  # type: ignore[operator]
        written.append(planned.path)  # type: ignore[attr-defined]

    monkeypatch.setattr(extract, "_write", counted)
    assert run.plan().code == 0
    assert (run.apply().code, run.apply().code) == (4, 0)
    assert sorted(set(written)) == [b"product/cube.fits", b"qa/qa2_report.html", b"stopped"] and len(written) == 3
    assert run.run("verify", run.package).code == 0


def test_taken_out_files_go_through_rename_and_rollback(run: Run) -> None:
    run.make()
    before = run.files
    assert run.run("rename", run.package, "Q").code == 0
    run.package = run.package.with_name("Q")
    assert run.files == before and run.run("verify", run.package).code == 0
    assert run.run("rollback", run.package).code == 0
    run.package = run.package.with_name("P")
    assert run.run("verify", run.package).code == 0


def test_damaged_file_is_taken_out_of_the_bundle_again(run: Run) -> None:
    run.make()
    (run.package / "qa/qa2_report.html").write_bytes(b"damaged")
    (run.package / "product/cube.fits").unlink()
    assert f"pack repair {run.package}\n" in run.run("verify", run.package).out
    repaired = json.loads(run.run("repair", run.package, "--json").out)["members"][0]
    assert {each["path"]: each["source"] for each in repaired["files"]} == {
        "qa/qa2_report.html": str(run.weblog),
        "product/cube.fits": str(run.origin / "cube.fits.gz"),
    }
    assert run.run("verify", run.package).code == 0
    (shown,) = json.loads(run.run("show", run.package, "--files", "--json").out)["members"]
    assert {each["path"]: each["action"] for each in shown["files"]}["product/cube.fits"] == "extract"


def test_damaged_file_whose_bundle_was_changed_is_lost(run: Run) -> None:
    run.make()
    (run.package / "qa/qa2_report.html").unlink()
    weblog(run.origin, report=b"other")
    verified = run.run("verify", run.package).out
    assert f"missing qa/qa2_report.html; from {run.weblog}\n" in verified
    assert f"pack repair {run.package} --from FOLDER\n" in verified
    assert "where it came from, was changed since" in " ".join(verified.split())
    assert run.run("repair", run.package).code == 3


def test_rollback_that_would_lose_what_was_in_a_bundle_is_refused(run: Run) -> None:
    run.make()
    run.weblog.unlink()
    refused = run.run("rollback", run.package, "--json")
    assert ("origin-changed", f"{run.weblog}/{REPORT}") in {(code, path) for code, path, _ in run.refused(refused)}
    assert "qa/qa2_report.html" in run.files


def _replaced(bundle: Path) -> None:
    """By another one of its size and time."""
    times, length = bundle.stat().st_mtime_ns, bundle.stat().st_size
    bundle.unlink()
    bundle.write_bytes(gzip.compress(os.urandom(10)).ljust(length, b"\0")[:length])
    os.utime(bundle, ns=(times, times))


def _led_into_the_package(bundle: Path) -> None:
    bundle.unlink()
    bundle.symlink_to(bundle.parents[1] / "P/product/cube.fits")


@pytest.mark.parametrize("mode", ["copy", "hard", "move"])
@pytest.mark.parametrize("change", [_replaced, _led_into_the_package, Path.unlink])
def test_rollback_takes_nothing_that_the_bundle_of_the_origin_lost(
    run: Run, mode: str, change: Callable[[Path], None]
) -> None:
    run.make(mode)
    bundle = run.origin / "cube.fits.gz"
    saved = bundle.read_bytes()
    change(bundle)
    refused = run.refused(run.run("rollback", run.package, "--json"))
    assert [(code, path) for code, path, _ in refused] == [
        ("origin-lost", str(run.package)),
        ("origin-changed", f"{bundle}/cube.fits"),
    ]
    assert run.files["product/cube.fits"] == b"cube" * 1000
    bundle.unlink(missing_ok=True)
    bundle.write_bytes(saved)
    assert run.run("rollback", run.package).code == 0


@pytest.mark.parametrize("mode", ["copy", "hard", "move"])
def test_rollback_finds_in_a_bundle_with_another_time_or_form_what_was_taken_out(run: Run, mode: str) -> None:
    run.make(mode)
    os.utime(run.weblog)
    content = gzip.decompress((run.origin / "cube.fits.gz").read_bytes())
    (run.origin / "cube.fits.gz").write_bytes(gzip.compress(content, 1) + gzip.compress(b""))
    ran = run.run("rollback", run.package)
    assert (ran.code, run.package.exists()) == (0, False), ran.err


@pytest.mark.parametrize("mode", ["copy", "hard", "move"])
def test_rollback_of_an_unchanged_origin_reads_no_bundle(
    run: Run, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.make(mode)
    monkeypatch.setattr(origin_bundle, "read_origin_bundle", None)
    assert run.run("rollback", run.package).code == 0


def test_bundle_of_a_manifest_that_has_no_inode_of_it_is_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of older versions."""
    assert run.plan().code == 0
    plan = os.fsencode(run.package.with_name("P.pack") / "plan")
    opened = open_plan(plan)
    before = tuple(replace(bundle, inode=0, ctime_ns=0) for bundle in opened.notes.opened)
    records = [(record_path(blob), blob) for blob in opened.stream.blobs()]
    save_durably(plan, opened.header, replace(opened.notes, opened=before), records)
    assert run.apply().code == 0
    _replaced(run.origin / "cube.fits.gz")
    assert run.run("rollback", run.package).code == 1
    (run.origin / "cube.fits.gz").write_bytes(gzip.compress(b"cube" * 1000))
    assert run.run("rollback", run.package).code == 0


def test_bundle_that_was_moved_as_well_goes_back(run: Run) -> None:
    run.layout.write_text(f'{LAYOUT}[[rule]]\nmatch = "*.weblog.tgz"\nto = "product/{{name}}"\n')
    before = run.weblog.read_bytes()
    run.make("move")
    assert run.plan("move").code == 0
    assert run.run("apply", run.package, "--keep-previous").code == 0
    assert run.weblog.is_symlink()
    assert run.run("rollback", run.package).code == 0
    assert run.weblog.is_symlink() and run.run("verify", run.package).code == 0
    assert run.run("rollback", run.package, "--further").code == 0
    assert not run.weblog.is_symlink() and run.weblog.read_bytes() == before


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ('match = "a.tgz!b.tar!x"\nto = "qa/{name}"', "before one !"),
        ('match = "a.tgz!{rest}"\nto = "qa/b.tgz!{rest}"', "no ! in to beside ! in match"),
        ('kind = "tree"\nmatch = "a.tgz!{rest}"\nto = "qa/{rest}"', 'kind = "file" beside ! in match'),
        ('match = "a.tgz!{rest}"\nto = "qa/{rest}"\nempty = true', "beside ! in match"),
        ('match = "a.tgz!{rest}"\nto = "qa/{other}"', "one of the variables"),
    ],
)
def test_wrong_rule_for_files_in_bundles_is_refused_with_its_line(tmp_path: Path, rule: str, words: str) -> None:
    (tmp_path / "wrong.toml").write_text(f"{HEAD}[[rule]]\n{rule}\n")
    with pytest.raises(Refused) as refused:
        load_layout(str(tmp_path / "wrong.toml"))
    (problem,) = refused.value.problems
    assert words in str(problem.expected) and "line" in str(problem)
