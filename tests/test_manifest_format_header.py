import copy
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import pytest

from qa2pack.manifest.casa.column_split import SplitSpec
from qa2pack.manifest.format.files import open_manifest, open_plan, save_durably
from qa2pack.manifest.format.header import (
    ArrivedIn,
    BundleTask,
    Difference,
    EarlierBundle,
    Header,
    LeftOut,
    MadeWith,
    Notes,
    ReceivedDelivery,
    SplitTask,
    StreamKind,
    TableNote,
    Total,
)
from qa2pack.manifest.format.header_codec import header_to_wire, notes_to_wire, read_header, read_notes
from qa2pack.manifest.format.record_codec import encode_record
from qa2pack.manifest.format.stream import StreamError, open_stream
from qa2pack.manifest.format.written import WrittenFile
from qa2pack.manifest.problem import Code, Problem
from support.generated import header_of, record_of

SPEC = SplitSpec(
    keep="CORRECTED_DATA",
    drop=("DATA", "MODEL_DATA"),
    written=(b"table.dat", b"table.f3"),
    placeholders=(b"table.f17",),
    dropped=(b"table.f17", b"table.f17_TSM1"),
    sizes=((b"table.dat", 100), (b"table.f3", 5)),
)
NOTES = Notes(
    totals=(Total("", 1, 10), Total("qa", 3, 2**40)),
    left_out=(LeftOut(b"\xff", "no rule takes it", False),),
    warnings=(Problem(Code.W_NAME, b"qa/a b", "x", "y"),),
    splits=(SplitTask(b"raw/U.ms.split", b"X8c/U.ms.split", SPEC, encode_record(record_of()), 7),),
    tables=(
        TableNote(b"X8c/U.ms.split", "DATA", b"f" * 16, ("DATA", "MODEL_DATA"), SPEC),
        TableNote(b"X8c/U.ms.split.cal", "DATA", b"g" * 16, ("DATA",), None),
    ),
    difference=Difference(1, 2, 3, 4),
)


def saved(tmp_path: Path, header: Header, notes: Notes = NOTES) -> bytes:
    path = os.fsencode(tmp_path / "plan")
    save_durably(path, header, notes, [])
    return path


@pytest.fixture
def header(tmp_path: Path) -> Header:
    return header_of(tmp_path, base=((b"group_ouss_id/member_ouss_id", b"d" * 16), (b"group_ouss_id/m2", b"")))


def test_header_and_notes_come_back_as_they_were(tmp_path: Path, header: Header) -> None:
    opened = open_plan(saved(tmp_path, header))
    assert (opened.header, opened.notes) == (header, NOTES)


@pytest.mark.parametrize("kind", list(StreamKind))
def test_plan_and_manifest_are_not_taken_for_each_other(tmp_path: Path, header: Header, kind: StreamKind) -> None:
    path = saved(tmp_path, replace(header, kind=kind))
    right, wrong = (open_plan, open_manifest) if kind is StreamKind.PLAN else (open_manifest, open_plan)
    assert right(path).header.kind is kind
    with pytest.raises(StreamError, match=f"is a {kind}, not a"):
        wrong(path)


@pytest.mark.parametrize(
    "values",
    [
        {"member": b"../m"},
        {"member": b"g/.."},
        {"member": b"a//b"},
        {"project": b""},
        {"member": b"/etc/b"},
        {"member": b""},
        {"base": ((b"../../etc", b""),)},
        {"mode": "steal"},
        {"append": "both"},
        {"standing": "upside-down"},
        {"kind": "song"},
    ],
)
def test_header_that_makes_no_sense_is_refused(tmp_path: Path, header: Header, values: dict[str, object]) -> None:
    with pytest.raises(StreamError, match="header that does not make sense"):
        open_plan(saved(tmp_path, replace(header, **values)))  # type: ignore[arg-type]


NAMES_ON_DISK = {"received_from": "delivery"}


@pytest.mark.parametrize("name", ["group", *(NAMES_ON_DISK.get(each.name, each.name) for each in fields(Header))])
def test_header_without_one_of_its_values_is_refused(tmp_path: Path, header: Header, name: str) -> None:
    stream = open_stream(saved(tmp_path, header))
    wire = {key: value for key, value in header_to_wire(header).items() if key != name}
    with pytest.raises(StreamError, match="header that does not make sense"):
        read_header(replace(stream, header=wire), StreamKind.PLAN)


