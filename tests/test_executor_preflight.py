"""What is refused before anything is written: at the library's level, with the path that is to blame."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.executor.preflight import check_space
from qa2pack.executor.space import free_bytes, needed_bytes
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.layout.include import parse_include
from qa2pack.manifest.problem import Code, Refused
from support.file_systems import count_no_inodes, folder_elsewhere, small_disk
from support.in_process import Delivery, make_reduction, write
from support.snapshots import snapshot
from support.users import as_ordinary_user, folder_of_everybody


def refused(step: Callable[[], object]) -> list[tuple[Code, bytes]]:
    with pytest.raises(Refused) as caught:
        step()
    return [(problem.code, problem.path) for problem in caught.value.problems]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    with folder_elsewhere(tmp_path) as folder:
        yield folder


def test_hard_mode_across_file_systems_is_refused(delivery: Delivery, elsewhere: Path) -> None:
    other = replace(delivery, origin=make_reduction(elsewhere / "sb1"))
    assert {code for code, _ in refused(lambda: other.plan(Mode.HARD))} == {Code.CROSS_DEVICE}
    other.plan(Mode.COPY)
    other.apply()
    assert other.problems() == []


@pytest.mark.parametrize(
    ("needs", "code"), [({"new_bytes": 1 << 60}, Code.NO_SPACE), ({"new_files": 1 << 60}, Code.NO_INODES)]
)
def test_what_does_not_fit_is_refused(delivery: Delivery, needs: dict[str, int], code: Code) -> None:
    plan = delivery.plan(Mode.COPY)
    notes = replace(plan.notes, **needs)  # type: ignore[arg-type]
    if code is Code.NO_INODES and not os.statvfs(delivery.path.parent).f_files:
        pytest.skip("this file system does not count inodes")
    assert [c for c, _ in refused(lambda: check_space(delivery.package, plan.header, notes, {}, OpenedFiles()))] == [
        code
    ]


def test_full_disk_refuses_for_want_of_inodes(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size=64 << 20, inodes=3) as disk:
        delivery = Delivery(make_reduction(tmp_path / "sb1"), disk / "2011.0.00229.S")
        for name in ("one", "other"):
            write(disk / name, b"")
        assert refused(lambda: delivery.plan(Mode.COPY)) == [(Code.NO_INODES, os.fsencode(disk))]


def test_disk_that_counts_no_free_inode_and_takes_files_is_not_called_full(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_no_inodes(monkeypatch)
    delivery.plan(Mode.COPY)
    delivery.apply()
    assert delivery.problems() == []


def test_missing_space_is_reported_in_people_s_numbers_and_to_the_byte(delivery: Delivery) -> None:
    plan = delivery.plan(Mode.COPY)
    notes = replace(plan.notes, new_bytes=1 << 60)
    with pytest.raises(Refused) as caught:
        check_space(delivery.package, plan.header, notes, {}, OpenedFiles())
    (problem,) = caught.value.problems
    free = free_bytes(delivery.package)
    assert free is not None
    missing = needed_bytes(delivery.package, plan.header, notes, OpenedFiles()) - free
    assert str(problem.expected) == "1024.0 PiB"
    assert re.fullmatch(r"[\d.]+ [GT]iB; 10\d\d\.\d PiB \(([\d,]+) bytes\) are missing", str(problem.found))
    reported = int(str(problem.found).split("(")[1].split(" ")[0].replace(",", ""))
    assert reported == pytest.approx(missing, abs=1 << 30), "other programs write to this disk, too"


def test_needed_room_holds_the_ticket_files(delivery: Delivery) -> None:
    """A fake package is all empty files; its tickets are not."""
    plan = delivery.plan(Mode.FAKE)
    needed = needed_bytes(delivery.package, plan.header, plan.notes, OpenedFiles())
    before = free_bytes(delivery.package)
    delivery.apply()
    tickets = sum(path.stat().st_size for path in delivery.path.parent.glob("*.ticket.*"))
    assert before is not None
    assert before > needed >= tickets + plan.notes.new_bytes > plan.notes.new_bytes


def test_disk_that_does_not_report_its_size_is_not_called_full(delivery: Delivery) -> None:
    plan = delivery.plan(Mode.COPY)
    package = Package(b"/proc/2011.0.00229.S")
    assert free_bytes(package) is None
    check_space(package, plan.header, plan.notes, {}, OpenedFiles())


def test_readme_file_that_is_not_there_is_refused(delivery: Delivery) -> None:
    missing = os.fsencode(delivery.origin / "no.header.txt")
    assert refused(lambda: delivery.made(readme=missing)) == [(Code.README_MISSING, missing)]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("Cycle: 0\n".encode("utf-16"), "UTF-16"),
        ("Cycle: 0\n".encode("utf-16-le"), "binary data"),
        (b"\x7fELF\x02\x01\x01\0\0", "binary data"),
        ("Cycle: 0\nPI: J\xfcrgen\n".encode("latin-1"), "byte 0xfc in line 2, in another encoding"),
    ],
)
def test_readme_file_that_is_no_text_is_refused_by_name(
    delivery: Delivery, tmp_path: Path, data: bytes, found: str
) -> None:
    header = write(tmp_path / "header.txt", data)
    with pytest.raises(Refused) as caught:
        delivery.made(readme=os.fsencode(header))
    (problem,) = caught.value.problems
    assert (problem.code, problem.path, problem.found) == (Code.README_NOT_TEXT, os.fsencode(header), found)


def test_readme_file_in_utf8_is_taken_as_it_is(delivery: Delivery, tmp_path: Path) -> None:
    header = write(tmp_path / "header.txt", "\ufeffPI: J\xfcrgen\n".encode())
    assert delivery.made(readme=os.fsencode(header)).header.readme.startswith(header.read_bytes())


def test_origin_without_an_execution_block_is_refused(delivery: Delivery) -> None:
    shutil.rmtree(delivery.origin / "X8c")
    assert [code for code, _ in refused(delivery.made)] == [Code.NO_PLACE]


def test_sources_that_meet_are_refused_with_both_names(delivery: Delivery) -> None:
    for block in ("X1", "X2"):
        write(delivery.origin / block / "uid___A002_X1_Xa.ms.scriptForCalibration.py", block.encode())
    with pytest.raises(Refused) as caught:
        delivery.made()
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == (Code.COLLISION, b"script/uid___A002_X1_Xa.ms.scriptForCalibration.py")
    assert "X1/" in f"{problem.expected}{problem.found}"
    assert "X2/" in f"{problem.expected}{problem.found}"


def test_unknown_layout_is_refused(delivery: Delivery) -> None:
    assert [code for code, _ in refused(lambda: delivery.made(layout="cycle99"))] == [Code.UNKNOWN_LAYOUT]


@pytest.mark.parametrize("text", ["*.png=music", "*.png=QA"])
def test_unknown_role_is_refused(delivery: Delivery, text: str) -> None:
    assert refused(lambda: delivery.made(include=(parse_include(text),))) == [(Code.UNKNOWN_ROLE, text.encode())]


def test_unreadable_parts_are_all_named() -> None:
    with folder_of_everybody() as folder, as_ordinary_user():  # root may read everything
        delivery = Delivery(make_reduction(folder / "sb1"), folder / "2011.0.00229.S")
        for name in ("scriptForImaging.py", "X8c/checklist.txt"):
            (delivery.origin / name).chmod(0)
        assert refused(delivery.made) == [
            (Code.UNREADABLE, os.fsencode(delivery.origin / "X8c/checklist.txt")),
            (Code.UNREADABLE, os.fsencode(delivery.origin / "scriptForImaging.py")),
        ]


@pytest.mark.parametrize("target", ["nowhere", "/etc/hostname"])
def test_link_that_cannot_be_packaged_is_refused(delivery: Delivery, target: str) -> None:
    link = delivery.origin / "X8c/uid___A002_X3c9295_X8c.ms.tsys/link"
    link.symlink_to(target)
    assert [path for _, path in refused(delivery.made)] == [os.fsencode(link)]


def test_refusal_changes_nothing(delivery: Delivery) -> None:
    (delivery.origin / "X8c/qa2/link.png").symlink_to("nowhere")
    before = snapshot(delivery.path.parent)
    refused(lambda: delivery.made(Mode.HARD))
    assert snapshot(delivery.path.parent) == before
