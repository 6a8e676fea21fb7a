"""The call of old."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from QA2_Packaging_module import QA_Packager
from qa2pack.pack.dropin import PackagingError
from support.commands import ROOT
from support.in_process import Delivery, make_reduction
from support.snapshots import contents

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def header(tmp_path: Path) -> Path:
    path = tmp_path / "README.header.txt"
    path.write_text("Cycle: 0\nProject code:\n")
    return path


def test_star_import_gives_the_call() -> None:
    program = "from QA2_Packaging_module import *; print(QA_Packager.__name__)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True, text=True)
    assert ran.stdout == "QA_Packager\n"


def test_call_of_the_old_documentation_works(
    delivery: Delivery, header: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    QA_Packager(
        origpath=str(delivery.origin),
        readme="./README.header.txt",
        packpath="./2011.0.00229.S",
        append="",
        mode="hard",
    )
    assert (delivery.member / "README").read_text().startswith("Cycle: 0\nProject code: 2011.0.00229.S\n")
    printed = capsys.readouterr().out
    assert "Plan of 2011.0.00229.S, group_ouss_id/member_ouss_id" in printed
    assert f"pack verify {delivery.path}" in printed


def test_mode_is_fake_unless_said_otherwise(delivery: Delivery, header: Path) -> None:
    QA_Packager(str(delivery.origin) + "/", str(header), str(delivery.path) + "/")
    assert (delivery.member / "script/scriptForImaging.py").stat().st_size == 0


def test_second_call_in_one_interpreter_appends(delivery: Delivery, header: Path, tmp_path: Path) -> None:
    second = make_reduction(tmp_path / "sb2", seed=2)
    QA_Packager(str(delivery.origin), str(header), str(delivery.path), mode="hard")
    QA_Packager(str(second), str(header), str(delivery.path), append="member", mode="hard")
    assert sorted(os.listdir(delivery.member.parent)) == ["member_ouss_id", "member_ouss_id2"]


def test_call_outside_the_main_thread_works(delivery: Delivery, header: Path) -> None:
    thread = threading.Thread(target=QA_Packager, args=(str(delivery.origin), str(header), str(delivery.path)))
    thread.start()
    thread.join()
    assert delivery.member.is_dir()


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"mode": "link"}, ["unknown-mode", "'fake', 'copy', 'hard', 'move', 'ticket'"]),
        ({"mode": 5, "append": 5, "readme": None}, ["unknown-mode", "5"]),
        ({"append": "members"}, ["unknown-mode", "'group', 'member'"]),
        (
            {"style": "cycle1-nopipe"},
            ["unknown-mode", "cycle1-nopipe", "'cycle0', 'cycle2-nopipe'", "'cycle11-pipe'"],
        ),
        ({"PIscript": "/nowhere/pi.py"}, ["unknown-variable", "piscript=/nowhere/pi.py", "one of uid"]),
        ({"origpath": "/nowhere"}, ["origin-missing", "/nowhere"]),
        ({"readme": "/nowhere"}, ["readme-missing", "/nowhere"]),
    ],
)
def test_refusal_is_an_exception_with_all_the_text(
    delivery: Delivery, header: Path, tmp_path: Path, choice: dict[str, str], words: list[str]
) -> None:
    before = contents(tmp_path)
    call: dict[str, Any] = {
        "origpath": str(delivery.origin),
        "readme": str(header),
        "packpath": str(delivery.path),
    } | choice
    with pytest.raises(PackagingError) as raised:
        QA_Packager(**call)
    assert [word for word in (*words, "Nothing was changed.", "do: ") if word not in str(raised.value)] == []
    assert contents(tmp_path) == before


def test_refusal_holds_its_problems(delivery: Delivery) -> None:
    with pytest.raises(PackagingError) as raised:
        QA_Packager("/nowhere", None, str(delivery.path))
    assert [problem.path for problem in raised.value.problems] == [b"/nowhere"]


def test_refusal_shows_no_inner_errors(delivery: Delivery) -> None:
    program = f"from QA2_Packaging_module import *; QA_Packager('/nowhere', None, {str(delivery.path)!r})"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False, text=True, timeout=600
    )
    assert ran.stderr.count("Traceback") == 1
    assert "Refused" not in ran.stderr


@pytest.mark.parametrize("paths", [("", "p"), ("o", "")])
def test_empty_path_is_refused(paths: tuple[str, str]) -> None:
    with pytest.raises(PackagingError, match="path-empty: A path is empty"):
        QA_Packager(paths[0], None, paths[1])


def test_call_with_a_link_makes_the_package_where_it_leads_to_and_says_so(
    delivery: Delivery, header: Path, tmp_path: Path, capsys: Capsys
) -> None:
    (tmp_path / "big").mkdir()
    delivery.path.symlink_to(tmp_path / "big/P")
    QA_Packager(delivery.origin, header, delivery.path)
    assert (tmp_path / "big/P/sg_ouss_id").is_dir()
    assert f"is a link; the package is {tmp_path}/big/P" in capsys.readouterr().err


def test_plan_of_the_call_reports_a_pack_toml_that_does_not_count(
    capsys: pytest.CaptureFixture[str],
    delivery: Delivery,
    header: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    Path("pack.toml").write_text("strict = true")
    QA_Packager(str(delivery.origin), str(header), str(delivery.path))
    assert f"not used: {here}/pack.toml" in " ".join(capsys.readouterr().out.split())


def test_advised_plan_has_the_mode_of_the_call(delivery: Delivery, header: Path) -> None:
    make_reduction(delivery.origin.parent / "several" / "sb1")
    make_reduction(delivery.origin.parent / "several" / "sb2", uid="uid___A002_X1_X2")
    with pytest.raises(PackagingError) as raised:
        QA_Packager(str(delivery.origin.parent / "several"), str(header), str(delivery.path), mode="hard")
    assert "--append member --mode hard\n" in str(raised.value)
    assert "MODE" not in str(raised.value)
