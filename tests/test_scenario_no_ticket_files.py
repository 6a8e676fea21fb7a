"""Packages whose layout has no folder for the ticket files: none are made, and those of older programs go."""

import json
import os
from pathlib import Path

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.executor.tickets.write import Member, write_tickets
from qa2pack.executor.transaction.paths import ticket_in
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.files import open_manifest
from qa2pack.manifest.problem import Code, Refused
from support.commands import run_here
from support.faulty_disk import CountingDisk, Fault, FaultyDisk, Stopped
from support.in_process import Delivery, write
from support.origin_bytes import roll_back

LAYOUT = """
tree = "{tree}"
[variable.set]
default = "1"
[[place]]
name = "top"
[[folder]]
name = "script"
tickets = {tickets}
[[rule]]
match = "*"
to = "script/{{name}}"
"""


def layout(folder: Path, *, tree: str = "", tickets: bool = False) -> str:
    name = folder / f"{'with' if tickets else 'without'}.toml"
    return str(write(name, LAYOUT.format(tree=tree, tickets=str(tickets).lower()).encode()))


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    write(tmp_path / "run/a.py", b"a")
    return Delivery(tmp_path / "run", tmp_path / "package")


def tickets(delivery: Delivery) -> dict[str, bytes]:
    return {Path(os.fsdecode(path)).name: Path(os.fsdecode(path)).read_bytes() for path in there(delivery)}


def there(delivery: Delivery) -> list[bytes]:
    return [path for path in delivery.package.tickets if os.path.exists(path)]


def with_old_tickets(delivery: Delivery, layout: str) -> dict[str, bytes]:
    """Make a package as older programs did, and return its ticket files."""
    delivery.make(Mode.COPY, layout=layout)
    manifest = open_manifest(delivery.package.manifest(b"."))
    folder = delivery.package.control
    write_tickets(delivery.package.project, [Member(manifest, delivery.package.path)], folder, Disk())
    for suffix in (b"tar", b"zip"):
        os.rename(ticket_in(folder, suffix), delivery.package.path + b".ticket." + suffix)
    return tickets(delivery)


@pytest.mark.parametrize("name", ["as-is", ""])
def test_none_are_made_and_verify_misses_none(delivery: Delivery, name: str) -> None:
    described = delivery.plan(Mode.COPY, layout=name or layout(delivery.origin.parent))
    delivery.apply()
    assert (there(delivery), delivery.problems()) == ([], [])
    assert described.notes.file_count == (1 if name else 2)


def test_those_of_older_programs_verify_and_go_with_the_next_apply(delivery: Delivery) -> None:
    mine = layout(delivery.origin.parent)
    old = with_old_tickets(delivery, mine)
    assert (len(old), delivery.problems()) == (2, [])
    write(delivery.origin / "b.py", b"b")
    delivery.plan(Mode.COPY, layout=mine)
    delivery.apply(keep_previous=KeepPrevious.YES)
    assert (tickets(delivery), delivery.problems()) == ({}, [])
    roll_back(delivery)
    assert tickets(delivery) == old


def test_damaged_ones_of_older_programs_are_found(delivery: Delivery) -> None:
    with_old_tickets(delivery, layout(delivery.origin.parent))
    os.truncate(delivery.package.tickets[0], 100)
    assert {each.code for each in delivery.problems()} == {Code.TICKET_DAMAGED}


def test_they_go_or_come_back_wherever_it_stops(delivery: Delivery) -> None:
    mine = layout(delivery.origin.parent)
    old = with_old_tickets(delivery, mine)
    write(delivery.origin / "b.py", b"b")
    delivery.plan(Mode.COPY, layout=mine)
    disk = CountingDisk()
    delivery.apply(disk, keep_previous=KeepPrevious.YES)
    roll_back(delivery)
    for at in range(len(disk.calls) - 25, len(disk.calls)):
        with pytest.raises(Stopped):
            delivery.apply(FaultyDisk(Fault.STOP_AFTER, at), keep_previous=KeepPrevious.YES)
        if at % 2:
            roll_back(delivery)
        else:
            if os.path.exists(delivery.package.plan):
                delivery.apply(keep_previous=KeepPrevious.YES)
            assert there(delivery) == []
            roll_back(delivery)
        assert tickets(delivery) == old
        if not os.path.exists(delivery.package.plan):
            delivery.plan(Mode.COPY, layout=mine)


def test_file_of_another_program_with_their_name_is_not_taken_away(delivery: Delivery) -> None:
    mine = layout(delivery.origin.parent)
    delivery.make(Mode.COPY, layout=mine)
    write(delivery.path.parent / "package.ticket.tar", b"mine")
    with pytest.raises(Refused) as refused:
        delivery.plan(Mode.COPY, layout=mine)
    assert [each.code for each in refused.value.problems] == [Code.TICKET_IN_THE_WAY]


def test_they_are_made_as_long_as_a_member_has_them(delivery: Delivery, capsys: pytest.CaptureFixture[str]) -> None:
    folder = delivery.origin.parent
    for number, has_tickets in (("1", True), ("2", False)):
        delivery.make(
            Mode.COPY,
            layout=layout(folder, tree="set{set}", tickets=has_tickets),
            values=(("set", number),),
        )
    assert len(there(delivery)) == 2
    assert delivery.problems() == []
    ran = run_here(capsys, "rename", delivery.path, "renamed")
    assert ran.code == 0, ran.err
    renamed = Delivery(delivery.origin, folder / "renamed")
    assert len(there(renamed)) == 2
    ran = run_here(capsys, "remove", renamed.path, "--member", "set1")
    assert (ran.code, "ticket files" in ran.out) == (0, False), ran.err
    assert (there(renamed), renamed.problems()) == ([], [])


def test_readme_says_nothing_of_them(delivery: Delivery, capsys: pytest.CaptureFixture[str]) -> None:
    delivery.make(Mode.COPY, layout=layout(delivery.origin.parent))
    ran = run_here(capsys, "readme", delivery.path, "--set-field", "PI name=A. Person")
    assert (ran.code, "ticket files" in ran.out) == (0, False), ran.err


def test_plan_counts_no_room_for_them(delivery: Delivery, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("plan", delivery.origin, delivery.path, "--layout", "as-is", "--mode", "hard", "--json")
    assert json.loads(run_here(capsys, *words).out)["needed_bytes"] < 10_000


def test_changed_readme_of_a_member_that_stays_is_in_no_ones_way(delivery: Delivery) -> None:
    mine = layout(delivery.origin.parent, tree="set{set}")
    delivery.make(Mode.COPY, layout=mine)
    write(delivery.path / "set1/README", b"changed")
    delivery.make(Mode.COPY, layout=mine, values=(("set", "2"),))
    assert {(each.code, each.path) for each in delivery.problems()} == {(Code.TRUNCATED, b"set1/README")}