@pytest.mark.parametrize("name", [field.name for field in fields(Notes)])
def test_notes_without_one_of_their_values_are_refused(tmp_path: Path, header: Header, name: str) -> None:
    stream = open_stream(saved(tmp_path, header))
    wire = {key: value for key, value in notes_to_wire(NOTES).items() if key != name}
    with pytest.raises(StreamError, match="notes that do not make sense"):
        read_notes(replace(stream, notes=wire))


TASK = NOTES.splits[0]


@pytest.mark.parametrize(
    "task",
    [
        replace(TASK, path=b"../raw"),
        replace(TASK, path=b"/raw"),
        replace(TASK, source=b"X8c/../../etc"),
        replace(TASK, spec=replace(SPEC, written=(b"../table.dat",))),
        replace(TASK, spec=replace(SPEC, placeholders=(b"/etc/passwd",))),
        replace(TASK, spec=replace(SPEC, dropped=(b"a/b",))),
        replace(TASK, spec=replace(SPEC, sizes=((b"..", 1),))),
    ],
)
def test_split_with_an_unsafe_path_is_refused(tmp_path: Path, header: Header, task: SplitTask) -> None:
    with pytest.raises(StreamError, match="notes that do not make sense"):
        open_plan(saved(tmp_path, header, replace(NOTES, splits=(task,))))


def test_totals_add_up() -> None:
    assert (NOTES.file_count, NOTES.byte_count) == (4, 10 + 2**40)


def test_saving_leaves_the_old_file_whole_when_it_fails(tmp_path: Path, header: Header) -> None:
    path = saved(tmp_path, header)

    def failing() -> object:
        yield b"qa", encode_record(record_of(b"qa"))
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        save_durably(path, replace(header, layout="other"), NOTES, failing())  # type: ignore[arg-type]
    assert open_plan(path).header == header


WRONG_VALUES: dict[str, Callable[[dict[str, Any]], object]] = {
    "text for a count": lambda wire: wire["totals"][0].update(byte_count="x"),
    "truth for a count": lambda wire: wire["totals"][0].update(file_count=True),
    "count below zero": lambda wire: wire.update(new_files=-1),
    "map for a list": lambda wire: wire.update(totals={}),
    "list for a map": lambda wire: wire["left_out"].append([b"a", "", False]),
    "text for a path": lambda wire: wire["left_out"][0].update(path="a"),
    "number for a truth": lambda wire: wire["left_out"][0].update(is_tree=0),
    "unknown code": lambda wire: wire["warnings"][0].update(code="warning-of-nothing"),
    "unknown field": lambda wire: wire["warnings"][0].update(colour="red"),
    "missing field": lambda wire: wire["splits"][0].pop("saved_bytes"),
    "list in a list too long": lambda wire: wire["splits"][0]["spec"]["sizes"].append([b"table.f4", 1, 2]),
    "text for a list": lambda wire: wire["tables"][0].update(columns="DATA"),
    "no record": lambda wire: wire["splits"][0].update(before=b"\x9d"),
    "climbing link": lambda wire: wire.update(relinks=[{"link": b"../a", "old": b"b", "new": b"c"}]),
}


