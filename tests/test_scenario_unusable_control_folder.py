"""A control folder that cannot be used is reported by every command: nothing in it may seem not to be there."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import Delivery, make_reduction
from support.snapshots import contents
from support.users import as_ordinary_user, folder_of_everybody

Capsys = pytest.CaptureFixture[str]

COMMANDS = (
    ("plan", "ORIGIN", "PACKAGE"),
    ("apply", "PACKAGE"),
    ("verify", "PACKAGE"),
    ("verify", "PACKAGE", "--quick"),
    ("show", "PACKAGE"),
    ("status", "PACKAGE"),
    ("log", "PACKAGE"),
    ("diff", "ORIGIN", "PACKAGE"),
    ("report", "PACKAGE"),
    ("export", "PACKAGE", "--format", "xxhsum"),
    ("rollback", "PACKAGE"),
    ("adopt", "PACKAGE"),
    ("tarsplit", "-n", "2012-06-20", "PACKAGE"),
    ("show", "PACKAGE", "--log", "LOG"),
)


@pytest.fixture
def common() -> Iterator[Path]:
    with folder_of_everybody() as folder:
        yield folder


@pytest.fixture
def delivery(common: Path) -> Delivery:
    made = Delivery(make_reduction(common / "sb1"), common / "2011.0.00229.S")
    made.make(Mode.COPY)
    return made


def typed(delivery: Delivery, command: tuple[str, ...]) -> list[str]:
    places = {"ORIGIN": delivery.origin, "PACKAGE": delivery.path, "LOG": delivery.path.with_name("log")}
    return [os.fspath(places.get(word, word)) for word in command]


def control(delivery: Delivery) -> Path:
    return Path(os.fsdecode(delivery.package.control))


def _link_to_it(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _link_to_nothing(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("nowhere")


def _file(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.write_text("of another program")


@pytest.mark.parametrize(
    ("put", "found"),
    [(_link_to_it, "a link to elsewhere"), (_link_to_nothing, "a link to nowhere"), (_file, "a file")],
)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_is_no_folder_is_refused(
    capsys: Capsys, delivery: Delivery, command: tuple[str, ...], put: Callable[[Path], None], found: str
) -> None:
    put(control(delivery))
    before = contents(delivery.path.parent)
    ran = run_here(capsys, *typed(delivery, command))
    delivery.path.with_name("log").unlink(missing_ok=True)
    assert (ran.code, ran.out) == (Exit.FAILED, "")
    assert "control-unusable: The control folder of the package cannot be used." in ran.err
    assert f"{control(delivery)}: expected a folder that you may read, found {found}\n" in ran.err
    assert contents(delivery.path.parent) == before


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_folder_of_somebody_else_that_may_not_be_entered_is_no_missing_one(
    monkeypatch: pytest.MonkeyPatch, capsys: Capsys, delivery: Delivery, command: tuple[str, ...]
) -> None:
    control(delivery).chmod(0o600 if os.geteuid() else 0o700)
    monkeypatch.chdir(delivery.path.parent)  # tars go to the current folder, which must be one that may be written
    with as_ordinary_user():
        ran = run_here(capsys, *typed(delivery, command))
    assert (ran.code, ran.out) == (Exit.FAILED, "")
    assert f"{control(delivery)}: expected a folder that you may read, found a folder that you may not" in ran.err


def test_manifests_that_may_not_be_listed_are_no_missing_ones(capsys: Capsys, delivery: Delivery) -> None:
    manifests = control(delivery) / "manifests"
    manifests.chmod(0o300 if os.geteuid() else 0o700)
    with as_ordinary_user():
        ran = run_here(capsys, "show", delivery.path)
    assert (ran.code, ran.out) == (Exit.FAILED, "")
    assert (
        f"permission was denied.\n  package: {delivery.path}\n  Get permission first.\n  Path: {manifests}" in ran.err
    )


@pytest.mark.parametrize("name", ["plan", "plan.applied"])
@pytest.mark.parametrize("command", [("plan", "ORIGIN", "PACKAGE"), ("apply", "PACKAGE")], ids=" ".join)
def test_folder_in_the_place_of_a_plan_is_refused_before_anything_is_done(
    capsys: Capsys, delivery: Delivery, command: tuple[str, ...], name: str
) -> None:
    place = control(delivery) / name
    place.unlink(missing_ok=True)
    place.mkdir()
    ran = run_here(capsys, *typed(delivery, command))
    assert (ran.code, "control-unusable: " in ran.err) == (Exit.FAILED, True)
    assert f"{place}: expected a file, found a folder\n" in ran.err
