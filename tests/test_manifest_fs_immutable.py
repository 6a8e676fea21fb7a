"""Files and folders that nobody may change: the plan of a mode that would have to says so."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.fs import immutable
from qa2pack.manifest.problem import Code, Refused
from support.file_systems import marked
from support.in_process import Delivery

NAME = "scriptForImaging.py"


def refusals(delivery: Delivery, mode: Mode) -> list[tuple[Code, str, str]]:
    with pytest.raises(Refused) as caught:
        delivery.plan(mode)
    return [(problem.code, problem.path.decode(), str(problem.found)) for problem in caught.value.problems]


@pytest.mark.parametrize(("mark", "word"), [("i", "immutable"), ("a", "append-only")])
@pytest.mark.parametrize("mode", [Mode.HARD, Mode.MOVE, Mode.TICKET])
def test_marked_file_is_refused_by_modes_that_link_it(delivery: Delivery, mode: Mode, mark: str, word: str) -> None:
    with marked(delivery.origin / NAME, mark) as path:
        assert refusals(delivery, mode) == [(Code.UNCHANGEABLE, str(path), word)]


@pytest.mark.parametrize("mark", ["i", "a"])
def test_marked_file_is_copied(delivery: Delivery, mark: str) -> None:
    with marked(delivery.origin / NAME, mark):
        delivery.make(Mode.COPY)
        assert delivery.problems() == []


@pytest.mark.parametrize(("mark", "word"), [("i", "immutable"), ("a", "append-only")])
@pytest.mark.parametrize("folder", ["", "X8c/qa2"])
def test_marked_folder_is_refused_by_a_move_only(delivery: Delivery, folder: str, mark: str, word: str) -> None:
    with marked(delivery.origin / folder, mark) as path:
        assert refusals(delivery, Mode.MOVE) == [(Code.UNCHANGEABLE, str(path), word)]
        delivery.make(Mode.HARD)
        assert delivery.problems() == []


@pytest.mark.parametrize("mark", ["i", "a"])
def test_package_that_could_not_be_replaced_is_reported_by_the_plan(delivery: Delivery, mark: str) -> None:
    delivery.make(Mode.COPY)
    with marked(delivery.path, mark):
        assert [refusal[:2] for refusal in refusals(delivery, Mode.COPY)] == [(Code.NOT_WRITABLE, str(delivery.path))]


def test_folder_in_which_nothing_can_be_renamed_takes_no_package(delivery: Delivery, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with marked(tmp_path / "logs", "a") as folder:
        far = Delivery(delivery.origin, folder / "2011.0.00229.S")
        assert [refusal[:2] for refusal in refusals(far, Mode.COPY)] == [(Code.NOT_WRITABLE, str(folder))]


def test_marked_file_of_a_moved_package_is_refused_by_the_next_plan(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    with marked(delivery.member / "product/calibrated_all.clean.fits", "i"):
        with pytest.raises(Refused) as caught:
            delivery.plan(Mode.MOVE)
        assert [(problem.code, problem.path) for problem in caught.value.problems] == [
            (Code.UNCHANGEABLE, os.fsencode(delivery.origin / "calibrated_all.clean.fits"))
        ]


def test_file_system_is_asked_once_for_its_device_number(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(immutable, "_marking", {})
    origin = os.fsencode(delivery.origin)
    assert not immutable.has_marks(1, b"/proc"), "what holds no files of anybody has no such attributes"
    assert immutable.has_marks(2, origin) == immutable.has_marks(2, b"/proc")
    assert immutable.has_marks(1, origin) is False


def test_path_that_is_gone_says_nothing_of_its_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(immutable, "_marking", {})
    assert immutable.has_marks(1, os.fsencode(tmp_path / "gone")), "each file of it is asked"
    assert not immutable.has_marks(1, b"/proc"), "the next path tells"
