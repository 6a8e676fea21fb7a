import os
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import DestinationKind, read_state
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.layout.decide import Choice
from qa2pack.manifest.layout.find_places import PlacesFound
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.template import PROJECT
from qa2pack.manifest.plan.destination import base_of, choose_destination, with_member
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, Refused
from qa2pack.manifest.progress import Silent
from qa2pack.pack.jobs.adopt import adopt
from qa2pack.pack.jobs.engines import Workers
from support.in_process import Delivery, make_reduction

MEMBER = b"group_ouss_id/member_ouss_id"


def chosen(delivery: Delivery, append: Append = Append.NOTHING, **choices: object) -> tuple[bytes, DestinationKind]:
    request = PlanRequest(os.fsencode(delivery.origin), os.fsencode(delivery.path), append=append)
    found = choose_destination(replace(request, **choices), OpenedFiles())  # type: ignore[arg-type]
    layout = load_layout("cycle0")
    found = with_member(found, layout.tree, Choice(layout, (), (), PlacesFound({}), {PROJECT: b"P"}))
    return found.member, found.state.standing


def refusal(delivery: Delivery, append: Append = Append.NOTHING, **choices: object) -> list[tuple[Code, bytes]]:
    with pytest.raises(Refused) as caught:
        chosen(delivery, append, **choices)
    return [(problem.code, problem.path) for problem in caught.value.problems]


def test_new_package_begins_with_the_plain_names(delivery: Delivery) -> None:
    assert chosen(delivery) == (MEMBER, DestinationKind.ABSENT)


def test_empty_folder_counts_as_new(delivery: Delivery) -> None:
    delivery.path.mkdir()
    assert chosen(delivery) == (MEMBER, DestinationKind.EMPTY)


@pytest.mark.parametrize(
    ("append", "group", "member"),
    [
        (Append.NOTHING, b"group_ouss_id", b"member_ouss_id"),
        (Append.MEMBER, b"group_ouss_id", b"member_ouss_id2"),
        (Append.GROUP, b"group_ouss_id2", b"member_ouss_id"),
    ],
)
def test_next_member_is_chosen(delivery: Delivery, append: Append, group: bytes, member: bytes) -> None:
    delivery.make(Mode.FAKE)
    assert chosen(delivery, append) == (group + b"/" + member, DestinationKind.PACKAGE)


def test_origin_that_is_not_there_is_refused(delivery: Delivery) -> None:
    missing = delivery.origin.with_name("nothing")
    assert refusal(replace(delivery, origin=missing)) == [(Code.ORIGIN_MISSING, os.fsencode(missing))]


def test_origin_that_is_a_file_is_refused(delivery: Delivery) -> None:
    file = delivery.origin / "scriptForImaging.py"
    assert (Code.ORIGIN_NOT_FOLDER, os.fsencode(file)) in refusal(replace(delivery, origin=file))


@pytest.mark.parametrize("inside", ["package in origin", "origin in package", "origin in control folder", "the same"])
def test_origin_and_package_inside_each_other_are_refused(delivery: Delivery, inside: str) -> None:
    (delivery.path.with_name("2011.0.00229.S.pack") / "finished").mkdir(parents=True)
    places = {
        "package in origin": replace(delivery, path=delivery.origin / "2011.0.00229.S"),
        "origin in package": replace(delivery, origin=make_reduction(delivery.path / "sb1")),
        "origin in control folder": replace(
            delivery, origin=make_reduction(delivery.path.with_name("2011.0.00229.S.pack") / "sb1")
        ),
        "the same": replace(delivery, path=delivery.origin),
    }
    assert Code.NESTED in [code for code, _ in refusal(places[inside])]


def test_origin_beside_the_package_with_a_longer_name_is_fine(delivery: Delivery) -> None:
    beside = replace(delivery, origin=make_reduction(delivery.path.with_name("2011.0.00229.S.reduction")))
    assert chosen(beside)[1] is DestinationKind.ABSENT


def test_package_in_the_origin_through_a_link_is_refused(delivery: Delivery) -> None:
    door = delivery.origin.with_name("door")
    door.symlink_to(delivery.origin)
    assert Code.NESTED in [code for code, _ in refusal(replace(delivery, path=door / "2011.0.00229.S"))]


