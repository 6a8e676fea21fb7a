import os
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.layout.item import Item
from qa2pack.manifest.plan.totals import folder_records
from qa2pack.manifest.scan.batches import FileBatch, ScanOptions, Subtree, SubtreeBatch
from qa2pack.manifest.scan.make_batches import scan_batches

OPTIONS = ScanOptions(os.fsencode(Path("/origin")), Action.COPY)
TREE = Item(b"X8c/U.ms.tsys", b"calibration/U.calibration/U.ms.tsys", True)


def script(name: bytes) -> Item:
    return Item(b"X8c/" + name, b"script/" + name, False)


def test_tree_is_a_batch_of_its_own_without_what_is_omitted() -> None:
    omit = {TREE.path: frozenset([b"table.f3"])}
    (batch,) = scan_batches([TREE], OPTIONS, Mode.COPY, (), omit)
    assert batch == SubtreeBatch(OPTIONS, (Subtree(TREE.source, TREE.path, frozenset([b"table.f3"])),))


def test_files_that_meet_in_a_folder_are_one_batch_sorted_by_name() -> None:
    (batch,) = scan_batches([script(b"b.py"), script(b"a.py")], OPTIONS, Mode.COPY, (), {})
    assert batch == FileBatch(OPTIONS, b"script", (b"a.py", b"b.py"), (b"X8c/a.py", b"X8c/b.py"))


def test_many_files_are_several_batches_and_none_is_left_out() -> None:
    items = [script(b"%05d.py" % number) for number in range(4100)]
    batches = list(scan_batches(items, OPTIONS, Mode.COPY, (), {}))
    assert [len(batch.names) for batch in batches if isinstance(batch, FileBatch)] == [2000, 2000, 100]


@pytest.mark.parametrize(
    ("mode", "role", "action", "is_hashing"),
    [
        (Mode.FAKE, "qa", Action.DUMMY, False),
        (Mode.COPY, "raw", Action.COPY, True),
        (Mode.HARD, "raw", Action.LINK, True),
        (Mode.MOVE, "qa", Action.MOVE, True),
        (Mode.TICKET, "raw", Action.DUMMY, False),
        (Mode.TICKET, "qa", Action.LINK, True),
        (Mode.TICKET, "script", Action.LINK, True),
        (Mode.TICKET, "log", Action.DUMMY, False),
    ],
)
def test_mode_and_role_decide_what_happens_to_a_file(mode: Mode, role: str, action: Action, is_hashing: bool) -> None:
    item = Item(b"a", role.encode() + b"/a", False)
    (batch,) = scan_batches([item], OPTIONS, mode, (b"qa", b"script"), {})
    assert isinstance(batch, FileBatch)
    assert (batch.options.action, batch.options.is_hashing) == (action, is_hashing)


def test_every_folder_above_an_item_has_a_record_that_names_the_next() -> None:
    folders = {
        record.path: list(record.folders) for record in folder_records([TREE, script(b"a.py")], [b"script", b"log"])
    }
    assert folders == {
        b"": [b"calibration", b"log", b"script"],
        b"log": [],
        b"script": [],
        b"calibration": [b"U.calibration"],
        b"calibration/U.calibration": [b"U.ms.tsys"],
    }


def test_member_without_items_has_the_folders_that_are_always_there() -> None:
    assert [record.path for record in folder_records([], [b"raw", b"qa"])] == [b"", b"qa", b"raw"]
