"""One broken world for every code: planning, preflight and verifying name it, with the path it is about.

Each world is made from a sound one by breaking one thing. The list of worlds and the list of codes agree.
"""

import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.files import open_plan
from qa2pack.manifest.problem import Code
from qa2pack.pack.errors.failure_texts import REQUESTS, STOPS
from support.broken_worlds import WORLDS, World, refusal
from support.file_systems import mounted, small_disk
from support.in_process import UID, Delivery, make_reduction, write
from support.origin_bytes import links_below
from support.reductions import write_small_measurement_set


def test_every_code_has_its_broken_world() -> None:
    assert set(Code) - set(WORLDS) - {*REQUESTS, *STOPS} == set(), "the others are in test_scenario_every_failure"


@pytest.fixture
def world(delivery: Delivery, tmp_path: Path) -> Iterable[World]:
    with ExitStack() as stack:
        yield World(delivery, tmp_path, stack)


@pytest.mark.parametrize("code", sorted(WORLDS))
def test_broken_world_is_found_out(world: World, code: Code) -> None:
    found = [problem for problem in WORLDS[code](world) if problem.code is code]
    assert found != []
    assert [problem for problem in found if not problem.path] == []


# --- all together, and beforehand


def test_all_problems_are_reported_at_once(delivery: Delivery, tmp_path: Path) -> None:
    for number in range(3):
        (delivery.origin / f"gone{number}.fits").symlink_to("nowhere")
    os.mkfifo(delivery.origin / "pipe.fits")
    (delivery.origin / "self.fits").symlink_to("self.fits")
    assert sorted(problem.code for problem in refusal(delivery)) == sorted(
        [*[Code.LINK_DANGLING] * 3, Code.LINK_LOOP, Code.SPECIAL_FILE]
    )


@pytest.mark.parametrize(
    "code", [Code.NO_SPACE, Code.NO_INODES, Code.CROSS_DEVICE, Code.MOUNT_POINT, Code.LINK_DANGLING]
)
def test_refused_plan_writes_nothing(world: World, code: Code) -> None:
    assert WORLDS[code](world)
    places = [world.folder, *world.folder.glob("small")]
    assert [path for place in places for path in place.glob("*.pack*")] == []


def test_move_across_file_systems_counts_the_space_of_the_copies(delivery: Delivery, tmp_path: Path) -> None:
    write(delivery.origin / "calibrated_all.clean.fits", os.urandom(500_000))
    with small_disk(tmp_path / "small", size=300_000) as disk:
        far = replace(delivery, path=disk / "2011.0.00229.S")
        assert [problem.code for problem in refusal(far, Mode.MOVE)] == [Code.NO_SPACE]
    assert links_below(delivery.origin) == {}


def test_hard_mode_on_one_file_system_needs_only_the_space_of_split_files(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", size=1_600_000) as disk:
        origin = make_reduction(disk / "sb1")
        write_small_measurement_set(origin / f"X8c/{UID}.ms.split", seed=1)
        write(origin / "calibrated_all.clean.fits", os.urandom(900_000))
        delivery = Delivery(origin, disk / "2011.0.00229.S")
        assert [problem.code for problem in refusal(delivery, Mode.COPY)] == [Code.NO_SPACE]
        delivery.make(Mode.HARD)
        assert delivery.problems() == []


def test_replacing_copies_needs_no_space_for_those_that_are_kept(tmp_path: Path) -> None:
    origin = make_reduction(tmp_path / "sb1")
    write(origin / "calibrated_all.clean.fits", os.urandom(600_000))
    with small_disk(tmp_path / "small", size=1_000_000) as disk:
        delivery = Delivery(origin, disk / "2011.0.00229.S")
        delivery.make(Mode.COPY)
        delivery.make(Mode.COPY)
        assert delivery.problems() == []


def test_hard_mode_from_a_second_mount_of_the_file_system_is_refused(tmp_path: Path) -> None:
    """The device is the same, and yet no link can be made: this is known before anything is staged."""
    origin = make_reduction(tmp_path / "sb1")
    with mounted(tmp_path / "again", "--bind", os.fspath(origin)) as again:
        delivery = Delivery(again, tmp_path / "2011.0.00229.S")
        assert [problem.code for problem in refusal(delivery)] == [Code.CROSS_DEVICE]


def test_control_folder_on_another_file_system_is_refused(delivery: Delivery) -> None:
    """What is staged there could not be published in one step."""
    control = Path(os.fsdecode(delivery.package.control))
    with small_disk(control):
        problems = refusal(delivery, Mode.COPY)
        assert [(problem.code, problem.path) for problem in problems] == [
            (Code.MOUNT_POINT, delivery.package.control)
        ]


def test_plan_is_kept_only_if_nothing_prevents_it(delivery: Delivery) -> None:
    delivery.plan()
    first = open_plan(delivery.package.plan).stream.digest
    (delivery.origin / "gone.fits").symlink_to("nowhere")
    assert refusal(delivery) != ()
    assert open_plan(delivery.package.plan).stream.digest == first
