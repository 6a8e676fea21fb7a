"""Every hostile tree is packaged exactly, or refused in the plan with the path named; nothing else is changed."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.format.files import Described, open_manifest
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.path import is_within
from qa2pack.manifest.problem import Code, Refused
from support.commands import ROOT
from support.file_systems import read_only
from support.hostile import CASES, CannotMakeError, Case, make_case, page_row
from support.in_process import Delivery, make_reduction
from support.snapshots import contents, snapshot

IS_ROOT = os.geteuid() == 0
INCOMPLETE = {Code.W_ROLE_EMPTY, Code.W_BLOCK_INCOMPLETE}  # no measurement sets, small second blocks
REFUSED = [case for case in CASES if case.refused and not (case.needs_user and IS_ROOT)]
PACKAGED = [case for case in CASES if not case.refused]
QUICK = [case for case in PACKAGED if case.name != "many-files"]
TRIED = [*((case, Mode.HARD) for case in PACKAGED), *((case, Mode.COPY) for case in QUICK)]


def made(case: Case, folder: Path) -> Delivery:
    try:
        origin = make_case(case, folder / "sb")
    except CannotMakeError as error:
        pytest.skip(str(error))
    return Delivery(origin, folder / "2011.0.00229.S")


def differing(delivery: Delivery) -> list[bytes]:
    """Return the packaged files that do not hold what their sources hold."""
    manifest = open_manifest(delivery.package.manifest(b"group_ouss_id/member_ouss_id"))
    member, origin = os.fsencode(delivery.member), os.fsencode(delivery.origin)
    entries = [entry for blob in manifest.stream.blobs() for entry in decode_record(blob).entries()]
    assert len(entries) > 2  # an ordinary user cannot make all that is hostile, and packages less
    return [
        entry.path
        for entry in entries
        if entry.action is not Action.WRITE
        and _read(os.path.join(member, entry.path)) != _read(os.path.join(origin, entry.source))
    ]


def dropped(delivery: Delivery, plan: Described) -> list[bytes]:
    """Return the files of the origin that are neither packaged nor reported as left out."""
    origin = os.fsencode(delivery.origin)
    entries = (entry for blob in plan.stream.blobs() for entry in decode_record(blob).entries())
    packaged = {os.path.realpath(os.path.join(origin, entry.source)) for entry in entries}
    left_out = [os.path.join(origin, left.path) for left in plan.notes.left_out]
    found = [os.path.join(folder, name) for folder, _, names in os.walk(origin) for name in names]
    return [
        path
        for path in found
        if os.path.realpath(path) not in packaged and not any(is_within(path, left) for left in left_out)
    ]


def _read(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def names(tree: Path) -> set[str]:
    return {path for path in snapshot(tree) if (tree / path).is_file()}


@pytest.mark.parametrize(("case", "mode"), TRIED, ids=lambda each: getattr(each, "name", "").lower())
def test_packaged_exactly(tmp_path: Path, case: Case, mode: Mode) -> None:
    delivery = made(case, tmp_path)
    before = contents(delivery.origin)
    plan = delivery.plan(mode, follow_outside=case.follow_outside)
    assert dropped(delivery, plan) == []
    delivery.apply()
    assert differing(delivery) == []
    assert delivery.problems() == []
    assert {seen.kind for seen in snapshot(delivery.path).values()} == {"file", "folder"}
    assert contents(delivery.origin) == before
    assert {warning.code for warning in plan.notes.warnings} - INCOMPLETE == set(case.warned)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused_with_the_path_named(tmp_path: Path, case: Case) -> None:
    delivery = made(case, tmp_path)
    before = len(os.listdir(tmp_path))
    with pytest.raises(Refused) as caught:
        delivery.plan()
    assert {problem.code for problem in caught.value.problems} == set(case.refused)
    expected = (case.named, os.path.join(os.fsencode(delivery.origin), case.named))
    assert [problem.path for problem in caught.value.problems if not problem.path.startswith(expected)] == []
    assert len(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_rest_is_packaged_when_what_was_named_is_left_out(tmp_path: Path, case: Case) -> None:
    delivery = made(case, tmp_path)
    delivery.make(exclude=(case.exclude,))
    assert delivery.problems() == []
    assert differing(delivery) == []


@pytest.mark.parametrize("case", [case for case in CASES if case.warned], ids=lambda case: case.name)
def test_strict_refuses_what_is_warned_of(tmp_path: Path, case: Case) -> None:
    delivery = made(case, tmp_path)
    with pytest.raises(Refused) as caught:
        delivery.plan(strict=True)
    assert {problem.code for problem in caught.value.problems} - INCOMPLETE == set(case.warned)


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_moved_and_read_as_before(tmp_path: Path, case: Case) -> None:
    delivery = made(case, tmp_path)
    before = {path: (delivery.origin / path).read_bytes() for path in names(delivery.origin)}
    delivery.make(Mode.MOVE, follow_outside=case.follow_outside)
    assert delivery.problems() == []
    assert {path: (delivery.origin / path).read_bytes() for path in names(delivery.origin)} == before


def test_page_in_docs_names_every_tree() -> None:
    rows = [line for line in (ROOT / "docs/hostile-trees.md").read_text().splitlines() if line.startswith("| ")]
    assert rows[1:] == [page_row(case) for case in CASES]


def test_sparse_file_stays_sparse_in_a_copy(tmp_path: Path) -> None:
    (case,) = (case for case in CASES if case.name == "sparse")
    delivery = made(case, tmp_path)
    delivery.make(Mode.COPY)
    copy = (delivery.member / "product/sparse.fits").stat()
    assert copy.st_size == 40 << 20
    assert copy.st_blocks * 512 < 4 << 20


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.FAKE])
def test_origin_on_a_read_only_file_system(tmp_path: Path, mode: Mode) -> None:
    make_reduction(tmp_path / "sb1")
    with read_only(tmp_path / "sb1", tmp_path / "locked") as origin:
        delivery = Delivery(origin, tmp_path / "2011.0.00229.S")
        delivery.make(mode)
        assert delivery.problems() == []


@pytest.mark.parametrize(("mode", "code"), [(Mode.HARD, Code.CROSS_DEVICE), (Mode.MOVE, Code.ORIGIN_NOT_WRITABLE)])
def test_origin_on_a_read_only_file_system_is_refused_in_the_plan(tmp_path: Path, mode: Mode, code: Code) -> None:
    make_reduction(tmp_path / "sb1")
    with read_only(tmp_path / "sb1", tmp_path / "locked") as origin:
        with pytest.raises(Refused) as caught:
            Delivery(origin, tmp_path / "2011.0.00229.S").plan(mode)
        assert {problem.code for problem in caught.value.problems} == {code}
