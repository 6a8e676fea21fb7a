"""Plan of a member that is made of its own files: what it takes, what it counts, and what the new manifest says."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.adopt import adopt_members
from qa2pack.manifest.alma.package import README, read_state
from qa2pack.manifest.alma.readme import header_template
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.format.files import Described, open_manifest
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import Entry, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.digest import digest_of_bytes
from qa2pack.manifest.fs.safe_open import listed
from qa2pack.manifest.layout.include import Include
from qa2pack.manifest.plan.plan import Plan
from qa2pack.manifest.plan.rebuild import (
    NewReadme,
    Repair,
    Source,
    plan_rebuild,
    rebuilt_header,
    rebuilt_notes,
    rebuilt_records,
)
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.progress import Silent
from qa2pack.manifest.quantity import Size
from support.in_process import UID, Delivery, write

MEMBER = b"group_ouss_id/member_ouss_id"
SCRIPT = b"script/scriptForImaging.py"
NOW_NS = 7


@pytest.fixture
def old(delivery: Delivery) -> Described:
    """The manifest of a packaged member."""
    delivery.make(Mode.COPY)
    return open_manifest(delivery.package.manifest(MEMBER))


def rebuilt(
    delivery: Delivery, manifest: Described, repair: Repair | None = None, readme: NewReadme | None = None
) -> Plan:
    return plan_rebuild(
        delivery.package, manifest, OpenedFiles(), program="", now_ns=NOW_NS, repair=repair or Repair(), readme=readme
    )


def source(path: Path, action: Action = Action.COPY) -> Source:
    return Source(os.fsencode(path), action, state_of(path.stat()))


def entries_of(manifest: Described) -> dict[bytes, Entry]:
    return {entry.path: entry for blob in manifest.stream.blobs() for entry in decode_record(blob).entries()}


def entries(plan: Plan) -> dict[bytes, Entry]:
    return {
        entry.path: entry for _, blob in plan.gathered.spool.sorted_blobs() for entry in decode_record(blob).entries()
    }


def final_records(old: Described, plan: Plan) -> list[FolderRecord]:
    """Return the records of the new manifest."""
    planned = (blob for _, blob in plan.gathered.spool.sorted_blobs())
    return [decode_record(blob) for _, blob in rebuilt_records(old.stream.blobs(), planned)]


def final_entries(old: Described, plan: Plan) -> dict[bytes, Entry]:
    return {entry.path: entry for record in final_records(old, plan) for entry in record.entries()}


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
    assert rebuilt_notes(plan.notes, old.notes).totals == plan.notes.totals


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
    new = final_records(old, plan)
    before = [decode_record(blob) for blob in old.stream.blobs()]
    planned = [decode_record(blob) for _, blob in plan.gathered.spool.sorted_blobs()]
    assert [record.folders for record in planned] == [record.folders for record in before]
    assert [(record.path, record.folders, sorted(record.names)) for record in new] == [
        (record.path, record.folders, sorted(record.names)) for record in before
    ]
    sources = {entry.path: entry.source for record in before for entry in record.entries()}
    assert {entry.path: entry.source for record in new for entry in record.entries()} == sources


def test_files_in_place_are_kept_as_they_are(delivery: Delivery, old: Described) -> None:
    found = entries(rebuilt(delivery, old))
    assert {entry.action for path, entry in found.items() if path != README} == {Action.KEEP}
    assert found[SCRIPT].source == os.path.join(os.fsencode(delivery.member), SCRIPT)
    assert found[SCRIPT].state.inode == (delivery.member / os.fsdecode(SCRIPT)).stat().st_ino


def test_header_that_did_not_change_makes_the_same_readme(delivery: Delivery) -> None:
    for path in (delivery.origin / f"X8c/{UID}.ms.tsys.plots").iterdir():
        path.unlink()
    delivery.make(Mode.COPY)
    old = open_manifest(delivery.package.manifest(MEMBER))
    plan = rebuilt(delivery, old, readme=NewReadme(header_template()))
    assert plan.header.readme == old.header.readme
    assert entries(plan)[README] == entries_of(old)[README]


def test_readme_of_the_same_length_is_another_one(delivery: Delivery, old: Described) -> None:
    plan = rebuilt(delivery, old, readme=NewReadme(header_template().replace(b"Project title", b"project title")))
    assert len(plan.header.readme) == len(old.header.readme)
    readme = entries(plan)[README]
    assert (readme.action, readme.state.mtime_ns) == (Action.WRITE, NOW_NS)
    assert readme.digest == digest_of_bytes(plan.header.readme)


def test_placeholder_of_the_readme_stays_one(delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    old = open_manifest(delivery.package.manifest(MEMBER))
    assert entries(rebuilt(delivery, old))[README] == entries_of(old)[README]
    plan = rebuilt(delivery, old, readme=NewReadme(b"A header\n"))
    readme = final_entries(old, plan)[README]
    assert (readme.action, readme.size) == (Action.DUMMY, len(plan.header.readme))


def test_repaired_file_that_was_moved_is_still_one_that_the_origin_links_to(
    delivery: Delivery, tmp_path: Path
) -> None:
    delivery.make(Mode.MOVE)
    old = open_manifest(delivery.package.manifest(MEMBER))
    good = write(tmp_path / "good", (delivery.member / os.fsdecode(SCRIPT)).read_bytes())
    plan = rebuilt(delivery, old, Repair({SCRIPT: source(good)}), NewReadme(b"A header\n"))
    assert entries(plan)[SCRIPT].action is Action.COPY
    found = final_entries(old, plan)
    assert found[README].action is Action.WRITE
    assert {entry.action for path, entry in found.items() if path != README} == {Action.CARRY}


def test_new_readme_of_an_adopted_member_is_written_by_the_program(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(delivery.package.control)
    os.makedirs(delivery.package.manifests)
    state = read_state(delivery.package)
    list(adopt_members(delivery.package, state, engine=InlineEngine(), progress=Silent(), now_ns=1))
    old = open_manifest(delivery.package.manifest(MEMBER))
    assert entries_of(old)[README].action is Action.CARRY
    assert final_entries(old, rebuilt(delivery, old, readme=NewReadme(b"A\n")))[README].action is Action.WRITE


def test_lock_of_a_table_may_have_another_size(delivery: Delivery) -> None:
    write(delivery.origin / f"X8c/{UID}.ms.tsys/table.lock", b"lock")
    delivery.make(Mode.COPY)
    old = open_manifest(delivery.package.manifest(MEMBER))
    (lock,) = delivery.member.rglob("table.lock")
    lock.write_bytes(b"a longer lock")
    path = os.path.relpath(os.fsencode(lock), os.fsencode(delivery.member))
    assert entries(rebuilt(delivery, old))[path].size == len(b"a longer lock")


def test_file_of_the_name_readme_in_a_role_folder_is_a_file_like_others(delivery: Delivery) -> None:
    write(delivery.origin / "README", b"of the reducer")
    delivery.make(Mode.COPY, include=(Include("README", "log"),))
    old = open_manifest(delivery.package.manifest(MEMBER))
    found = entries(rebuilt(delivery, old, readme=NewReadme(b"A header\n")))
    assert (found[README].action, found[b"log/README"].action) == (Action.WRITE, Action.KEEP)


def test_folder_in_the_place_of_a_file_is_of_the_wrong_type(delivery: Delivery, old: Described) -> None:
    path = delivery.member / os.fsdecode(SCRIPT)
    path.unlink()
    path.mkdir()
    with pytest.raises(Refused) as caught:
        rebuilt(delivery, old)
    expected = [Problem(Code.WRONG_TYPE, os.fsencode(path), "a file", "a folder")]
    assert list(caught.value.problems) == expected


def test_folder_that_cannot_be_read_is_named(
    delivery: Delivery, old: Described, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(fd: int) -> Any:
        if os.path.basename(os.readlink(f"/proc/self/fd/{fd}")) == "script":
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return listed(fd)

    monkeypatch.setattr("qa2pack.manifest.plan.rebuild.listed", stale)
    with pytest.raises(Refused) as caught:
        rebuilt(delivery, old)
    unreadable = [problem for problem in caught.value.problems if problem.code is Code.UNREADABLE]
    assert [(problem.path, problem.found) for problem in unreadable] == [
        (os.fsencode(delivery.member / "script"), os.strerror(errno.ESTALE))
    ]


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


def test_folder_that_is_a_link_is_of_the_wrong_type(delivery: Delivery, old: Described) -> None:
    folder = delivery.member / "script"
    folder.rename(delivery.path.parent / "away")
    folder.symlink_to(delivery.path.parent / "away")
    with pytest.raises(Refused) as caught:
        rebuilt(delivery, old)
    assert list(caught.value.problems) == [Problem(Code.WRONG_TYPE, os.fsencode(folder), "a folder", "a link")]
    assert Code.UNREADABLE not in {problem.code for problem in caught.value.problems}