@pytest.mark.parametrize("change", WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_notes_with_a_value_of_another_type_are_damaged(
    tmp_path: Path, header: Header, change: Callable[[dict[str, Any]], object]
) -> None:
    stream = open_stream(saved(tmp_path, header))
    wire = copy.deepcopy(stream.notes)
    change(wire)
    with pytest.raises(StreamError, match="is damaged"):
        read_notes(replace(stream, notes=wire))


NAMES_ON_DISK = {"received_from": "delivery"}


@pytest.mark.parametrize("name", ["group", *(NAMES_ON_DISK.get(each.name, each.name) for each in fields(Header))])
@pytest.mark.parametrize("value", [None, 1.5, {"a": 1}, [[]], -(2**63)])
def test_header_with_a_value_of_another_type_is_damaged(
    tmp_path: Path, header: Header, name: str, value: object
) -> None:
    stream = open_stream(saved(tmp_path, header))
    is_early = name == "scanned_ns" and value == -(2**63)
    is_unknown = name in ("made_with", "delivery", "arrived_in") and value is None
    with nullcontext() if is_early or is_unknown else pytest.raises(StreamError, match="is damaged"):
        read_header(replace(stream, header={**stream.header, name: value}), StreamKind.PLAN)


SIGNED_LATE, SIGNED_EARLY = ArrivedIn(b"a", 100, 7), ArrivedIn(b"b", 200, 5)


def test_delivery_that_a_member_came_in_comes_back_as_it_was(tmp_path: Path, header: Header) -> None:
    known = replace(header, arrived_in=SIGNED_LATE)
    assert open_plan(saved(tmp_path, known)).header == known


@pytest.mark.parametrize(
    ("one", "other", "is_older"),
    [
        (SIGNED_EARLY, SIGNED_LATE, True),
        (SIGNED_LATE, SIGNED_EARLY, False),
        (SIGNED_LATE, SIGNED_LATE, False),
        (SIGNED_LATE, ArrivedIn(b"unsigned", 101), True),
        (ArrivedIn(b"unsigned", 101), SIGNED_LATE, False),
    ],
)
def test_delivery_is_older_that_was_signed_before_or_else_packaged_before(
    one: ArrivedIn, other: ArrivedIn, is_older: bool
) -> None:
    assert one.is_older_than(other) is is_older


def test_level_of_compression_is_recorded_where_it_is_not_the_usual_one(tmp_path: Path, header: Header) -> None:
    known = [replace(header, made_with=MadeWith(b"", b"", compression=level)) for level in (6, 9)]
    opened = [open_stream(saved(tmp_path, each)) for each in known]
    assert ["compression" in cast("Any", each.header["made_with"]) for each in opened] == [False, True]
    assert [read_header(each, StreamKind.PLAN).compression for each in opened] == [6, 9]
    assert header.compression == 6


@pytest.mark.parametrize("level", [0, 10, True, "6"])
def test_level_of_compression_that_is_none_is_damage(tmp_path: Path, header: Header, level: object) -> None:
    stream = open_stream(saved(tmp_path, replace(header, made_with=MadeWith(b"", b""))))
    made_with = {**cast("Any", stream.header["made_with"]), "compression": level}
    with pytest.raises(StreamError, match="is damaged"):
        read_header(replace(stream, header={**stream.header, "made_with": made_with}), StreamKind.PLAN)


@pytest.mark.parametrize(("digest", "is_right"), [(b"d" * 16, True), (b"d" * 15, False), (b"", False)])
def test_kept_bundle_has_a_whole_digest(tmp_path: Path, header: Header, digest: bytes, is_right: bool) -> None:
    task = BundleTask(b"cal/a.tgz", 10, False, (), EarlierBundle(5, -1, digest))
    stream = open_stream(saved(tmp_path, header, Notes(bundles=(task,))))
    with nullcontext() if is_right else pytest.raises(StreamError, match="is damaged"):
        assert read_notes(stream).bundles == (task,)


@pytest.mark.parametrize("members", [(), (b"other/member",), (b"../x",)])
def test_plan_that_receives_other_members_than_its_own_is_damaged(
    tmp_path: Path, header: Header, members: tuple[bytes, ...]
) -> None:
    delivery = ReceivedDelivery(b"/d/s.manifest", b"digest", (header.member,))
    opened = open_stream(saved(tmp_path, replace(header, received_from=delivery)))
    assert read_header(opened, StreamKind.PLAN).received_from == delivery
    wrong = opened.header | {"delivery": {"sidecar": b"/d/s.manifest", "digest": b"digest", "members": list(members)}}
    with pytest.raises(StreamError, match="is damaged"):
        read_header(replace(opened, header=wrong), StreamKind.PLAN)


@pytest.mark.parametrize("file", [*map(WrittenFile, (b"", b"../a", b"/a", b"a//b")), WrittenFile(b"a", newline="\r")])
def test_written_file_that_no_layout_has_is_damage(tmp_path: Path, header: Header, file: WrittenFile) -> None:
    opened = open_stream(saved(tmp_path, replace(header, written=(file,))))
    with pytest.raises(StreamError):
        read_header(opened, StreamKind.PLAN)


def test_written_files_come_back_as_they_were(tmp_path: Path, header: Header) -> None:
    late = WrittenFile(b"qa/list", template="{{ x }}", values=(("x", b"\xff"),), digests=("md5",), is_late=True)
    known = replace(header, written=(WrittenFile(b"qa/a", text=b"a"), late))
    assert open_plan(saved(tmp_path, known)).header == known
    assert known.texts == {b"README": header.readme, b"qa/a": b"a", b"qa/list": b""}
    assert known.late == frozenset({b"qa/list"})
