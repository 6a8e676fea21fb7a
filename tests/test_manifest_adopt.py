import os
import shutil
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.adopt import adopt_members
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import read_state
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.format.files import open_manifest
from qa2pack.manifest.problem import Code, Refused
from qa2pack.manifest.progress import Silent
from support.in_process import Delivery
from support.snapshots import snapshot

MEMBER = b"group_ouss_id/member_ouss_id"


@pytest.fixture
def lost(delivery: Delivery) -> Delivery:
    """A package that has lost its control folder, as one made by other means."""
    delivery.make(Mode.COPY)
    shutil.rmtree(delivery.package.control)
    return delivery


def adopt(delivery: Delivery) -> list[bytes]:
    os.makedirs(delivery.package.manifests, exist_ok=True)
    state = read_state(delivery.package)
    return list(
        adopt_members(delivery.package, state, engine=InlineEngine(), progress=Silent(), now_ns=1_800_000_000 * 10**9)
    )


def test_adopted_package_is_right_as_it_is(lost: Delivery) -> None:
    before = snapshot(lost.path)
    assert adopt(lost) == [MEMBER]
    assert lost.problems() == []
    assert snapshot(lost.path) == before


def test_adopted_package_is_watched_from_then_on(lost: Delivery) -> None:
    adopt(lost)
    path = lost.member / "qa/X8c.checklist.txt"
    path.write_bytes(path.read_bytes()[::-1])
    (lost.member / "log/casapy-2012-05-03T115433.log").unlink()
    assert lost.found() == [
        (Code.MISSING, b"log/casapy-2012-05-03T115433.log"),
        (Code.CHANGED, b"qa/X8c.checklist.txt"),
    ]


def test_only_members_without_a_manifest_are_adopted(lost: Delivery) -> None:
    adopt(lost)
    before = Path(os.fsdecode(lost.package.manifest(MEMBER))).read_bytes()
    assert adopt(lost) == []
    assert Path(os.fsdecode(lost.package.manifest(MEMBER))).read_bytes() == before


def test_manifest_says_that_it_was_adopted_and_what_it_holds(lost: Delivery) -> None:
    adopt(lost)
    manifest = open_manifest(lost.package.manifest(MEMBER))
    files = [path for path in lost.member.rglob("*") if path.is_file()]
    assert manifest.header.is_adopted
    assert manifest.header.readme == (lost.member / "README").read_bytes()
    assert (manifest.notes.file_count, manifest.notes.byte_count) == (
        len(files),
        sum(path.stat().st_size for path in files),
    )


def test_readme_counts_as_no_role(lost: Delivery) -> None:
    adopt(lost)
    roles = [total.role for total in open_manifest(lost.package.manifest(MEMBER)).notes.totals]
    assert (roles[0], "README" in roles) == ("", False)


@pytest.mark.parametrize("target", ["X8c.checklist.txt", "/etc/hostname", "nowhere", "../raw"])
def test_package_with_a_link_is_not_adopted(lost: Delivery, target: str) -> None:
    """Links are never part of a package, so one that is there cannot be called right."""
    (lost.member / "qa/link").symlink_to(target)
    with pytest.raises(Refused) as caught:
        adopt(lost)
    assert [problem.path for problem in caught.value.problems] == [os.fsencode(lost.member / "qa/link")]
    assert read_state(lost.package).manifests == {}


def test_pipe_in_a_package_is_not_adopted(lost: Delivery) -> None:
    os.mkfifo(lost.member / "qa/pipe")
    with pytest.raises(Refused) as caught:
        adopt(lost)
    assert [problem.code for problem in caught.value.problems] == [Code.SPECIAL_FILE]


def test_what_is_no_package_is_not_adopted(lost: Delivery) -> None:
    (lost.path / "something").mkdir()
    with pytest.raises(Refused) as caught:
        adopt(lost)
    assert [problem.code for problem in caught.value.problems] == [Code.NOT_A_PACKAGE]


def test_only_what_the_plan_has_not_with_the_same_content_prevents_replacing(lost: Delivery) -> None:
    script = lost.member / "script/scriptForImaging.py"
    script.write_bytes(b"edited in the package")
    adopt(lost)
    with pytest.raises(Refused) as caught:
        lost.plan(no_split=True)
    assert [(problem.code, problem.path) for problem in caught.value.problems] == [
        (Code.NOT_TAKEN_OVER, os.fsencode(path)) for path in (lost.member / "README", script)
    ]
    lost.make(force=True)
    assert lost.problems() == []
    assert script.samefile(lost.origin / "scriptForImaging.py")


def test_member_can_be_added_to_an_adopted_package(lost: Delivery) -> None:
    adopt(lost)
    lost.make(Mode.HARD, append=Append.MEMBER)
    assert lost.problems() == []
    assert sorted(read_state(lost.package).manifests) == [MEMBER, MEMBER + b"2"]


def test_names_that_receivers_refuse_are_warned_of_also_in_what_is_adopted(lost: Delivery) -> None:
    (lost.member / "product/my image.fits").write_bytes(b"image")
    adopt(lost)
    warnings = open_manifest(lost.package.manifest(MEMBER)).notes.warnings
    assert [(each.code, each.path) for each in warnings] == [(Code.W_NAME, b"product/my image.fits")]
