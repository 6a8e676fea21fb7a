"""The legacy call for later packages: styles, the script for the PI, no measurement sets, values of variables."""

import os
import tarfile
from pathlib import Path

import pytest

from QA2_Packaging_module import QA_Packager
from qa2pack.manifest.layout.load import known_layouts
from qa2pack.pack.dropin import PackagingError
from qa2pack.pack.settings.legacy_style import LAYOUTS
from support.commands import run_here
from support.in_process import UID, Delivery
from support.printed_commands import printed_commands
from support.reductions import write_reduction
from support.snapshots import contents
from support.trees import DATA, make_tree

Capsys = pytest.CaptureFixture[str]
SOUS, GOUS, MOUS = (f"uid___A001_X12a3_Xe{digit}" for digit in "789")
MEMBER = f"science_goal.{SOUS}/group.{GOUS}/member.{MOUS}"


@pytest.fixture
def manual(delivery: Delivery) -> Delivery:
    """A reduction in a folder that is named after its MOUS."""
    origin = delivery.origin.rename(delivery.origin.with_name(f"2017.1.01185.S_{MOUS}"))
    return Delivery(origin, delivery.path.with_name("2017.1.01185.S"))


def beside(delivery: Delivery, text: str) -> None:
    (delivery.origin.parent / "pack.toml").write_text(text)


@pytest.mark.parametrize(
    ("style", "layout"),
    [
        ("cycle0", "cycle0"),
        ("cycle2-nopipe", "alma-manual"),
        ("cycle8-nopipe", "alma-manual"),
        ("cycle3-pipe1", "alma-pipeline"),
        ("cycle4-pipe", "alma-pipeline"),
        ("cycle8-pipe", "alma-pipeline"),
    ],
)
def test_style_stands_for_a_layout(style: str, layout: str) -> None:
    assert LAYOUTS[style] == layout


def test_layouts_of_all_styles_come_with_the_program() -> None:
    assert set(LAYOUTS.values()) <= set(known_layouts())


def test_values_from_settings_tell_the_member(manual: Delivery, tmp_path: Path) -> None:
    beside(manual, f'set = ["sous={SOUS}", "gous={GOUS}"]')
    script = tmp_path / "pi.py"
    script.write_text("for the PI")
    QA_Packager(manual.origin, None, manual.path, mode="hard", style="cycle8-nopipe", PIscript=script)
    assert (manual.path / MEMBER / "script/scriptForPI.py").read_text() == "for the PI"