def test_folder_for_the_package_must_be_there(delivery: Delivery) -> None:
    path = delivery.path.with_name("nowhere") / "2011.0.00229.S"
    assert refusal(replace(delivery, path=path)) == [(Code.DESTINATION_MISSING, os.fsencode(path.parent))]


@pytest.mark.parametrize("inside", ["sg_ouss_id/inner", "inner", "sg_ouss_id/group_ouss_id/inner"])
@pytest.mark.parametrize("is_with_control", [True, False])
def test_package_in_another_package_is_refused(delivery: Delivery, inside: str, is_with_control: bool) -> None:
    delivery.make(Mode.FAKE)
    if not is_with_control:
        delivery.path.with_name("2011.0.00229.S.pack").rename(delivery.path.with_name("lost"))
    found = refusal(replace(delivery, path=delivery.path / inside), force=True)
    assert found == [(Code.INSIDE_PACKAGE, os.fsencode(delivery.path / inside))]


@pytest.mark.parametrize("inside", ["x", "manifests/x"])
def test_package_in_a_control_folder_is_refused(delivery: Delivery, inside: str) -> None:
    delivery.make(Mode.FAKE)
    path = delivery.path.with_name("2011.0.00229.S.pack") / inside
    assert refusal(replace(delivery, path=path)) == [(Code.INSIDE_PACKAGE, os.fsencode(path))]


