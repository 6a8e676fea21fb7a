"""The command `tarsplit`: how it ends, what it prints, what it refuses, and that a dry run writes nothing."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.transaction.journal import create_journal
from qa2pack.executor.transaction.journal_records import Begin, Publishing
from qa2pack.manifest.actions import Mode
from qa2pack.pack import __version__
from qa2pack.pack.tarsplit_command import main
from support.commands import Ran, run_here
from support.deliveries import DAY, MEMBER, PROJECT, extract, make_package
from support.file_systems import read_only
from support.in_process import Delivery, make_reduction
from support.snapshots import contents, snapshot


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a package in it, which is where the commands are run."""
    make_package(tmp_path / PROJECT, {f"log/{n}.log": bytes([n]) * 9000 for n in range(12)})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    capsys.readouterr()
    code = main(["--jobs", "1", *arguments])
    printed = capsys.readouterr()
    return Ran(code, printed.out, printed.err)


def json_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(run(capsys, "--json", *arguments).out)


def test_old_command_makes_the_chunks_here(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(capsys, "-n", DAY, PROJECT)
    assert (ran.code, ran.err) == (0, "")
    names = {f"{PROJECT}_{DAY}_001_of_001.tar", f"{PROJECT}_{DAY}.manifest"}
    sums = {f"{name}.md5sum" for name in names}
    assert set(os.listdir(home)) == {PROJECT, f"{PROJECT}.pack", *names, *sums}
    subprocess.run(["md5sum", "--check", "--strict", "--quiet", *sums], check=True)


def test_table_shows_name_entries_bytes_and_checksum(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(capsys, "-n", DAY, "--size", "50kB", PROJECT)
    chunks = json_of(capsys, "-n", DAY, "--size", "50kB", PROJECT)["chunks"]
    assert len(chunks) == 4
    shown = [
        [[str(chunk["entry_count"]), f"{chunk['byte_count']:,}", chunk["name"]], ["md5", chunk["checksums"]["md5"]]]
        for chunk in chunks
    ]
    assert [line.split() for line in ran.out.splitlines()[1:-3]] == [line for lines in shown for line in lines]
    assert max(map(len, ran.out.splitlines()[:-3])) < 80


def test_dry_run_writes_nothing_and_prints_the_very_sizes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(home)
    planned = json_of(capsys, "-n", DAY, "--size", "50kB", "--dry-run", PROJECT)
    assert snapshot(home) == before
    run(capsys, "-n", DAY, "--size", "50kB", PROJECT)
    assert [(chunk["name"], chunk["byte_count"]) for chunk in planned["chunks"]] == [
        (path.name, path.stat().st_size) for path in sorted(home.glob("*.tar"))
    ]


def test_package_is_only_read(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(home / PROJECT), snapshot(home / f"{PROJECT}.pack")
    run(capsys, "-n", DAY, "--output", "out", PROJECT)
    assert (snapshot(home / PROJECT), snapshot(home / f"{PROJECT}.pack")) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((PROJECT,), "-n 2012-06-20"),
        (("-n", "yesterday", PROJECT), "'yesterday' is not a date"),
        (("-n", "2012-02-30", PROJECT), "not a date of the calendar"),
        (("-n", DAY), "name the package"),
        (("-n", DAY, "--size", "much", PROJECT), "'much' is not a size"),
        (("-n", DAY, "--checksum", "crc32", PROJECT), "crc32"),
        (("-n", DAY, "--fill", "loose", PROJECT), "loose"),
    ],
)
def test_command_line_that_makes_no_sense_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    before = snapshot(home)
    ran = run(capsys, *arguments)
    assert (ran.code, words in ran.err) == (2, True)
    assert snapshot(home) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-n", DAY, "--size", "5kB", PROJECT), "expected at least 10,240 bytes, found 5,000 bytes"),
        (("-n", DAY, "--output", f"{PROJECT}/tars", PROJECT), "  output-protected: "),
        (("-n", DAY, "--to", "file://{home}/" + PROJECT, PROJECT), "  output-protected: "),
        (("-n", DAY, "--to", "file://{home}/" + PROJECT + ".pack/x", PROJECT), "  output-protected: "),
        (("-n", DAY, "--member", "member_ouss_id7", PROJECT), "member_ouss_id7"),
        (("-n", DAY, "no_such_package"), "no_such_package"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_changes(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    before = snapshot(home)
    ran = run(capsys, *(argument.format(home=home) for argument in arguments))
    assert (ran.code, words in ran.err) == (1, True)
    assert snapshot(home) == before


def test_several_members_and_large_files_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    members = "group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2"
    files: dict[str | bytes, bytes] = {
        "product/a.fits": bytes(100_000),
        "raw/X.ms.split/table.dat": bytes(30_000),
        "raw/X.ms.split/table.f0": bytes(30_000),
    }
    make_package(tmp_path / PROJECT, files, *members)
    ran = run(capsys, "-n", DAY, "--size", "50kB", "--output", str(tmp_path / "out"), str(tmp_path / PROJECT))
    assert "2 members; receivers want exactly one" in ran.out
    assert "2 files above the limit" in ran.out
    assert f"{MEMBER}/raw/X.ms.split" in ran.out


def test_changed_file_is_named_and_the_run_can_be_repeated(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / PROJECT / MEMBER / "log/5.log"
    whole = path.read_bytes()
    path.write_bytes(b"changed" + whole[7:])
    ran = run(capsys, "-n", DAY, "--size", "50kB", PROJECT)
    assert (ran.code, f"changed {path}" in ran.out) == (4, True)
    path.write_bytes(whole)
    ran = run(capsys, "-n", DAY, "--size", "50kB", PROJECT)
    assert (ran.code, "3 of them finished earlier" in ran.out) == (0, True)


def test_check_ends_with_3_where_something_is_wrong(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "-n", DAY, "--output", "out", PROJECT)
    assert run(capsys, "--check", "out").code == 0
    assert run(capsys, "--check", "out", PROJECT).code == 0
    (tar,) = (home / "out").glob("*.tar")
    os.truncate(tar, 10_240)
    ran = run(capsys, "--check", "out")
    assert (ran.code, f"truncated {tar.name}" in ran.out) == (3, True)


def test_check_tells_that_a_delivery_was_stopped(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "-n", DAY, "--output", "out", PROJECT)
    for name in (".state", "_001_of_001.tar.part"):
        (home / f"out/{PROJECT}_{DAY}{name}").write_bytes(b"")
    ran = run(capsys, "--check", "out")
    assert (ran.code, ran.out.count("of a run that was stopped"), "Extra:" in ran.out) == (3, 2, False)
    assert "give the command that makes it again" in ran.out
    (home / f"out/{PROJECT}_{DAY}_002_of_002.tar").write_bytes(b"")
    assert "Extra:" in run(capsys, "--check", "out").out
    (home / f"out/{PROJECT}_{DAY}.manifest").unlink()
    ran = run(capsys, "--check", "out")
    assert (ran.code, "delivery-missing" in ran.err, "The delivery was stopped" in ran.err) == (1, True, True)


def test_check_names_the_members_that_are_in_no_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_package(tmp_path / PROJECT, {}, *(f"group_ouss_id/member_ouss_id{n}" for n in ("", *range(2, 9))))
    run(capsys, "-n", DAY, "--output", "out", PROJECT, "--member", "member_ouss_id2")
    ran = run(capsys, "--check", "out", PROJECT)
    assert ran.code == 0
    assert "Not in the delivery, 7 members of the package: " in ran.out
    assert ", 2 more\n" in ran.out
    fields = json_of(capsys, "--check", "out", PROJECT)
    ends = [each["member"].rpartition("_")[2] for each in fields["not_delivered"]]
    assert ends == ["id", *(f"id{n}" for n in range(3, 9))]
    assert json_of(capsys, "--check", "out")["not_delivered"] == []
    run(capsys, "-n", "2012-06-21", "--output", "out", PROJECT)
    assert "Not in" not in run(capsys, "--check", "out", PROJECT).out, "one of the deliveries has all"


def test_check_of_a_folder_without_a_delivery_is_no_success(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "empty").mkdir()
    ran = run(capsys, "--check", "empty")
    assert (ran.code, ran.out) == (1, "")
    text = " ".join(ran.err.split())
    assert f"delivery-missing: This is no folder with a delivery: no name in it ends in .manifest {home}" in text
    assert "do: Name the folder of the tars; if their .manifest did not come with them, have it sent." in text
    assert "package:" not in text


def test_verify_of_chunks_that_are_not_there_is_no_success(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "empty").mkdir()
    ran = run_here(capsys, "verify", PROJECT, "--chunks", "empty")
    assert (ran.code, "  delivery-missing: " in ran.err) == (1, True)


def test_check_reports_a_damaged_sidecar(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "-n", DAY, "--output", "out", PROJECT)
    os.truncate(home / "out" / f"{PROJECT}_{DAY}.manifest", 400)
    ran = run(capsys, "--check", "out")
    assert (ran.code, "manifest-damaged" in ran.out) == (3, True)


def test_package_made_by_pack_comes_out_of_its_tars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Delivery(make_reduction(tmp_path / "origin"), tmp_path / PROJECT)
    made.make(Mode.HARD)
    assert run(capsys, "-n", DAY, "--output", str(tmp_path / "out"), str(made.path)).code == 0
    assert extract(tmp_path / "out", tmp_path / "unpacked") == ""
    assert contents(tmp_path / "unpacked" / PROJECT) == contents(made.path)


@pytest.mark.parametrize("mode", [Mode.FAKE, Mode.TICKET])
def test_package_of_placeholders_is_cut_only_when_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: Mode
) -> None:
    made = Delivery(make_reduction(tmp_path / "origin"), tmp_path / PROJECT)
    made.make(mode)
    arguments = ("-n", DAY, "--output", str(tmp_path / "out"), str(made.path))
    ran = run(capsys, *arguments)
    assert (ran.code, "--allow-dummies" in ran.err, (tmp_path / "out").exists()) == (1, True, False)
    assert f"found the mode {mode}\n" in ran.err
    assert run(capsys, "--allow-dummies", *arguments).code == 0
    extract(tmp_path / "out", tmp_path / "unpacked")
    assert contents(tmp_path / "unpacked" / PROJECT) == contents(made.path)
    assert run(capsys, "--check", str(tmp_path / "out")).code == 0


def test_package_with_an_unfinished_transaction_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin = Begin("20120620T000000-00000000", b"", Publishing.NEW, b"g/m", False, 0, 0, "boot", "host", "user", 1, 1)
    create_journal(os.fsencode(home / f"{PROJECT}.pack" / "journal"), begin, Disk()).close()
    before = snapshot(home)
    ran = run(capsys, "-n", DAY, PROJECT)
    assert (ran.code, f"pack rollback {PROJECT}" in ran.err) == (1, True)  # its plan is not there
    assert snapshot(home) == before


def test_pack_has_the_command_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(capsys, "tarsplit", "-n", DAY, "--output", "out", PROJECT).code == 0
    assert run_here(capsys, "tarsplit", "--check", "out").code == 0


def test_verify_checks_chunks_and_that_they_are_the_packages(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "-n", DAY, "--output", "out", PROJECT)
    assert run_here(capsys, "verify", "--chunks", "out", PROJECT).code == 0
    make_package(home / "other" / PROJECT, {"log/0.log": b"other"})
    ran = run_here(capsys, "verify", "--chunks", "out", f"other/{PROJECT}")
    assert (ran.code, f"changed {MEMBER}/log" in ran.out) == (3, True)


def test_verify_compares_an_unpacked_tree_with_the_manifest_of_its_tars(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "-n", DAY, "--output", "out", PROJECT)
    extract(home / "out", home / "unpacked")
    arguments = ("verify", "--manifest", f"out/{PROJECT}_{DAY}.manifest", f"unpacked/{PROJECT}")
    assert run_here(capsys, *arguments).code == 0
    (home / "unpacked" / PROJECT / MEMBER / "log/3.log").unlink()
    ran = run_here(capsys, *arguments)
    assert (ran.code, f"missing {MEMBER}/log/3.log" in ran.out) == (3, True)


def test_version_is_that_of_pack(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version").out == f"qa2pack {__version__}\n"


def test_each_place_of_a_setting_counts_before_the_next(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def limits(*options: str) -> tuple[int, list[dict[str, str]]]:
        fields = json_of(capsys, "-n", DAY, "--dry-run", PROJECT, *options)
        return fields["limit_bytes"], [each for each in fields["defaults"] if each["option"] != "jobs"]

    assert limits() == (6 << 30, [])
    (home / "pack.toml").write_text("[tarsplit]\nsize = '3MB'\n")
    assert limits() == (3_000_000, [{"option": "size", "source": str(home / "pack.toml")}])
    monkeypatch.setenv("PACK_TARSPLIT_SIZE", "4MB")
    assert limits() == (4_000_000, [{"option": "size", "source": "PACK_TARSPLIT_SIZE"}])
    assert limits("--size", "5MB") == (5_000_000, [])


def test_settings_that_were_not_typed_are_reported(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "pack.toml").write_text("[tarsplit]\nfill = 'tight'\nchecksum = 'none'\n")
    lines = run(capsys, "-n", DAY, "--dry-run", PROJECT).out.splitlines()
    assert " ".join(lines[:2]).split()[:4] == ["fill,", "checksum", "from", str(home / "pack.toml")]


def test_bad_variable_is_reported_by_its_name(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACK_TARSPLIT_SIZE", "big")
    ran = run(capsys, "-n", DAY, PROJECT)
    assert ran.code == 2
    assert "PACK_TARSPLIT_SIZE: 'big' is not a size" in ran.err


def test_check_against_a_package_of_another_project_says_so_once(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "-n", DAY, "--output", "out", PROJECT)
    make_package(home / "2011.0.00500.S", {"log/1.log": b"x"})
    ran = run(capsys, "--check", "out", "2011.0.00500.S")
    assert (ran.code, ran.out) == (1, "")
    assert f": expected 2011.0.00500.S, found {PROJECT} do: " in " ".join(ran.err.split())


def test_check_does_not_claim_to_have_read_a_missing_tar(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "-n", DAY, "--output", "out", PROJECT)
    next((home / "out").glob("*.tar")).unlink()
    assert f"1 problem in {home / 'out'}: 1 delivery\n" in run(capsys, "--check", "out").out


def test_folder_in_place_of_the_manifest_is_refused_with_the_one_in_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "-n", DAY, "--output", "out", PROJECT)
    ran = run_here(capsys, "verify", PROJECT, "--manifest", "out")
    assert (ran.code, ran.out) == (1, "")
    assert "  not-a-delivery-manifest: This is not the .manifest of a delivery.\n" in ran.err
    assert f"\n      {home}/out: found a folder\n" in ran.err
    assert f"\n        pack verify {PROJECT} --manifest {home}/out/{PROJECT}_{DAY}.manifest\n" in ran.err


def test_failed_verify_does_not_report_a_command_without_its_options(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run_here(capsys, "verify", PROJECT, "--manifest", "nowhere")
    assert "To try again, give the same command again.\n" in ran.err


def test_setting_of_a_place_to_write_to_is_refused_by_no_other_command(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/conf")
    (home / "pack.toml").write_text("[tarsplit]\noutput = 'elsewhere'\n")
    assert run_here(capsys, "show", PROJECT).code == 0
    ran = run(capsys, "-n", DAY, PROJECT)
    words = "tarsplit.output is refused here: it counts only in your own file, /conf/qa2pack/pack.toml"
    assert (ran.code, words in " ".join(ran.err.split())) == (2, True)


@pytest.mark.parametrize("output", ["list.txt", "list.txt/tars"])
def test_file_in_place_of_the_output_folder_is_refused_before_anything(
    home: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    (home / "list.txt").write_text("x")
    before = snapshot(home)
    ran = run(capsys, "-n", DAY, "--output", output, PROJECT)
    assert (ran.code, ran.out) == (1, "")
    assert "Nothing was changed." in ran.err
    assert "  output-exists: " in ran.err
    assert f"\n      {home}/list.txt: expected a folder, found a file\n" in ran.err
    assert "--output" in ran.err
    assert snapshot(home) == before


def test_output_folder_that_may_not_be_written_is_refused_before_anything(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "out").mkdir()
    with read_only(home / "out", home / "mounted"):
        for output in ("mounted", "mounted/tars"):
            ran = run(capsys, "-n", DAY, "--output", output, PROJECT)
            assert (ran.code, ran.out) == (1, "")
            assert f"not-writable: Nothing may be written here.\n      {home}/mounted\n" in ran.err
        assert run(capsys, "-n", DAY, "--output", "mounted", "--dry-run", PROJECT).code == 0


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (
            f"{PROJECT}.pack/manifests/group_ouss_id.member_ouss_id.manifest",
            "the manifest of a member",
        ),
        (f"out/{PROJECT}_{DAY}.manifest", "the manifest of a delivery"),
        (f"out/{PROJECT}_{DAY}_001_of_001.tar", "a file"),
    ],
)
@pytest.mark.parametrize("command", [("tarsplit", "--check"), ("verify", PROJECT, "--chunks")])
def test_check_of_a_file_says_what_it_is_and_what_is_expected(
    home: Path, capsys: pytest.CaptureFixture[str], name: str, what: str, command: tuple[str, ...]
) -> None:
    run(capsys, "-n", DAY, "--output", "out", PROJECT)
    ran = run_here(capsys, *command, name)
    assert (ran.code, ran.out) == (1, "")
    text = " ".join(ran.err.split())
    assert f"{home}/{name}: expected the folder of the tars, found {what} " in text
    assert (f"\n        tarsplit --check {home}/out\n" in ran.err) == name.startswith("out/")


def test_manifest_of_a_member_is_not_called_damaged(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (manifest,) = (home / f"{PROJECT}.pack/manifests").iterdir()
    ran = run_here(capsys, "verify", PROJECT, "--manifest", manifest)
    assert (ran.code, ran.out) == (1, "")
    text = " ".join(ran.err.split())
    assert "found one that is the manifest of a member, not the manifest of a delivery do: Name the file" in text
    assert "backup" not in text
    assert "adopt" not in text


def test_members_beside_the_delivered_one_are_no_reason_to_deliver_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    members = "group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2"
    make_package(tmp_path / PROJECT, {"log/a.log": b"a"}, *members)
    run(capsys, "-n", DAY, "--output", "out", "--member", "member_ouss_id", PROJECT)
    sidecar = f"out/{PROJECT}_{DAY}.manifest"
    ran = run_here(capsys, "verify", PROJECT, "--manifest", sidecar)
    assert (ran.code, "extra-folder " in ran.out) == (3, True)
    assert "again" not in ran.out
    assert "If it does not belong there, move it away; else do nothing." in ran.out
    (log,) = (tmp_path / PROJECT).rglob("member_ouss_id/log/a.log")
    log.write_bytes(b"b")
    assert "delivered or unpacked again" in run_here(capsys, "verify", PROJECT, "--manifest", sidecar).out


def test_paths_that_are_typed_are_shown_whole(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ("verify", PROJECT, "--manifest", "nowhere"),
        ("report", PROJECT, "--delivery", "nowhere"),
        ("plan", PROJECT, "other", "--readme", "nowhere"),
        ("plan", PROJECT, "other", "--layout", "nowhere.toml"),
        ("plan", "nowhere", "other"),
        ("diff", "nowhere", PROJECT),
        ("tarsplit", "--check", "nowhere"),
        ("export", PROJECT, "--format", "md5sum", "-o", "nowhere/list"),
        ("show", "nowhere"),
    ):
        ran = run_here(capsys, *words)
        assert ran.code == 1, words
        assert f"{home}/nowhere" in ran.err, (words, ran.err)


@pytest.mark.parametrize(
    "words",
    [
        ("tarsplit", "-n", DAY, PROJECT, "--output", "-"),
        ("report", PROJECT, "-o", "-"),
        ("show", PROJECT, "--log", "-"),
    ],
)
def test_stdout_is_no_place_for_what_is_no_list(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    before = snapshot(home)
    ran = run_here(capsys, *words)
    assert (ran.code, ran.out) == (2, "")
    assert "write ./- for something that is called -" in " ".join(ran.err.split())
    assert snapshot(home) == before


def test_export_to_a_dash_goes_to_stdout(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(home)
    wanted = run_here(capsys, "export", PROJECT, "--format", "md5sum")
    assert wanted.out.endswith(".log\n")
    assert run_here(capsys, "export", PROJECT, "--format", "md5sum", "-o", "-") == wanted
    assert snapshot(home) == before
