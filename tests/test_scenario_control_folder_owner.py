"""Control folders of other users: not acted on, unless their owner is trusted. Needs root, to give files away."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.problem import Code, Refused
from qa2pack.pack.jobs import plan as planjobs
from support.commands import Ran
from support.commands import run_redirected as run
from support.in_process import Delivery, make_reduction
from support.origin_bytes import roll_back
from support.snapshots import snapshot
from support.tools import needs_root
from support.users import NOBODY, as_ordinary_user, folder_of_everybody

OTHER = 12_345


@pytest.fixture
def common() -> Iterator[Path]:
    needs_root("give files to another user")
    with folder_of_everybody() as folder:
        yield folder


@pytest.fixture
def delivery(common: Path) -> Delivery:
    return Delivery(make_reduction(common / "sb1"), common / "2011.0.00229.S")


def give_away(path: Path, uid: int = OTHER) -> None:
    for folder, _, names in os.walk(path):
        for name in (".", *names):
            os.chown(os.path.join(folder, name), uid, -1, follow_symlinks=False)


def control(delivery: Delivery) -> Path:
    return Path(os.fsdecode(delivery.package.control))


def steps(delivery: Delivery, *more: str) -> dict[str, Ran]:
    return {
        "plan": run("plan", delivery.origin, delivery.path, "--append", "member", "--mode", "copy", *more),
        "apply": run("apply", delivery.path, *more),
        "rollback": run("rollback", delivery.path, *more),
    }


def test_control_folder_of_another_user_is_not_acted_on_and_its_owner_is_named(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    delivery.plan(Mode.COPY, append=Append.MEMBER)
    give_away(control(delivery))
    before = snapshot(delivery.path.parent)
    for ran in steps(delivery).values():
        assert ran.code == 1
        assert str(OTHER) in ran.err
        assert "--trust-owner" in ran.err
    assert snapshot(delivery.path.parent) == before


@pytest.mark.parametrize("name", ["plan", "journal", "lock", "manifests/x.manifest", "finished/x.journal"])
def test_one_thing_of_another_user_in_a_control_folder_is_enough(delivery: Delivery, name: str) -> None:
    delivery.make(Mode.COPY)
    delivery.plan(Mode.COPY, append=Append.MEMBER)
    path = control(delivery) / name
    path.touch()
    os.chown(path, OTHER, -1)
    for work in (delivery.apply, lambda: roll_back(delivery)):
        with pytest.raises(Refused) as caught:
            work()
        assert [(problem.code, problem.path) for problem in caught.value.problems] == [
            (Code.CONTROL_FOREIGN, os.fsencode(path))
        ]


def test_plan_is_not_written_where_somebody_else_came_while_it_was_made(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.make(Mode.COPY)
    monkeypatch.setattr(planjobs, "check_space", lambda *_: give_away(control(delivery)))
    ran = run("plan", delivery.origin, delivery.path, "--append", "member", "--mode", "copy")
    assert (ran.code, str(OTHER) in ran.err) == (1, True)
    assert not (control(delivery) / "plan").exists()


@pytest.mark.parametrize("name", ["staging", "staging/tree", "previous/20261123T020000-abcdef01"])
def test_folder_of_another_user_in_what_is_staged_or_kept_is_enough(delivery: Delivery, name: str) -> None:
    delivery.make(Mode.COPY)
    delivery.plan(Mode.COPY, append=Append.MEMBER)
    path = control(delivery) / name
    path.mkdir(parents=True)
    os.chown(path, OTHER, -1)
    for work in (delivery.apply, lambda: roll_back(delivery)):
        with pytest.raises(Refused) as caught:
            work()
        assert [problem.path for problem in caught.value.problems] == [os.fsencode(path)]


@pytest.mark.parametrize("name", ["", "manifests", "manifests/*.manifest"])
def test_manifest_of_another_user_in_what_is_kept_is_not_given_back(delivery: Delivery, name: str) -> None:
    delivery.make(Mode.COPY)
    delivery.plan(Mode.COPY)
    delivery.apply(keep_previous=KeepPrevious.YES)
    (path,) = (control(delivery) / "previous").glob(f"*/{name}")
    os.chown(path, OTHER, -1)
    before = snapshot(delivery.path.parent)
    ran = run("rollback", delivery.path)
    assert (ran.code, str(path) in ran.err, str(OTHER) in ran.err) == (1, True, True)
    assert snapshot(delivery.path.parent) == before
    assert run("rollback", delivery.path, "--trust-owner", str(OTHER)).code == 0


def test_control_folder_of_the_old_name_is_one_too(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    renamed = delivery.path.with_name("2012.1.00001.S")
    assert run("rename", delivery.path, renamed.name).code == 0
    (old,) = renamed.with_name(f"{renamed.name}.pack").glob("previous/*/control")
    os.chown(next(old.glob("manifests/*")), OTHER, -1)
    assert str(old) in run("rollback", renamed).err


def test_package_of_another_user_that_was_replaced_is_given_back(delivery: Delivery) -> None:
    """As one of the old script that was adopted: its tree and ticket files are compared with the manifests."""
    delivery.make(Mode.COPY)
    give_away(delivery.path)
    for path in delivery.path.parent.glob("*.ticket.*"):
        os.chown(path, OTHER, -1)
    delivery.plan(Mode.COPY)
    delivery.apply(keep_previous=KeepPrevious.YES)
    assert run("rollback", delivery.path).code == 0


def test_folder_of_another_user_that_cannot_be_entered_is_named(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    give_away(delivery.path.parent, NOBODY)
    kept = control(delivery) / "previous/20261123T020000-abcdef01"
    kept.mkdir(parents=True)
    os.chown(kept.parent, NOBODY, -1)
    os.chown(kept, OTHER, -1)
    kept.chmod(0o700)
    with as_ordinary_user(), pytest.raises(Refused) as caught:
        check_owned(delivery.package)
    assert [problem.path for problem in caught.value.problems] == [os.fsencode(kept)]


def test_users_who_trust_each_other_append_to_one_package_in_turn(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    give_away(control(delivery))
    ran = steps(delivery, "--trust-owner", str(OTHER))
    assert {verb: each.code for verb, each in ran.items()} == {"plan": 0, "apply": 0, "rollback": 0}
    assert delivery.problems() == []


def test_owner_is_trusted_by_the_users_own_settings(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    own = delivery.origin.parent / "config/qa2pack/pack.toml"
    own.parent.mkdir(parents=True)
    own.write_text(f"trust-owner = ['{OTHER}']\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(own.parent.parent))
    delivery.make(Mode.COPY)
    give_away(control(delivery))
    assert {verb: each.code for verb, each in steps(delivery).items()} == {"plan": 0, "apply": 0, "rollback": 0}


def test_what_root_made_is_as_good_as_ones_own(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    give_away(delivery.path.parent, NOBODY)
    os.chown(control(delivery) / "lock", 0, -1)
    (control(delivery) / "lock").chmod(0o666)
    with as_ordinary_user():
        delivery.make(Mode.COPY, append=Append.MEMBER)
    assert delivery.problems() == []


def test_looking_needs_no_trust(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    give_away(control(delivery))
    for verb in ("verify", "status", "show", "log"):
        assert run(verb, delivery.path).code == 0


def test_user_that_is_not_there_cannot_be_trusted(delivery: Delivery) -> None:
    ran = run("apply", delivery.path, "--trust-owner", "no-such-user")
    assert ran.code == 2
    assert "no-such-user" in ran.err


def test_json_has_the_owner(delivery: Delivery) -> None:
    delivery.plan(Mode.COPY)
    give_away(control(delivery))
    (problem,) = json.loads(run("apply", delivery.path, "--json").out)["problems"]
    assert (problem["code"], problem["found_value"]) == (Code.CONTROL_FOREIGN, OTHER)
    assert problem["found"].startswith("one of ")
