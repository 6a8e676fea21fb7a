"""What to do about damaged files of a member: which command can help, as far as the origin's files tell."""

import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import README
from qa2pack.manifest.format.files import Described, open_manifest
from qa2pack.manifest.problem import Code, Problem, Remedy
from qa2pack.manifest.verify.remedies import DamagedMember, member_remedies
from support.in_process import Delivery

SCRIPT, IMAGE = b"script/scriptForImaging.py", b"product/calibrated_all.clean.fits"
REPAIR, FROM_COPY = "pack repair PACKAGE", "pack repair PACKAGE --from FOLDER"
AGAIN = "pack plan --again PACKAGE --rehash"
TAKE = "pack readme PACKAGE --take-changes"


@pytest.fixture
def manifest(delivery: Delivery) -> Described:
    delivery.make(Mode.COPY)
    return open_manifest(delivery.package.manifest(b"group_ouss_id/member_ouss_id"))


def remedies(delivery: Delivery, manifest: Described, *problems: tuple[Code, bytes]) -> Sequence[Remedy]:
    found = [Problem(code, path) for code, path in problems]
    return list(member_remedies(DamagedMember(manifest, os.fsencode(delivery.member), found, is_only=True)))


def commands(told: Sequence[Remedy]) -> list[str]:
    return [command for remedy in told for command in remedy.commands]


def with_header(manifest: Described, **changes: Any) -> Described:
    return replace(manifest, header=replace(manifest.header, **changes))


def test_one_lost_file_of_two_leaves_the_repair_from_the_origin(delivery: Delivery, manifest: Described) -> None:
    (delivery.origin / "scriptForImaging.py").unlink()
    told = remedies(delivery, manifest, (Code.CHANGED, SCRIPT), (Code.CHANGED, IMAGE))
    assert commands(told)[:2] == [REPAIR, FROM_COPY]
    assert told[1].path == os.fsencode(delivery.origin / "scriptForImaging.py")


def test_of_several_lost_files_one_is_told(delivery: Delivery, manifest: Described) -> None:
    for name in ("scriptForImaging.py", "calibrated_all.clean.fits"):
        (delivery.origin / name).unlink()
    told = remedies(delivery, manifest, (Code.CHANGED, SCRIPT), (Code.MISSING, IMAGE))
    assert commands(told)[0] == FROM_COPY
    assert len([remedy for remedy in told if "not there any more" in remedy.text]) == 1


def test_readme_needs_no_file_of_the_origin(delivery: Delivery, manifest: Described) -> None:
    told = remedies(delivery, manifest, (Code.CHANGED, README))
    assert commands(told) == [REPAIR, TAKE]


@pytest.mark.parametrize("code", [Code.MISSING, Code.WRONG_TYPE])
def test_readme_that_cannot_be_read_is_not_taken_over(delivery: Delivery, manifest: Described, code: Code) -> None:
    assert TAKE not in commands(remedies(delivery, manifest, (code, README)))


def test_readme_among_other_damage_is_not_taken_over(delivery: Delivery, manifest: Described) -> None:
    told = remedies(delivery, manifest, (Code.CHANGED, README), (Code.CHANGED, SCRIPT))
    assert commands(told)[:2] == [REPAIR, AGAIN]


def test_member_is_made_again_only_from_an_origin_that_has_the_files(delivery: Delivery, manifest: Described) -> None:
    problem = (Code.CHANGED, SCRIPT)
    assert AGAIN in commands(remedies(delivery, manifest, problem))
    assert AGAIN not in commands(remedies(delivery, with_header(manifest, mode=Mode.MOVE), problem))
    assert AGAIN not in commands(remedies(delivery, with_header(manifest, origin=b"/nowhere"), problem))


def test_origin_of_an_adopted_member_is_not_known(delivery: Delivery, manifest: Described) -> None:
    told = remedies(delivery, with_header(manifest, is_adopted=True), (Code.CHANGED, SCRIPT))
    assert commands(told) == [FROM_COPY]
    assert any("adopted" in remedy.text for remedy in told)


def test_what_was_added_is_told_only_where_something_was(delivery: Delivery, manifest: Described) -> None:
    damaged, added = (Code.CHANGED, SCRIPT), (Code.EXTRA, b"qa/notes")
    assert not any("--remove-extra" in remedy.text for remedy in remedies(delivery, manifest, damaged))
    assert any("--remove-extra" in remedy.text for remedy in remedies(delivery, manifest, damaged, added))


def test_origin_with_another_time_has_changed(delivery: Delivery, manifest: Described) -> None:
    os.utime(delivery.origin / "scriptForImaging.py", ns=(1, 1))
    told = remedies(delivery, manifest, (Code.CHANGED, SCRIPT))
    assert commands(told)[0] == FROM_COPY
    assert "was changed since" in told[1].text


def test_folder_in_the_place_of_the_origins_file_is_no_file(delivery: Delivery, manifest: Described) -> None:
    (delivery.origin / "scriptForImaging.py").unlink()
    (delivery.origin / "scriptForImaging.py").mkdir()
    assert "not there any more" in remedies(delivery, manifest, (Code.CHANGED, SCRIPT))[1].text


def test_origin_that_cannot_be_reached_is_told(
    delivery: Delivery, manifest: Described, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(path: bytes) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)

    monkeypatch.setattr("qa2pack.manifest.verify.remedies.status_of", stale)
    assert "cannot be reached" in remedies(delivery, manifest, (Code.CHANGED, SCRIPT))[1].text
