"""Sending to a plain store that is a folder, killed at each call that changes it: the same command goes on.

A kill runs nothing more. So from one call on, all of them end the program, in every clean-up, too.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ocfl
import pytest
from fsspec.implementations.local import LocalFileOpener, LocalFileSystem

from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.problem import Refused
from qa2pack.manifest.progress import Silent
from qa2pack.tarsplit import output_files
from qa2pack.tarsplit.contents import choose_members
from qa2pack.tarsplit.deliver import Destination, deliver
from qa2pack.tarsplit.place import plain_upload
from qa2pack.tarsplit.place.store import Store
from qa2pack.tarsplit.plan import Cut, CutRequest, plan_cut
from qa2pack.tarsplit.sets import name_of_sets, with_sets
from support.delivered_sets import RULES, UNIT, package_run
from support.deliveries import PROJECT, make_package, plan
from support.in_process import write

FORMS = ("folder", "bag", "ocfl")


class Killed(BaseException):
    """The program ends here."""


class Kill:
    """Counts calls, and ends the program from one on."""

    def __init__(self) -> None:
        self.count = 0
        self.first = 1 << 30

    def at(self, number: int) -> None:
        """End the program at the call of this number, from 0, and at all after it."""
        self.count, self.first = 0, number

    def call(self) -> None:
        """Count one more call."""
        self.count += 1
        if self.count > self.first:
            raise Killed


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kill]:
    """What kills at a call that changes a folder by fsspec, or gives a file in it its name."""
    kill = Kill()

    def killing(real: Callable[..., Any], is_change: Callable[..., bool] = lambda *_, **__: True) -> Any:
        def call(*words: Any, **options: Any) -> Any:
            if is_change(*words, **options):
                kill.call()
            return real(*words, **options)

        return call

    monkeypatch.setattr(
        LocalFileSystem, "_open", killing(LocalFileSystem._open, lambda *_, mode="rb", **__: mode != "rb")
    )
    for name in ("rm_file", "mv"):
        monkeypatch.setattr(LocalFileSystem, name, killing(getattr(LocalFileSystem, name)))
    monkeypatch.setattr(LocalFileOpener, "write", killing(LocalFileOpener.write))
    monkeypatch.setattr(output_files, "rename", killing(output_files.rename))
    yield kill


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def tars_of(folder: Path) -> Cut:
    package = make_package(folder / PROJECT, {"qa/a.png": b"a" * 50_000, "script/b.py": b"b" * 60_000})
    return plan(package, 70_000)


def trees_of(folder: Path) -> Cut:
    """Plan a folder, a bag and an object with the same two files."""
    sets = (
        f'[[delivery]]\nset = "{form}"\nform = "{form}"\nname = "P_{form}"\nselect = "**"\nalso = true\n'
        for form in FORMS
    )
    package_run(folder, f"{UNIT}{RULES}{''.join(sets)}", {"one/a": b"a" * 2000, "b": b"b"})
    return sets_of(folder / "P")


def sets_of(path: Path) -> Cut:
    """Plan the delivery sets of a package."""
    package = Package(os.fsencode(path))
    members = choose_members(package, read_state(package), OpenedFiles())
    members = with_sets(members, package.project, (), day="")
    return plan_cut(CutRequest(name_of_sets(members, package.project, (), ""), 1 << 20), members, Silent())


@pytest.mark.parametrize(("cut_of", "renames_over"), [(tars_of, True), (tars_of, False), (trees_of, True)])
def test_kill_at_any_call_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: Kill, cut_of: Callable[[Path], Cut], *, renames_over: bool
) -> None:
    if not renames_over:  # as FTP and SMB
        monkeypatch.setattr(plain_upload, "_OF_DISK", frozenset())
        monkeypatch.setattr(plain_upload, "_RENAMES_OVER", frozenset())
    cut = cut_of(tmp_path)
    root = tmp_path / ("P" if cut_of is trees_of else PROJECT)

    def send(to: Path) -> None:
        where = Destination(os.fsencode(root), Store(f"file://{to}"))
        assert not deliver(cut, where, engine=InlineEngine(), progress=Silent()).problems

    send(tmp_path / "whole")
    whole, count = files_in(tmp_path / "whole"), kill.count
    assert count > 20
    for number in range(count):
        to = tmp_path / str(number)
        kill.at(number)
        with pytest.raises(Killed):
            send(to)
        kill.at(1 << 30)
        send(to)
        assert files_in(to) == whole, number
        shutil.rmtree(to)


def test_kill_at_any_call_that_sends_a_version_and_the_same_command_or_that_of_another_state_goes_on(
    tmp_path: Path, kill: Kill
) -> None:
    layout = f'{UNIT}{RULES}[[delivery]]\nset = "object"\nform = "ocfl"\nname = "P_object"\nselect = "**"\n'
    homes = [tmp_path / f"home{number}" for number in range(3)]
    for number, home in enumerate(homes):
        package_run(home, layout, {"one/a": b"a" * 2000, "one/b": b"%d" % number})
    cuts = [sets_of(home / "P") for home in homes]

    def send(number: int, to: Path) -> None:
        where = Destination(os.fsencode(homes[number] / "P"), Store(f"file://{to}"))
        assert not deliver(cuts[number], where, engine=InlineEngine(), progress=Silent()).problems

    whole = []
    send(0, tmp_path / "first")
    for number in (1, 2):
        send(number, shutil.copytree(tmp_path / "first", tmp_path / f"whole{number}"))
        whole.append(files_in(tmp_path / f"whole{number}"))
    kill.at(1 << 30)
    send(1, shutil.copytree(tmp_path / "first", tmp_path / "counted"))
    count = kill.count
    assert count > 10
    versions = set()
    for number in range(2 * count):
        to = shutil.copytree(tmp_path / "first", tmp_path / "killed")
        kill.at(number // 2)
        with pytest.raises(Killed):
            send(1, to)
        kill.at(1 << 30)
        went_on = 1 + number % 2
        send(went_on, to)
        if (head := (to / "P_object/v3").exists()) is False:
            assert files_in(to) == whole[went_on - 1], number
        versions.add(head)
        ok, validator = ocfl.Object().validate(str(to / "P_object"))
        assert ok, (number, str(validator))
        shutil.rmtree(to)
    assert versions == {False, True}  # another state adds a third one where the sidecar of the second is there


def test_tree_that_was_begun_of_an_earlier_state_is_replaced_but_for_a_file_of_somebody(
    tmp_path: Path, kill: Kill
) -> None:
    cut = trees_of(tmp_path / "home0")
    files = {"one/a": b"b" * 2000, "b": b"c"}
    package_run(tmp_path / "home1", (tmp_path / "home0/layout.toml").read_text(), files)
    other = sets_of(tmp_path / "home1/P")

    def send(home: int, to: Path, *, is_replacing: bool = True) -> None:
        where = Destination(os.fsencode(tmp_path / f"home{home}/P"), Store(f"file://{to}"), is_replacing=is_replacing)
        assert not deliver((cut, other)[home], where, engine=InlineEngine(), progress=Silent()).problems

    send(1, tmp_path / "whole")
    whole, count = files_in(tmp_path / "whole"), kill.count
    for number in range(5, count, 7):
        to = tmp_path / str(number)
        kill.at(number)
        with pytest.raises(Killed):
            send(0, to)
        kill.at(1 << 30)
        if (to / "P_ocfl/inventory.json").exists():
            break  # from here on it is an object, to which a version is added
        for tree in [path for path in to.glob("P_*") if path.is_dir()]:
            with pytest.raises(Refused, match="in-the-way"):
                send(1, to, is_replacing=False)
            mine = write(tree / "thesis.part", b"mine")
            with pytest.raises(Refused, match=re.escape(str(mine))):
                send(1, to)
            mine.unlink()
        send(1, to)
        assert files_in(to) == whole, number
        shutil.rmtree(to)
    assert number > 50


def test_what_a_killed_run_of_another_state_put_in_place_is_not_taken_for_that_of_the_delivery(
    tmp_path: Path, kill: Kill
) -> None:
    """Both states have files of the same sizes, and such a store tells nothing but sizes."""
    sets = (
        f'[[delivery]]\nset = "{form}"\nform = "{form}"\nname = "P_{form}{end}"\nselect = "data/**"\nalso = true\n'
        for form, end in (("tar", ".tar"), ("folder", ""), ("ocfl", ""))
    )
    layout = f"{UNIT}{RULES}{''.join(sets)}"
    homes = [tmp_path / f"home{number}" for number in range(2)]
    for number, home in enumerate(homes):
        package_run(home, layout, {"one/a": b"%d" % number * 2000, "one/b": b"same"})
    cuts = [sets_of(home / "P") for home in homes]

    def send(number: int, to: Path) -> None:
        where = Destination(os.fsencode(homes[number] / "P"), Store(f"file://{to}"), is_replacing=True)
        assert not deliver(cuts[number], where, engine=InlineEngine(), progress=Silent()).problems

    send(0, tmp_path / "first")
    first = files_in(tmp_path / "first")
    for number in range(0, 200, 2):
        to = shutil.copytree(tmp_path / "first", tmp_path / "killed")
        kill.at(number)
        with pytest.raises(Killed):
            send(1, to)
        kill.at(1 << 30)
        if not (to / "P_unit.manifest").exists() or files_in(to)["P_unit.manifest"] != first["P_unit.manifest"]:
            break
        send(0, to)
        assert files_in(to) == first, number
        shutil.rmtree(to)
    assert number > 20
