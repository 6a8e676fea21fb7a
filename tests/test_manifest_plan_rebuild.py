"""Plan of a member that is made of its own files: what it takes, what it counts, and what the new manifest says."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.format.files import Described, open_manifest
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import Entry
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.plan.make import Plan
from qa2pack.manifest.plan.rebuild import (
    NewReadme,
    Repair,
    Source,
    plan_rebuild,
    rebuilt_header,
    rebuilt_records,
)
from qa2pack.manifest.problem import Code, Refused
from qa2pack.manifest.quantity import Size
from support.in_process import Delivery

SCRIPT = b"script/scriptForImaging.py"


@pytest.fixture
def old(delivery: Delivery) -> Described:
    """The manifest of a packaged member."""
    delivery.make(Mode.COPY)
    return open_manifest(delivery.package.manifest(b"group_ouss_id/member_ouss_id"))


def rebuilt(
    delivery: Delivery, manifest: Described, repair: Repair | None = None, readme: NewReadme | None = None
) -> Plan:
    return plan_rebuild(
        delivery.package, manifest, OpenedFiles(), program="", now_ns=7, repair=repair or Repair(), readme=readme
    )


def source(path: Path, action: Action = Action.COPY) -> Source:
    return Source(os.fsencode(path), action, state_of(path.stat()))


def entries(plan: Plan) -> dict[bytes, Entry]:
    return {
        entry.path: entry for _, blob in plan.gathered.spool.sorted_blobs() for entry in decode_record(blob).entries()
    }


@pytest.mark.parametrize(("action", "copied"), [(Action.COPY, 1), (Action.LINK, 0)])
def test_space_is_needed_for_the_readme_and_for_what_is_copied(
    delivery: Delivery, old: Described, action: Action, copied: int
) -> None:
    script = delivery.origin / "scriptForImaging.py"
    plan = rebuilt(delivery, old, Repair({SCRIPT: source(script, action)}))
    assert plan.notes.new_files == 1 + copied
    assert plan.notes.new_bytes == len(plan.header.readme) + copied * script.stat().st_size
    assert entries(plan)[SCRIPT].action is action


def test_totals_count_the_new_readme(delivery: Delivery, old: Described) -> None:
    plan = rebuilt(delivery, old, readme=NewReadme(b"A header of another length\n"))
    others = [total for total in old.notes.totals if total.role]
    assert [total for total in plan.notes.totals if total.role] == others
    assert [total.byte_count for total in plan.notes.totals if not total.role] == [len(plan.header.readme)]
    assert plan.header.readme.startswith(b"A header of another length\n")


def test_new_manifest_says_what_the_old_one_relied_on(delivery: Delivery, old: Described) -> None:
    plan = rebuilt(delivery, old, readme=NewReadme(b"A header\n"))
    header = rebuilt_header(plan.header, old.header)
    assert (plan.header.is_rebuilt, plan.header.may_leave) == (True, True)
    assert plan.header.base != old.header.base
    assert header == replace(
        old.header, readme=plan.header.readme, made_with=plan.header.made_with, program="", kind=StreamKind.MANIFEST
    )
    assert header.made_with is not None
    assert header.made_with.readme_header == b"A header\n"


def test_new_manifest_has_all_records_and_folders_of_the_old_one(delivery: Delivery, old: Described) -> None:
    script = delivery.origin / "scriptForImaging.py"
    plan = rebuilt(delivery, old, Repair({SCRIPT: source(script)}))
    planned = (blob for _, blob in plan.gathered.spool.sorted_blobs())
    new = [decode_record(blob) for _, blob in rebuilt_records(old.stream.blobs(), planned)]
    before = [decode_record(blob) for blob in old.stream.blobs()]
    assert [(record.path, record.folders, sorted(record.names)) for record in new] == [
        (record.path, record.folders, sorted(record.names)) for record in before
    ]
    sources = {entry.path: entry.source for record in before for entry in record.entries()}
    assert {entry.path: entry.source for record in new for entry in record.entries()} == sources


@pytest.mark.parametrize(("more", "code"), [(b"more", Code.GROWN), (b"", Code.TRUNCATED)])
def test_file_of_another_size_is_refused_with_both_sizes(
    delivery: Delivery, old: Described, more: bytes, code: Code
) -> None:
    path = delivery.member / os.fsdecode(SCRIPT)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + more if more else b"")
    with pytest.raises(Refused) as caught:
        rebuilt(delivery, old)
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == (code, os.fsencode(path))
    assert (problem.expected, problem.found) == (Size(size), Size(size + len(more) if more else 0))


def test_files_of_a_folder_that_is_a_link_count_as_missing(delivery: Delivery, old: Described) -> None:
    folder = delivery.member / "script"
    names = {os.fsencode(path) for path in folder.iterdir()}
    folder.rename(delivery.path.parent / "away")
    folder.symlink_to(delivery.path.parent / "away")
    with pytest.raises(Refused) as caught:
        rebuilt(delivery, old)
    assert {problem.path for problem in caught.value.problems if problem.code is Code.MISSING} == names
    assert Code.UNREADABLE not in {problem.code for problem in caught.value.problems}
