"""What is replaced or removed is kept for a rollback where that takes little space, or as the user says."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.executor.keep_previous import KeepPrevious, keep_previous_of
from qa2pack.executor.transaction.journal_records import Discard
from qa2pack.manifest.actions import Mode
from qa2pack.pack.cli import main
from support.faulty_disk import CountingDisk, Fault, FaultyDisk, Stopped
from support.in_process import Delivery
from support.worlds import Change, Scenario, make_world, scratch_root

Capsys = pytest.CaptureFixture[str]
LARGE_BYTES = 65 * 2**20


def run(*words: str | Path) -> int:
    """Type a command."""
    return main(list(map(str, words)))


def planned_again(delivery: Delivery, mode: Mode) -> Delivery:
    """Return a delivery whose package, a large file in it, is to be replaced."""
    (delivery.origin / "cube.fits").write_bytes(b"")
    with (delivery.origin / "cube.fits").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, LARGE_BYTES)
    delivery.make(mode)
    delivery.plan(mode)
    return delivery


def is_kept(delivery: Delivery) -> bool:
    """Tell whether the package that was replaced is there."""
    return any(Path(f"{delivery.path}.pack").glob("previous/*/tree"))


@pytest.mark.parametrize(("mode", "is_shared"), [(Mode.HARD, True), (Mode.COPY, False)])
def test_package_is_kept_where_it_shares_its_files(
    capsys: Capsys, delivery: Delivery, mode: Mode, is_shared: bool
) -> None:
    planned_again(delivery, mode)
    if not is_shared:
        (delivery.path / "sg_ouss_id/group_ouss_id/member_ouss_id/product/cube.fits").write_bytes(b"x" * LARGE_BYTES)
        assert run("plan", delivery.origin, delivery.path, "--mode", mode, "--force", "--rehash") == 0
    capsys.readouterr()
    assert run("apply", delivery.path) == 0
    out = capsys.readouterr().out
    assert is_kept(delivery) is is_shared
    assert ("What was there before is kept until the next apply, and takes " in out) is is_shared
    assert run("rollback", delivery.path) == (0 if is_shared else 1)


@pytest.mark.parametrize(
    ("words", "keeps"),
    [
        (("--keep-previous", "PACKAGE"), True),
        (("PACKAGE", "--keep-previous"), True),
        (("--keep-previous=no", "PACKAGE"), False),
        (("--keep-previous", "no", "PACKAGE"), False),
        (("PACKAGE", "--keep-previous=auto"), True),
        (("PACKAGE",), True),
    ],
)
def test_option_is_a_flag_or_has_a_value(delivery: Delivery, words: tuple[str, ...], keeps: bool) -> None:
    delivery.make()
    delivery.plan()
    assert run("apply", *(str(delivery.path) if word == "PACKAGE" else word for word in words)) == 0
    assert is_kept(delivery) is keeps


@pytest.mark.parametrize(
    ("setting", "variable", "keeps"),
    [
        ("true", None, True),
        ("false", None, False),
        ("'auto'", None, True),
        ("true", "0", False),
        ("false", "1", True),
        ("false", "auto", True),
    ],
)
def test_settings_and_variable_say_it_as_a_flag_or_a_word(
    monkeypatch: pytest.MonkeyPatch, delivery: Delivery, setting: str, variable: str | None, keeps: bool
) -> None:
    delivery.make()
    delivery.plan()
    (delivery.path.parent / "pack.toml").write_text(f"keep-previous = {setting}")
    if variable is not None:
        monkeypatch.setenv("PACK_KEEP_PREVIOUS", variable)
    assert run("apply", delivery.path) == 0
    assert is_kept(delivery) is keeps


def test_other_words_are_refused(capsys: Capsys, delivery: Delivery) -> None:
    assert run("apply", delivery.path, "--keep-previous=maybe") == 2
    assert "'maybe' is not one of 'yes', 'no', 'auto'" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(ValueError, match="maybe"):
        keep_previous_of("maybe")


@pytest.mark.parametrize("choice", KeepPrevious)
def test_what_a_readme_replaces(capsys: Capsys, delivery: Delivery, choice: KeepPrevious) -> None:
    delivery.make(Mode.COPY)
    capsys.readouterr()
    words = ("readme", delivery.path, "--set-field", "PI name=A", f"--keep-previous={choice}", "--json")
    assert run(*words) == 0
    keeps = choice is not KeepPrevious.NO
    assert is_kept(delivery) is keeps
    kept_bytes = json.loads(capsys.readouterr().out)["kept_bytes"]
    assert (0 < kept_bytes < 2**20) if keeps else kept_bytes is None


@pytest.mark.parametrize("keeps", [True, False])
def test_decision_is_that_of_the_commit(keeps: bool) -> None:
    """A run with another limit neither keeps a part of a tree nor removes what was to be kept."""
    with scratch_root() as root:
        scenario = Scenario(Change.REPLACE, Mode.HARD, keeps_previous=keeps, is_auto=True)
        world = make_world(root, scenario)
        before, counting = world.visible(), CountingDisk()
        world.apply(counting)
        world.bring_back()
        last = len(counting.calls) - counting.calls[::-1].index("exchange")
        at = last + counting.calls[last:].index("unlink") + 1 if not keeps else last
        with pytest.raises(Stopped):
            world.apply(FaultyDisk(Fault.STOP_BEFORE, at))
        assert any(isinstance(record, Discard) for record in world.records) is not keeps
        world.scenario = replace(scenario, keeps_previous=not keeps)
        world.apply()
        assert world.can_roll_back() is keeps
        assert (world.visible() == before) is keeps