def test_package_in_place_of_a_control_folder_is_refused(delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    path = delivery.path.with_name("2011.0.00229.S.pack")
    assert refusal(replace(delivery, path=path), force=True) == [(Code.INSIDE_PACKAGE, os.fsencode(path))]
    door = delivery.path.with_name("door")
    door.symlink_to(path)
    assert [code for code, _ in refusal(replace(delivery, path=door), force=True)] == [Code.INSIDE_PACKAGE]


def test_package_that_is_called_as_a_control_folder_is_replaced(delivery: Delivery) -> None:
    called = replace(delivery, path=delivery.path.with_name("results.pack"))
    called.make(Mode.FAKE)
    (called.path / "plan").write_bytes(b"")  # the name of a file of control folders
    assert chosen(called, force=True) == (MEMBER, DestinationKind.FOREIGN)


def test_package_in_another_one_through_a_link_is_refused(delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    door = delivery.path.with_name("door")
    door.symlink_to(delivery.path / "sg_ouss_id")
    assert [code for code, _ in refusal(replace(delivery, path=door / "inner"))] == [Code.INSIDE_PACKAGE]


def test_folders_that_only_look_like_a_package_may_hold_one(delivery: Delivery) -> None:
    folder = delivery.path.with_name("work.pack")
    (folder / "sg_ouss_id").mkdir(parents=True)
    assert chosen(replace(delivery, path=folder / "2011.0.00229.S"))[1] is DestinationKind.ABSENT


# --- where the ticket files go


def ticket(delivery: Delivery, ending: str) -> Path:
    return delivery.path.with_name(f"2011.0.00229.S.ticket.{ending}")


def tarred(path: Path, name: str) -> None:
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, name)


@pytest.mark.parametrize("append", [Append.NOTHING, Append.GROUP, Append.MEMBER])
@pytest.mark.parametrize("ending", ["tar", "zip"])
def test_foreign_file_in_place_of_a_ticket_file_goes_only_with_force(
    delivery: Delivery, ending: str, append: Append
) -> None:
    ticket(delivery, ending).write_bytes(b"the only copy")
    assert refusal(delivery, append) == [(Code.TICKET_IN_THE_WAY, os.fsencode(ticket(delivery, ending)))]
    assert chosen(delivery, append, force=True)[1] is DestinationKind.ABSENT


def test_empty_file_in_place_of_a_ticket_file_holds_nothing_to_lose(delivery: Delivery) -> None:
    ticket(delivery, "tar").touch()
    ticket(delivery, "zip").touch()
    assert chosen(delivery)[1] is DestinationKind.ABSENT


def test_archive_of_something_else_is_no_ticket_file(delivery: Delivery) -> None:
    tarred(ticket(delivery, "tar"), "thesis.tex")
    assert [code for code, _ in refusal(delivery)] == [Code.TICKET_IN_THE_WAY]


def test_ticket_files_of_this_package_are_replaced_without_asking(delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    ticket(delivery, "tar").write_bytes(b"damaged")  # the manifest says who wrote it
    shutil.rmtree(delivery.path)
    assert chosen(delivery)[1] is DestinationKind.ABSENT


def test_ticket_files_of_an_adopted_package_are_known_by_their_content(delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    shutil.rmtree(os.fsdecode(delivery.package.control))
    adopt(delivery.package, Workers(1, Silent()), OpenedFiles())
    assert chosen(delivery, Append.MEMBER)[0] == b"group_ouss_id/member_ouss_id2"
    ticket(delivery, "zip").write_bytes(b"the only copy")
    assert [code for code, _ in refusal(delivery, Append.MEMBER)] == [Code.TICKET_IN_THE_WAY]


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_no_ticket_file_can_replace_is_refused(delivery: Delivery, kind: str, force: bool) -> None:
    path = ticket(delivery, "tar")
    path.mkdir() if kind == "folder" else path.symlink_to("elsewhere")
    assert refusal(delivery, force=force) == [(Code.TICKET_IN_THE_WAY, os.fsencode(path))]


def test_folder_in_place_of_a_ticket_file_is_refused_by_apply_too(delivery: Delivery) -> None:
    delivery.plan(Mode.FAKE)
    ticket(delivery, "tar").mkdir()
    with pytest.raises(Refused) as caught:
        delivery.apply()
    assert [problem.code for problem in caught.value.problems] == [Code.TICKET_IN_THE_WAY]
    assert not delivery.path.exists()


FOREIGN = ["file.txt", "sg_ouss_id/file.txt", "sg_ouss_id/group_ouss_id/file.txt", "other/file.txt"]


@pytest.mark.parametrize("append", [Append.NOTHING, Append.GROUP, Append.MEMBER])
@pytest.mark.parametrize("name", FOREIGN)
def test_folder_with_anything_else_is_never_taken_for_a_package(
    delivery: Delivery, name: str, append: Append
) -> None:
    (delivery.path / name).parent.mkdir(parents=True)
    (delivery.path / name).touch()
    found = refusal(delivery, append)
    assert {code for code, _ in found} == {Code.NOT_A_PACKAGE}


def test_package_with_something_else_in_it_is_named_by_that(delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    (delivery.path / "notes.txt").touch()
    assert refusal(delivery) == [(Code.NOT_A_PACKAGE, os.fsencode(delivery.path / "notes.txt"))]


def test_file_at_the_destination_is_refused(delivery: Delivery) -> None:
    delivery.path.touch()
    assert [code for code, _ in refusal(delivery)] == [Code.NOT_A_PACKAGE]


def test_link_at_the_destination_is_refused(delivery: Delivery) -> None:
    delivery.path.with_name("real").mkdir()
    delivery.path.symlink_to("real")
    assert [code for code, _ in refusal(delivery)] == [Code.NOT_A_PACKAGE]


def test_force_replaces_what_is_no_package_but_appends_nothing_to_it(delivery: Delivery) -> None:
    (delivery.path / "home").mkdir(parents=True)
    assert chosen(delivery, force=True)[1] is DestinationKind.FOREIGN
    assert {code for code, _ in refusal(delivery, Append.MEMBER, force=True)} == {Code.NOT_A_PACKAGE}


def test_package_without_control_folder_is_replaced_only_with_force(delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    delivery.path.with_name("2011.0.00229.S.pack").rename(delivery.path.with_name("lost"))
    assert [code for code, _ in refusal(delivery)] == [Code.NOT_ADOPTED]
    assert chosen(delivery, force=True)[0] == b"group_ouss_id/member_ouss_id"
    assert chosen(delivery, Append.MEMBER)[0] == b"group_ouss_id/member_ouss_id2"


def test_damaged_manifest_is_named(delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    manifest = delivery.package.manifest(MEMBER)
    Path(os.fsdecode(manifest)).write_bytes(b"")
    assert refusal(delivery, Append.MEMBER) == [(Code.MANIFEST_DAMAGED, manifest)]


def test_base_changes_with_the_manifests(delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    before = base_of(read_state(delivery.package), OpenedFiles())
    delivery.make(Mode.HARD)
    after = base_of(read_state(delivery.package), OpenedFiles())
    assert [member for member, _ in before] == [member for member, _ in after] == [MEMBER]
    assert before != after