def test_values_from_the_environment_count_before_those_of_files(
    manual: Delivery, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    beside(manual, f'set = ["sous={MOUS}", "gous={GOUS}"]')
    monkeypatch.setenv("PACK_SET", f"sous={SOUS} mous={MOUS}")
    QA_Packager(manual.origin, None, manual.path, style="cycle8-nopipe")
    assert (manual.path / MEMBER).is_dir()
    assert "set from PACK_SET" in " ".join(capsys.readouterr().out.split())


def test_script_of_the_call_counts_before_that_of_settings(
    manual: Delivery, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    beside(manual, f'set = ["sous={SOUS}", "gous={GOUS}", "piscript=/nowhere/pi.py"]')
    monkeypatch.chdir(tmp_path)
    Path("pi.py").write_text("for the PI")
    QA_Packager(manual.origin, None, manual.path, "", "copy", "cycle8-nopipe", "pi.py")
    assert (manual.path / MEMBER / "script/scriptForPI.py").read_text() == "for the PI"


def test_missing_values_are_refused_by_name(manual: Delivery) -> None:
    with pytest.raises(PackagingError) as raised:
        QA_Packager(manual.origin, None, manual.path, style="cycle8-nopipe")
    assert [problem.path for problem in raised.value.problems] == [b"gous", b"sous"]


@pytest.mark.parametrize(("style", "role"), [("cycle0", "sg_ouss_id"), ("", "files"), (None, "files")])
def test_style_counts_before_the_layout_of_settings(
    delivery: Delivery, capsys: Capsys, style: str | None, role: str
) -> None:
    mine = '[[place]]\nname = "top"\n[[folder]]\nname = "files"\n[[rule]]\nmatch = "*.py"\nto = "files/{name}"\n'
    (delivery.origin.parent / "mine.toml").write_text(mine)
    beside(delivery, 'layout = "mine.toml"')
    QA_Packager(delivery.origin, None, delivery.path, style=style)
    assert (delivery.path / role).is_dir()
    assert ("layout from" in " ".join(capsys.readouterr().out.split())) == (not style)


def test_without_measurement_sets_raw_and_calibrated_are_empty_and_all_else_is_there(
    tmp_path: Path, capsys: Capsys
) -> None:
    write_reduction(tmp_path / "sb1", text="a")
    delivery = Delivery(tmp_path / "sb1", tmp_path / "2011.0.00229.S")
    QA_Packager(delivery.origin, None, delivery.path, "", "copy")
    whole = {path for path in contents(delivery.member) if not path.startswith(("raw/", "calibrated/"))}
    assert (delivery.member / f"raw/{UID}.ms.split/table.dat").is_file()
    capsys.readouterr()
    QA_Packager(delivery.origin, None, delivery.path, "", "copy", "cycle0", "", True)
    assert set(contents(delivery.member)) == whole
    assert sorted(os.listdir(delivery.member / "raw")) == []
    assert "excluded by *.ms.split" in capsys.readouterr().out


def test_calibration_tables_are_no_measurement_sets(manual: Delivery) -> None:
    beside(manual, f'set = ["sous={SOUS}", "gous={GOUS}"]')
    QA_Packager(manual.origin, None, manual.path, mode="hard", style="cycle5-nopipe", noms=True)
    with tarfile.open(manual.path / MEMBER / f"calibration/{UID}.calibration.tgz") as tar:
        assert f"{UID}.calibration/{UID}.ms.tsys/table.dat" in tar.getnames()


IMAGES = (
    *(
        "Imaging/a.cube.I.manual.image.pbcor.fits",
        "Imaging/a.cube.I.manual.mask/table.dat",
        "Imaging/scriptForImaging.py",
    ),
    *("Imaging/a.cube.I.manual.image/table.dat", "Imaging/a.cube.I.pb.fits", "Imaging/casa-1.log"),
    *(f"{UID}/{UID}.ms/table.dat", f"{UID}/{UID}.ms.scriptForCalibration.py", "scriptForPolCalibration.py"),
)
ALONE = [
    "product/a.cube.I.manual.image.pbcor.fits",
    "product/a.cube.I.manual.mask.tgz",
    "script/scriptForImaging.py",
    "script/scriptForPolCalibration.py",
]


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("style", ["cycle8-nopipe", ""])
def test_images_made_by_hand_alone_are_packaged_with_their_scripts(
    tmp_path: Path, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, package = make_tree(tmp_path / f"2017.1.01185.S_{MOUS}", IMAGES), tmp_path / "2017.1.01185.S"
    monkeypatch.setenv("PACK_SET", f"sous={SOUS} gous={GOUS}")
    QA_Packager(origin, None, package, mode="hard", style=style, manimgonly=True)
    assert files_of(package / MEMBER) == ["README", *ALONE]


def test_images_made_by_hand_beside_a_pipeline_run_are_packaged_alone(tmp_path: Path) -> None:
    unit = f"SOUS_{SOUS}/GOUS_{GOUS}/MOUS_{MOUS}"
    lines = (*(f"{unit}/{line}" for line in IMAGES), f"{unit}/products/{MOUS}.weblog.tgz")
    origin, package = make_tree(tmp_path / "run", lines), tmp_path / "2017.1.01185.S"
    QA_Packager(origin, None, package, mode="hard", style="cycle8-pipe", manimgonly=True)
    assert files_of(package / MEMBER) == ["README", *ALONE]


def test_images_of_one_name_get_that_of_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{folder}/a.manual.fits" for folder in ("Imaging", "Imaging2")]
    origin, package = make_tree(tmp_path / f"2017.1.01185.S_{MOUS}", lines), tmp_path / "2017.1.01185.S"
    monkeypatch.setenv("PACK_SET", f"sous={SOUS} gous={GOUS}")
    QA_Packager(origin, None, package, manimgonly=True)
    names = sorted(os.listdir(package / MEMBER / "product"))
    assert names == ["Imaging2__a.manual.fits", "Imaging__a.manual.fits"]


def test_images_alone_are_no_package_of_cycle0(delivery: Delivery) -> None:
    with pytest.raises(PackagingError) as raised:
        QA_Packager(delivery.origin, None, delivery.path, style="cycle0", manimgonly=True)
    (problem,) = raised.value.problems
    assert problem.path == b"cycle0"
    assert str(problem.expected).startswith("style= one of 'cycle2-nopipe'")
    assert str(problem.expected).endswith("beside manimgonly")


def test_advised_plans_say_what_the_call_said(tmp_path: Path, capsys: Capsys) -> None:
    lines = [line.partition("\t")[0] for line in (DATA / "pipeline_cycle4_2eb.txt").read_text().splitlines()]
    for mous in ("X69", "X6a"):
        make_tree(tmp_path, [line.replace("X87c_X69", f"X87c_{mous}") for line in lines if "MOUS" in line])
    (tmp_path / "pi.py").write_text("for the PI")
    run = next(tmp_path.glob("2016*"))
    with pytest.raises(PackagingError) as raised:
        QA_Packager(run, None, tmp_path / "2016.1.01435.S", "", "hard", "cycle4-pipe", tmp_path / "pi.py")
    first = printed_commands(str(raised.value))[0]
    assert first[-1].startswith("mous=")
    planned = run_here(capsys, *first[1:])
    assert planned.code == 0
    assert "layout   alma-pipeline" in planned.out
    assert "mode     hard" in planned.out
    assert "scriptForPI.py" in planned.out
