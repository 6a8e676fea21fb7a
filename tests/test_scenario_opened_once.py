"""Each command opens and hashes each plan and manifest at most once: at ten million files these are gigabytes."""

import os
import shutil
from collections import Counter
from collections.abc import Callable

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import read_state
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.progress import Silent
from qa2pack.pack.cli import COMMANDS, main
from qa2pack.tarsplit.contents import choose_members
from qa2pack.tarsplit.deliver import Destination, deliver
from qa2pack.tarsplit.naming import DeliveryName
from qa2pack.tarsplit.packing.partition import Fill
from qa2pack.tarsplit.place.folder import Folder
from qa2pack.tarsplit.plan import CutRequest, plan_cut
from support.commands import run_here
from support.delivered_sets import RULES, UNIT, package_run
from support.faulty_disk import Stopped, StoppingDisk
from support.hashed_streams import hashed_streams
from support.in_process import Delivery
from support.signatures import ALICE, known_signers, make_key

Capture = pytest.CaptureFixture[str]


def nothing(delivery: Delivery) -> None:
    pass


def planned(delivery: Delivery) -> None:
    delivery.plan(Mode.HARD)


def packaged(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)


def moved(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)


def planned_over(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    delivery.plan(Mode.COPY)


def of_two_members(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    delivery.make(Mode.COPY, append=Append.MEMBER)


def damaged(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    (delivery.member / "script/scriptForImaging.py").unlink()


def planned_append(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    delivery.plan(Mode.COPY, append=Append.MEMBER)


def stopped_while_staging(delivery: Delivery) -> None:
    delivery.plan(Mode.HARD)
    with pytest.raises(Stopped):
        delivery.apply(StoppingDisk("link"))


def stopped_after_commit(delivery: Delivery) -> None:
    delivery.plan(Mode.MOVE)
    with pytest.raises(Stopped):
        delivery.apply(StoppingDisk("rename"))


def delivered(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    members = choose_members(delivery.package, read_state(delivery.package), OpenedFiles())
    name = DeliveryName(delivery.package.project, "2012-06-20")
    cut = plan_cut(CutRequest(name, 1 << 30, Fill.ORDER, ("md5",)), members, Silent())
    tars = Destination(delivery.package.path, Folder(os.fsencode(delivery.path.parent / "tars")))
    deliver(cut, tars, engine=InlineEngine(), progress=Silent())


def delivered_to_another(delivery: Delivery) -> None:
    delivered(delivery)
    for path in delivery.path.parent.glob(f"{delivery.path.name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def received(delivery: Delivery) -> None:
    delivered_to_another(delivery)
    assert main(["receive", os.fspath(delivery.path.parent / "tars"), os.fspath(delivery.path)]) == 0


def given_another_code(delivery: Delivery) -> None:
    of_two_members(delivery)
    assert main(["rename", os.fspath(delivery.path), "2012.1.00001.S"]) == 0


def damaged_and_delivered(delivery: Delivery) -> None:
    delivered(delivery)
    (delivery.member / "script/scriptForImaging.py").unlink()
    shutil.rmtree(delivery.origin)


def signed(delivery: Delivery) -> None:
    of_two_members(delivery)
    with_key(delivery)
    assert main(["sign", os.fspath(delivery.path), "--key", os.fspath(delivery.path.parent / "key")]) == 0


def with_key(delivery: Delivery) -> None:
    key = make_key(delivery.path.parent / "key")
    known_signers(delivery.path.parent / "signers", f"{ALICE} {key.text}")


def planned_with_key(delivery: Delivery) -> None:
    planned(delivery)
    with_key(delivery)


def of_two_members_with_key(delivery: Delivery) -> None:
    of_two_members(delivery)
    with_key(delivery)


def listed(delivery: Delivery) -> None:
    text = f'[[job]]\norigin = "{delivery.origin}"\npackage = "{delivery.path}"\nmode = "copy"\n'
    (delivery.path.parent / "list.toml").write_text(text)


def listed_and_planned(delivery: Delivery) -> None:
    listed(delivery)
    assert main(["batch", "plan", os.fspath(delivery.path.parent / "list.toml")]) == 0


def listed_and_packaged(delivery: Delivery) -> None:
    listed(delivery)
    packaged(delivery)


def with_manifests_copied_after_an_audit(delivery: Delivery) -> None:
    of_two_members(delivery)
    assert (
        main(["audit", os.fspath(delivery.path), "--catalogue", os.fspath(delivery.path.parent / "catalogue")]) == 0
    )
    manifests = delivery.path.with_name(f"{delivery.path.name}.pack") / "manifests"
    manifests.rename(manifests.with_name("old"))
    shutil.copytree(manifests.with_name("old"), manifests)


def with_delivery_sets(delivery: Delivery) -> None:
    notes = '[[delivery]]\nname = "{project}_notes.tar"\nset = "notes"\nselect = "notes/**"\n'
    package_run(delivery.path.parent, UNIT + RULES + notes, {"a.txt": b"a", "b.dat": b"b"})


PLAN = ("plan", "{origin}", "{package}", "--mode", "hard")
BATCH = ("{folder}/list.toml", "--jobs", "1")
STORIES: dict[str, tuple[Callable[[Delivery], None], tuple[str, ...]]] = {
    "plan": (nothing, PLAN),
    "plan again": (planned, PLAN),
    "plan over a package": (packaged, PLAN),
    "plan over a package with moved files": (moved, ("plan", "{origin}", "{package}", "--mode", "move")),
    "plan over a package of placeholders": (packaged, ("plan", "{origin}", "{package}", "--mode", "fake")),
    "plan over two members": (of_two_members, PLAN),
    "plan an append": (packaged, (*PLAN, "--append", "member")),
    "plan --again": (packaged, ("plan", "--again", "{package}")),
    "repair": (damaged, ("repair", "{package}")),
    "readme": (packaged, ("readme", "{package}", "--set-field", "PI name=Somebody")),
    "remove": (of_two_members, ("remove", "{package}", "--member", "member_ouss_id")),
    "adopt": (packaged, ("adopt", "{package}")),
    "apply": (planned, ("apply", "{package}")),
    "apply as JSON": (planned, ("apply", "{package}", "--json")),
    "apply with a log": (planned, ("apply", "{package}", "--log", "{folder}/log")),
    "apply again": (packaged, ("apply", "{package}")),
    "apply a replacement": (planned_over, ("apply", "{package}")),
    "apply an append": (planned_append, ("apply", "{package}")),
    "resume staging": (stopped_while_staging, ("apply", "{package}")),
    "resume after commit": (stopped_after_commit, ("apply", "{package}")),
    "roll back what is staged": (stopped_while_staging, ("rollback", "{package}")),
    "roll back what is committed": (stopped_after_commit, ("rollback", "{package}")),
    "status of a stopped apply": (stopped_while_staging, ("status", "{package}")),
    "verify": (of_two_members, ("verify", "{package}")),
    "verify as JSON": (of_two_members, ("verify", "{package}", "--json")),
    "show": (of_two_members, ("show", "{package}", "--files")),
    "show the plan": (planned_append, ("show", "--plan", "{package}")),
    "status": (planned_append, ("status", "{package}")),
    "roll back": (packaged, ("rollback", "{package}")),
    "roll back a move": (moved, ("rollback", "{package}")),
    "roll back an append": (of_two_members, ("rollback", "{package}")),
    "rename": (of_two_members, ("rename", "{package}", "2012.1.00001.S")),
    "roll back a renaming": (given_another_code, ("rollback", "{folder}/2012.1.00001.S")),
    "diff": (packaged, ("diff", "{origin}", "{package}")),
    "export": (of_two_members, ("export", "{package}", "-o", "{folder}/list", "--format", "xxhsum")),
    "report": (of_two_members, ("report", "{package}", "-o", "{folder}/page.html")),
    "tarsplit --check": (delivered, ("tarsplit", "{package}", "--check", "{folder}/tars")),
    "receive": (delivered_to_another, ("receive", "{folder}/tars", "{package}")),
    "receive again": (received, ("receive", "{folder}/tars", "{package}")),
    "package": (nothing, ("package", "{origin}", "{package}", "--mode", "move")),
    "package --again": (of_two_members, ("package", "--again", "{package}", "--member", "member_ouss_id")),
    "batch plan": (listed, ("batch", "plan", *BATCH)),
    "batch apply": (listed_and_planned, ("batch", "apply", *BATCH)),
    "batch verify": (listed_and_packaged, ("batch", "verify", *BATCH)),
    "batch status": (listed_and_planned, ("batch", "status", *BATCH)),
    "log": (of_two_members, ("log", "{package}")),
    "audit": (of_two_members, ("audit", "{package}", "--catalogue", "{folder}/catalogue")),
    "report with the last audit": (
        with_manifests_copied_after_an_audit,
        ("report", "{package}", "--catalogue", "{folder}/catalogue", "-o", "{folder}/page.html"),
    ),
    "report with a delivery": (
        delivered,
        ("report", "{package}", "--delivery", "{folder}/tars", "-o", "{folder}/page.html", "--verify"),
    ),
    "sign": (of_two_members_with_key, ("sign", "{package}", "--key", "{folder}/key")),
    "apply --sign": (planned_with_key, ("apply", "{package}", "--sign", "{folder}/key")),
    "verify what is signed": (signed, ("verify", "{package}", "--allowed-signers", "{folder}/signers")),
    "repair from a delivery": (damaged_and_delivered, ("repair", "{package}", "--from", "{folder}/tars")),
    "verify --chunks": (delivered, ("verify", "{package}", "--chunks", "{folder}/tars")),
    "deliver": (with_delivery_sets, ("deliver", "{folder}/P", "-n", "2012-06-20", "--output", "{folder}/out")),
    "tarsplit": (packaged, ("tarsplit", "-n", "2012-06-20", "{package}", "--output", "{folder}/tars")),
}


def words(delivery: Delivery, command: tuple[str, ...]) -> list[str]:
    return [
        word.format(origin=delivery.origin, package=delivery.path, folder=delivery.path.parent) for word in command
    ]


def test_every_command_that_reads_a_manifest_has_a_story() -> None:
    assert set(COMMANDS) - {command[0] for _, command in STORIES.values()} == {"layout", "config"}


@pytest.mark.parametrize("story", STORIES)
def test_command_hashes_each_plan_and_manifest_once(delivery: Delivery, capsys: Capture, story: str) -> None:
    prepare, command = STORIES[story]
    prepare(delivery)
    with hashed_streams() as counts:
        ran = run_here(capsys, *words(delivery, command))
    assert (ran.code, more_than_once(counts)) == (0, {}), ran.err


def more_than_once(counts: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count > 1}
