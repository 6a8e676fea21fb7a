"""Files and folders that nobody may change: the plan of a mode that would have to says so."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.fs import immutable
from qa2pack.manifest.problem import Code, Refused
from qa2pack.manifest.scan import link_and_owner_checks
from support.file_systems import marked
from support.in_process import UID, Delivery

NAME = "scriptForImaging.py"
PLOT = f"X8c/{UID}.ms.tsys.plots/tsys.antenna1.png"  # in a folder that is packaged as a whole


def refusals(delivery: Delivery, mode: Mode) -> list[tuple[Code, str, str]]:
    with pytest.raises(Refused) as caught:
        delivery.plan(mode)
    return [(problem.code, problem.path.decode(), str(problem.found)) for problem in caught.value.problems]


@pytest.mark.parametrize(("mark", "word"), [("i", "immutable"), ("a", "append-only")])
@pytest.mark.parametrize("mode", [Mode.HARD, Mode.MOVE, Mode.TICKET])
def test_marked_file_is_refused_by_modes_that_link_it(delivery: Delivery, mode: Mode, mark: str, word: str) -> None:
    with marked(delivery.origin / NAME, mark) as path:
        assert refusals(delivery, mode) == [(Code.UNCHANGEABLE, str(path), word)]


@pytest.mark.parametrize(("mark", "word"), [("i", "immutable"), ("a", "append-only")])
def test_marked_file_in_a_folder_that_is_packaged_as_a_whole_is_refused(
    delivery: Delivery, mark: str, word: str
) -> None:
    with marked(delivery.origin / PLOT, mark) as path:
        assert refusals(delivery, Mode.HARD) == [(Code.UNCHANGEABLE, str(path), word)]


def test_file_that_is_marked_after_the_plan_that_links_it_is_refused_by_the_next(delivery: Delivery) -> None:
    delivery.plan(Mode.HARD)
    with marked(delivery.origin / PLOT, "i") as path:
        assert refusals(delivery, Mode.HARD) == [(Code.UNCHANGEABLE, str(path), "immutable")]


def test_marked_file_of_which_the_plan_of_a_copy_knows_the_digest_is_refused(delivery: Delivery) -> None:
    with marked(delivery.origin / PLOT, "a") as path:
        delivery.plan(Mode.COPY)
        assert refusals(delivery, Mode.HARD) == [(Code.UNCHANGEABLE, str(path), "append-only")]


@pytest.mark.parametrize(("earlier", "asked"), [(Mode.HARD, 0), (Mode.COPY, 2)])
def test_files_are_not_asked_again_for_marks_if_none_has_changed_since_a_plan_that_links_them(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, earlier: Mode, asked: int
) -> None:
    delivery.plan(earlier)
    looked: list[bytes] = []

    def counted(folder: bytes, paths: Iterable[bytes]) -> Iterator[tuple[bytes, str]]:
        looked.extend(path for path in paths if folder.endswith(os.path.dirname(PLOT).encode()))
        return iter(())

    monkeypatch.setattr(link_and_owner_checks, "has_marks", lambda *_: True)
    monkeypatch.setattr(link_and_owner_checks, "marks_in", counted)
    delivery.plan(Mode.HARD)
    assert len(looked) == asked


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
