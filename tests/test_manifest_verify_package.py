import shutil
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code
from support.in_process import Delivery

MEMBER = b"sg_ouss_id/group_ouss_id/member_ouss_id"


@pytest.fixture
def made(delivery: Delivery) -> Delivery:
    delivery.make(Mode.FAKE)
    return delivery


def found(delivery: Delivery) -> list[tuple[str, bytes]]:
    return [(problem.code, problem.path) for problem in delivery.problems()]


@pytest.mark.parametrize("folder", ["", "sg_ouss_id", "sg_ouss_id/group_ouss_id"])
@pytest.mark.parametrize("is_folder", [True, False])
def test_foreign_file_above_the_members_is_found(made: Delivery, folder: str, is_folder: bool) -> None:
    foreign = made.path / folder / "stranger"
    foreign.mkdir() if is_folder else foreign.touch()
    code = Code.EXTRA_FOLDER if is_folder else Code.EXTRA
    assert found(made) == [(code, str(foreign.relative_to(made.path)).encode())]


def test_link_among_the_members_is_found(made: Delivery) -> None:
    (made.path / "sg_ouss_id/group_ouss_id/member_ouss_id2").symlink_to("member_ouss_id")
    assert found(made) == [(Code.EXTRA, b"sg_ouss_id/group_ouss_id/member_ouss_id2")]


def test_damaged_manifest_is_found(made: Delivery) -> None:
    path = Path(made.package.manifest(b"group_ouss_id/member_ouss_id").decode())
    path.write_bytes(path.read_bytes()[:-40] + bytes(40))
    assert found(made) == [(Code.MANIFEST_DAMAGED, MEMBER)]


def test_missing_manifest_is_found(made: Delivery) -> None:
    Path(made.package.manifest(b"group_ouss_id/member_ouss_id").decode()).unlink()
    assert found(made) == [(Code.MANIFEST_MISSING, MEMBER)]


def test_missing_control_folder_is_found(made: Delivery) -> None:
    shutil.rmtree(made.package.control)
    assert found(made) == [(Code.MANIFEST_MISSING, MEMBER)]


def test_missing_member_is_one_problem_and_not_one_for_each_folder_in_it(made: Delivery) -> None:
    shutil.rmtree(made.member)
    assert found(made) == [(Code.MISSING, MEMBER)]


def test_missing_package_is_one_problem_and_not_one_for_each_folder_in_it(made: Delivery) -> None:
    shutil.rmtree(made.path)
    assert [each for each in found(made) if each[0] != Code.W_TICKET_MISSING] == [
        (Code.PACKAGE_GONE, made.package.path)
    ]


def test_damaged_member_does_not_hide_the_next(made: Delivery) -> None:
    made.make(Mode.FAKE, append="member")
    manifest = Path(made.package.manifest(b"group_ouss_id/member_ouss_id").decode())
    manifest.write_bytes(b"")
    (made.member.with_name("member_ouss_id2") / "README").unlink()
    assert found(made) == [
        (Code.MANIFEST_DAMAGED, MEMBER),
        (Code.MISSING, MEMBER + b"2/README"),
    ]
