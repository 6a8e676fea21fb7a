"""OCFL objects to which a newer state of the package is delivered: versions, stops, stores, checks, forgery."""

import contextlib
import hashlib
import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import ocfl
import pytest

from qa2pack.tarsplit.place.store import Store
from support.commands import Ran, run_redirected
from support.delivered_sets import RULES, UNIT, checked_delivery, deliver, package_again, package_run
from support.forgery import twins
from support.in_process import write
from support.s3_servers import BUCKET, s3_server

LAYOUT = f"""{UNIT}{RULES}[[delivery]]
set = "object"
form = "ocfl"
name = "P_object"
select = "**"
"""
TARS = """[[delivery]]
set = "notes"
name = "P_notes.tar"
select = "notes/**"
also = true
"""
FOLDERS = "".join(
    f'[[delivery]]\nset = "{form}"\nform = "{form}"\nname = "P_{form}"\nselect = "**"\nalso = true\n'
    for form in ("folder", "bag")
)
FORGED, SIGNED = twins()  # with one XXH3-128
LARGE = random.Random(5).randbytes(400_000)  # more than is read at once
FILES = {
    "one/twin": SIGNED,
    "one/deep/noise": LARGE,
    "two/b": b"as it was first",
    "left.txt": b"only in the first version",
    "same.txt": b"in every version",
}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package P and its delivery `out`; tests that change something do so in a copy."""
    home = tmp_path_factory.mktemp("first")
    package_run(home, LAYOUT, FILES)
    assert (ran := deliver(home)).code == 0, ran.err
    shutil.copytree(home / "P", home / "first/P")
    return home


@pytest.fixture(scope="module")
def second(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after a newer state was delivered."""
    home = shutil.copytree(first, tmp_path_factory.mktemp("second") / "home")
    new_state(home)
    assert (ran := deliver(home)).code == 0, ran.err
    return home


@pytest.fixture
def home(first: Path, tmp_path: Path) -> Path:
    return shutil.copytree(first, tmp_path / "home")


@pytest.fixture
def grown(second: Path, tmp_path: Path) -> Path:
    return shutil.copytree(second, tmp_path / "grown")


def new_state(home: Path) -> None:
    """Change a file, add one, remove one, and give the largest another name."""
    run = home / "run/in"
    (run / "two/b").write_bytes(b"as it is now")
    (run / "one/deep/noise").rename(run / "one/deep/renamed")
    (run / "left.txt").unlink()
    write(run / "two/new", b"of the second version")
    package_again(home)


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def check_object(home: Path, folder: Path, versions: int) -> None:
    """Check that the object is valid, and that its newest version is package P."""
    passed, validator = ocfl.Object().validate(str(folder))
    assert passed, str(validator)
    inventory = json.loads((folder / "inventory.json").read_bytes())
    assert [*inventory["versions"]] == [f"v{number}" for number in range(1, versions + 1)]
    check_version(home / "P", folder, f"v{versions}")


def check_version(package: Path, folder: Path, version: str) -> None:
    extracted = folder.with_name(f"{folder.name}.{version}")
    ocfl.Object().extract(str(folder), version, str(extracted))
    subprocess.run(["diff", "-r", package, extracted / "P"], check=True)
    shutil.rmtree(extracted)


def test_newer_state_is_a_second_version_that_stores_only_what_is_new(first: Path, second: Path) -> None:
    folder = second / "out/P_object"
    check_object(second, folder, 2)
    check_version(first / "P", folder, "v1")
    before, after = files_in(first / "out/P_object/v1"), files_in(folder / "v1")
    assert after == before
    assert set(files_in(folder / "v2/content")) == {"P/unit/data/two/b", "P/unit/data/two/new", "P/unit/README"}
    assert not any(path.name.endswith((".part", ".state")) for path in (second / "out").iterdir())
    assert checked_delivery(second / "out") == []
    assert checked_delivery(second / "out", second / "P") == []


def test_each_state_is_one_version_more_and_the_same_command_adds_none(grown: Path) -> None:
    write(grown / "run/in/left.txt", FILES["left.txt"])
    (grown / "run/in/one/deep/renamed").unlink()
    package_again(grown)
    assert deliver(grown).code == 0
    write(grown / "run/in/one/deep/back", LARGE)  # of a version before the last one
    package_again(grown)
    for _ in range(2):
        assert (ran := deliver(grown)).code == 0, ran.err
        check_object(grown, grown / "out/P_object", 4)
        assert checked_delivery(grown / "out") == []
    assert "left.txt" not in str(sorted(files_in(grown / "out/P_object/v3/content")))
    assert not any(path.endswith("back") for path in files_in(grown / "out/P_object/v4"))
    assert json.loads(ran.out)["kept_count"] == 1


@pytest.mark.parametrize(
    ("path", "kind", "told"),
    [
        ("v1/content/P/unit/notes/left.txt", "changed", "changed"),
        ("v1/content/P/unit/notes/left.txt", "missing", "missing"),
        ("v1/content/P/unit/data/one/deep/noise", "changed", "changed"),
        ("v2/content/P/unit/data/two/b", "missing", "missing"),
        ("v1/inventory.json", "changed", "changed"),
        ("v1/inventory.json.sha512", "missing", "missing"),
        ("v2/inventory.json", "changed", "changed"),
        ("inventory.json", "changed", "changed"),
        ("inventory.json", "missing", "changed"),
        ("0=ocfl_object_1.1", "missing", "missing"),
        ("v1/content/P/unit/data/more", "extra", "extra"),
        ("v2/content/P/unit/data/one/more", "extra", "extra"),
        ("v3", "extra", "extra"),
    ],
)
def test_every_damage_of_an_object_of_two_versions_is_told(grown: Path, path: str, kind: str, told: str) -> None:
    file = grown / "out/P_object" / path
    match kind:
        case "changed":
            file.write_bytes(file.read_bytes()[:-2] + b"x\n")
        case "missing":
            file.unlink()
        case "extra":
            write(file, b"of nobody")
    assert f"{told} P_object/{path}" in checked_delivery(grown / "out")


def test_whole_object_that_is_missing_is_one_problem(grown: Path) -> None:
    shutil.rmtree(grown / "out/P_object")
    assert checked_delivery(grown / "out") == ["missing P_object"]


def test_forged_inventory_is_told_and_nothing_is_received_by_it(grown: Path, tmp_path: Path) -> None:
    file = grown / "out/P_object/inventory.json"
    inventory = json.loads(file.read_bytes())
    state = inventory["versions"]["v2"]["state"]
    (one,) = [digest for digest, paths in state.items() if "P/unit/data/two/b" in paths]
    (two,) = [digest for digest, paths in state.items() if "P/unit/notes/same.txt" in paths]
    state[one], state[two] = state[two], state[one]
    file.write_bytes(json.dumps(inventory, indent=1).encode() + b"\n")
    problems = checked_delivery(grown / "out")
    assert any(each.startswith(("changed", "grown", "truncated")) for each in problems)
    assert run_redirected("receive", grown / "out", tmp_path / "other/P").code == 1


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"head": "v1"}', b"[" * 100_000, b'{"id": NaN}'])
def test_inventory_that_is_none_is_told(grown: Path, text: bytes) -> None:
    (grown / "out/P_object/inventory.json").write_bytes(text)
    assert checked_delivery(grown / "out") == ["changed P_object/inventory.json"]


@pytest.mark.parametrize("address", [False, True])
def test_newest_version_is_received_and_repaired_from(grown: Path, tmp_path: Path, address: bool) -> None:
    source = f"file://{grown}/out" if address else grown / "out"
    package = tmp_path / "other/P"
    package.parent.mkdir()
    assert (ran := run_redirected("receive", source, package)).code == 0, ran.err
    subprocess.run(["diff", "-r", grown / "P", package], check=True)
    for path in ("one/deep/renamed", "two/new"):
        (package / "unit/data" / path).write_bytes(b"damaged")
    assert (ran := run_redirected("repair", package, "--from", source)).code == 0, ran.err
    subprocess.run(["diff", "-r", grown / "P", package], check=True)


@pytest.mark.parametrize("is_listed", [False, True])
@pytest.mark.parametrize("versions", [1, 2])
def test_nothing_of_another_sha512_is_taken_of_an_object(
    first: Path, second: Path, tmp_path: Path, versions: int, is_listed: bool
) -> None:
    home = shutil.copytree(first if versions == 1 else second, tmp_path / "home")
    package, twin = tmp_path / "other/P", tmp_path / "other/P/unit/data/one/twin"
    package.parent.mkdir()
    assert run_redirected("receive", home / "out", package).code == 0
    whole = shutil.copytree(home / "out", tmp_path / "whole")
    (home / "out/P_object/v1/content/P/unit/data/one/twin").write_bytes(FORGED)
    if is_listed:
        digests = [hashlib.sha512(data).hexdigest().encode() for data in twins()]
        for path in (home / "out/P_object").rglob("inventory.json"):
            path.write_bytes(path.read_bytes().replace(digests[1], digests[0]))
    twin.unlink()
    assert run_redirected("repair", package, "--from", f"file://{home}/out").code == 3
    assert run_redirected("repair", package, "--from", f"file://{whole}").code == 0
    assert twin.read_bytes() == SIGNED


class Stopped(BaseException):
    """In place of a kill: nothing is done any more."""


def stop_at(patch: pytest.MonkeyPatch, number: int) -> list[str]:
    """Stop before the call of this number, from 0, that changes a name; return what was called."""
    calls: list[str] = []

    def counted(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: Any, **words: Any) -> Any:
            if len(calls) >= number:
                raise Stopped
            calls.append(name)
            return real(*arguments, **words)

        patch.setattr(f"qa2pack.tarsplit.output_files.os.{name}", call)

    for name in ("rename", "rmdir", "unlink", "mkdir"):
        counted(name)
    return calls


def test_stop_at_any_moment_leaves_a_valid_object_and_the_same_command_goes_on(home: Path, tmp_path: Path) -> None:
    new_state(home)
    number = 0
    while True:
        here = shutil.copytree(home, tmp_path / f"stop{number}")
        with pytest.MonkeyPatch.context() as patch:
            calls = stop_at(patch, number)
            try:
                ran = deliver(here)
            except Stopped:
                ran = None
        folder = here / "out/P_object"
        head = json.loads((folder / "inventory.json").read_bytes())["head"]
        check_version(home / ("first/P" if head == "v1" else "P"), folder, head)
        if ran is not None:
            break
        ran = deliver(here)
        assert ran.code == 0, (number, calls, ran.out, ran.err)
        check_object(home, folder, 2)
        assert checked_delivery(here / "out") == []
        shutil.rmtree(here)
        number += 1
    assert number > 10


@pytest.fixture(scope="module")
def third(second: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package P that is newer than that of `second`, which is not delivered."""
    home = shutil.copytree(second, tmp_path_factory.mktemp("third") / "home")
    (home / "run/in/two/new").write_bytes(b"of the third version")
    package_again(home)
    return home


def deliver_from(home: Path, to: str | Path, *words: str) -> Ran:
    option = "--to" if isinstance(to, str) else "--output"
    return run_redirected("deliver", home / "P", option, to, "--jobs", "1", "--json", *words)


def stopped_delivery(home: Path, to: str | Path, number: int, *words: str) -> list[str]:
    """Deliver, and stop before the change of this number, if there are so many; return the changes."""
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Stopped):
        calls = stop_at(patch, number)
        assert deliver_from(home, to, *words).code == 0
    return calls


def check_delivered(home: Path, folder: Path, versions: int) -> None:
    check_object(home, folder / "P_object", versions)
    assert checked_delivery(folder) == []
    assert sorted(path.name for path in folder.iterdir()) == ["P_object", "P_unit.manifest", "P_unit.manifest.md5sum"]


def test_version_that_was_begun_is_undone_where_the_package_is_another_one_by_now(
    first: Path, second: Path, third: Path, tmp_path: Path
) -> None:
    calls = stopped_delivery(second, shutil.copytree(first / "out", tmp_path / "out"), 1000)
    published = (tmp_path / "out/P_unit.manifest").read_bytes()
    counts = []
    for number in range(len(calls) - calls[::-1].index("mkdir"), len(calls)):
        shutil.rmtree(tmp_path / "out")
        stopped_delivery(second, shutil.copytree(first / "out", tmp_path / "out"), number)
        sidecar = tmp_path / "out/P_unit.manifest"
        versions = 2 if not sidecar.exists() or sidecar.read_bytes() != published else 3
        counts.append(versions)
        home = first if number % 2 else third
        assert (ran := deliver_from(home, tmp_path / "out")).code == 0, (number, ran.out, ran.err)
        if home is first and versions == 2:
            assert files_in(tmp_path / "out") == files_in(first / "out")
        else:
            check_delivered(home, tmp_path / "out", versions)
    assert counts.count(2) > 8


def test_version_that_was_begun_is_replaced_but_for_a_file_of_somebody(
    first: Path, second: Path, third: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(first / "out", tmp_path / "out")
    good = (second / "P/unit/data/two/new").read_bytes()
    home = shutil.copytree(second, tmp_path / "home")
    (home / "P/unit/data/two/new").write_bytes(b"X" * len(good))
    assert deliver_from(home, out).code == 4
    mine = write(out / "P_object.part/thesis", b"mine")
    ran = deliver_from(third, out, "--replace")
    assert (ran.code, "folder-in-the-way" in ran.out, str(mine) in ran.out) == (1, True, True), ran.out
    assert mine.read_bytes() == b"mine"
    mine.unlink()
    assert (ran := deliver_from(third, out, "--replace")).code == 0, ran.out
    check_delivered(third, out, 2)


def test_undoing_a_version_may_be_stopped(first: Path, second: Path, third: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(first / "out", tmp_path / "moved")
    calls = stopped_delivery(second, moved, 1000)
    state = b""
    for number in reversed(range(len(calls))):
        shutil.rmtree(moved)
        stopped_delivery(second, shutil.copytree(first / "out", moved), number)
        if [path.name for path in moved.glob("P_object.part/*")] == ["inventory.json.sha512"]:
            state = (moved / "P_unit.state").read_bytes()
            break
    assert state
    undone = tmp_path / "undone"
    number = 0
    while True:
        stopped_delivery(third, shutil.copytree(moved, undone), number)
        if (undone / "P_unit.state").read_bytes() != state:
            break
        home = (second, third)[number % 2]  # the package may be what it was, after all
        assert (ran := deliver_from(home, undone)).code == 0, (number, ran.out, ran.err)
        check_delivered(home, undone, 2)
        shutil.rmtree(undone)
        number += 1
    assert number > 8


def test_version_that_was_begun_in_a_store_is_undone(
    first: Path, second: Path, third: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Store.upload
    names: list[bytes] = []

    def upload(store: Store, name: bytes, size: int) -> Any:
        if len(names) >= number:
            raise Stopped
        names.append(name)
        return real(store, name, size)

    folder = tmp_path / "store"
    number, is_stopped = 0, True
    while is_stopped:
        names.clear()
        shutil.copytree(first / "out", folder)
        with monkeypatch.context() as patch:
            patch.setattr(Store, "upload", upload)
            with contextlib.suppress(Stopped):
                is_stopped = deliver_from(second, f"file://{folder}").code != 0
        assert (ran := deliver_from(third, f"file://{folder}", "--take-over")).code == 0, (names, ran.out, ran.err)
        check_delivered(third, folder, 2 if is_stopped else 3)
        shutil.rmtree(folder)
        number += 1
    assert number > 6


@pytest.mark.parametrize("words", [(), ("--replace",)])
def test_object_in_which_something_is_missing_keeps_its_history(grown: Path, words: tuple[str, ...]) -> None:
    (grown / "out/P_object/v1/content/P/unit/notes/left.txt").unlink()
    write(grown / "run/in/two/b", b"as it is in the third state")
    package_again(grown)
    before = files_in(grown / "out")
    ran = deliver(grown, *words)
    assert (ran.code, "in-the-way" in ran.out) == (1, True)
    assert files_in(grown / "out") == before


@pytest.mark.parametrize("words", [(), ("--replace",)])
def test_link_in_the_place_of_an_object_stays(grown: Path, words: tuple[str, ...]) -> None:
    (grown / "out/P_object").rename(grown / "elsewhere")
    (grown / "out/P_object").symlink_to("../elsewhere")
    for _ in range(2):
        ran = deliver(grown, *words)
        assert (ran.code, "folder-in-the-way" in ran.out) == (1, True)
        assert (grown / "out/P_object").is_symlink()
        write(grown / "run/in/two/b", b"as it is in the third state")
        package_again(grown)


@pytest.mark.parametrize("to_store", [False, True])
def test_object_of_which_no_sidecar_tells_grows_where_it_is_whole(grown: Path, to_store: bool, third: Path) -> None:
    (grown / "out/P_unit.manifest").unlink()
    before = files_in(grown / "out/P_object")
    to: str | Path = f"file://{grown}/out" if to_store else grown / "out"
    assert (ran := deliver_from(third, to, "--replace")).code == 0, ran.out
    check_delivered(third, grown / "out", 3)
    after = files_in(grown / "out/P_object")
    assert {path: data for path, data in before.items() if "/" in path}.items() <= after.items()


def test_version_that_was_begun_of_such_an_object_is_undone(
    first: Path, second: Path, third: Path, tmp_path: Path
) -> None:
    bare = shutil.copytree(first / "out", tmp_path / "bare")
    (bare / "P_unit.manifest").unlink()
    calls = stopped_delivery(second, shutil.copytree(bare, tmp_path / "out"), 1000)
    for number in reversed(range(len(calls))):
        shutil.rmtree(tmp_path / "out")
        stopped_delivery(second, shutil.copytree(bare, tmp_path / "out"), number)
        if [path.name for path in (tmp_path / "out").glob("P_object.part/*")] == ["inventory.json.sha512"]:
            break
    assert number
    assert (ran := deliver_from(third, tmp_path / "out")).code == 0, ran.out
    check_delivered(third, tmp_path / "out", 2)


@pytest.mark.parametrize(
    "path", ["P_object/mine", "P_object/v1/content/P/unit/data/two/b", "P_object/v1/inventory.json", "Q.manifest"]
)
def test_object_of_which_no_sidecar_tells_stays_where_it_is_not_whole_or_of_another_delivery(
    grown: Path, third: Path, path: str
) -> None:
    (grown / "out/P_unit.manifest").rename(grown / "sidecar")
    if path == "Q.manifest":
        (grown / "sidecar").rename(grown / "out/Q.manifest")
    else:
        write(grown / "out" / path, b"of somebody")
    before = files_in(grown / "out")
    ran = deliver_from(third, grown / "out", "--replace")
    assert (ran.code, "folder-in-the-way" in ran.out) == (1, True)
    assert files_in(grown / "out") == before


def test_object_of_another_project_does_not_grow(grown: Path, third: Path) -> None:
    (grown / "out/P_unit.manifest").unlink()
    other = shutil.copytree(third, grown / "other")
    assert run_redirected("rename", other / "P", "Q").code == 0
    before = files_in(grown / "out")
    ran = run_redirected("deliver", other / "Q", "--output", grown / "out", "--jobs", "1", "--json", "--replace")
    assert (ran.code, "folder-in-the-way" in ran.out) == (1, True), ran.out
    assert files_in(grown / "out") == before


def test_sent_to_a_store_as_it_is_written_to_a_folder(home: Path, second: Path, tmp_path: Path) -> None:
    to = f"file://{tmp_path}/store"
    words = ("deliver", home / "P", "--to", to, "--jobs", "1", "--json")
    assert run_redirected(*words).code == 0
    new_state(home)
    signature = write(tmp_path / "store/P_unit.manifest.sig", b"of the state before")
    assert (ran := run_redirected(*words)).code == 0, ran.err
    assert not signature.exists()
    assert [*files_in(tmp_path / "store/P_object")] == [*files_in(second / "out/P_object")]
    check_object(home, tmp_path / "store/P_object", 2)
    assert checked_delivery(to) == []
    assert json.loads(run_redirected(*words).out)["kept_count"] == 1


def test_file_that_an_older_version_has_leaves_no_folder_in_a_store(home: Path, tmp_path: Path) -> None:
    to = f"file://{tmp_path}/store"
    run = home / "run/in"
    for change in (None, lambda: shutil.rmtree(run / "one/deep"), lambda: write(run / "two/alone/back", LARGE)):
        if change:
            change()
        package_again(home)
        assert (ran := deliver_from(home, to)).code == 0, ran.err
    check_object(home, tmp_path / "store/P_object", 3)
    assert checked_delivery(to) == []


def test_stopped_sending_of_a_version_goes_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to = f"s3://{BUCKET}/out"
    words = ("deliver", home / "P", "--to", to, "--jobs", "1", "--json")
    with s3_server(monkeypatch) as proxy:
        assert run_redirected(*words).code == 0
        new_state(home)
        good = (home / "P/unit/data/two/new").read_bytes()
        (home / "P/unit/data/two/new").write_bytes(b"X" * len(good))
        assert run_redirected(*words).code == 4
        (home / "P/unit/data/two/new").write_bytes(good)
        proxy.requests.clear()
        assert (ran := run_redirected(*words)).code == 0, ran.out
        sent = [path for method, path in proxy.requests if method == "PUT" and "/content/" in path]
        assert not any(path.endswith(("/noise", "/renamed", "/same.txt", "/two/b")) for path in sent)
        assert checked_delivery(to) == []


def test_tar_beside_the_object_is_in_the_way_and_replaced_and_the_object_grows(home: Path) -> None:
    (home / "layout.toml").write_text(LAYOUT + TARS)
    shutil.rmtree(home / "out")
    package_again(home)
    assert deliver(home).code == 0
    new_state(home)
    ran = deliver(home)
    assert (ran.code, "delivery-in-the-way" in ran.out) == (1, True)
    assert deliver(home, "--replace").code == 0
    check_object(home, home / "out/P_object", 2)
    assert checked_delivery(home / "out") == []


@pytest.mark.parametrize("path", ["P_object/mine", "P_object/v1/content/P/unit/data/two/b"])
def test_object_that_is_not_as_it_was_delivered_does_not_grow(home: Path, path: str) -> None:
    write(home / "out" / path, b"of somebody")
    new_state(home)
    before = files_in(home / "out")
    for word in ((), ("--replace",)):
        ran = deliver(home, *word)
        assert (ran.code, "in-the-way" in ran.out) == (1, True)
    assert files_in(home / "out") == before


@pytest.mark.parametrize("is_large", [False, True])
def test_content_of_the_same_xxh3_is_not_taken_for_that_of_the_first_version(
    home: Path, monkeypatch: pytest.MonkeyPatch, is_large: bool
) -> None:
    (home / "run/in/one/twin").write_bytes(FORGED)
    package_again(home)
    if is_large:
        monkeypatch.setattr("qa2pack.tarsplit.write_chunk._SMALL_BYTES", 0)
        ran = deliver(home)
        assert (ran.code, "same XXH3-128" in ran.out) == (4, True)
        assert files_in(home / "out/P_object")["inventory.json"].count(b'"v1": {') == 1
    else:
        assert deliver(home).code == 0
        assert (home / "out/P_object/v2/content/P/unit/data/one/twin").read_bytes() == FORGED


def test_space_is_needed_for_what_is_new_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_state(home)
    monkeypatch.setattr("qa2pack.tarsplit.place.folder.Folder.room_bytes", lambda *_: 10_000)
    assert (ran := deliver(home)).code == 0, ran.out


def test_first_version_is_not_written_again_into_an_object_that_has_others(home: Path, second: Path) -> None:
    shutil.rmtree(home / "out/P_object")
    shutil.copytree(second / "out/P_object", home / "out/P_object")
    before = files_in(home / "out/P_object")
    for _ in range(2):
        ran = deliver(home)
        assert (ran.code, "folder-in-the-way" in ran.out, "P_object/v2" in ran.out) == (1, True, True), ran.out
        assert files_in(home / "out/P_object") == before


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders with three states of package P with a folder and a bag beside the object; `out` is of the first."""
    home = tmp_path_factory.mktemp("states") / "0"
    package_run(home, LAYOUT + FOLDERS, FILES)
    assert (ran := deliver(home)).code == 0, ran.err
    second = shutil.copytree(home, home.with_name("1"))
    new_state(second)
    third = shutil.copytree(second, home.with_name("2"))
    (third / "run/in/two/b").write_bytes(b"in the third state")
    write(third / "run/in/two/newer", b"of the third state")
    package_again(third)
    return [home, second, third]


def check_alone(home: Path, folder: Path) -> None:
    """Check that a delivery is whole, of the state of the package, and all there is in a folder."""
    assert checked_delivery(folder, home / "P") == []
    sidecar = {"P_unit.manifest", "P_unit.manifest.md5sum"}
    assert {path.name for path in folder.iterdir()} == {"P_object", "P_folder", "P_folder.md5sum", "P_bag", *sidecar}


def test_folders_that_a_stop_left_beside_an_object_are_replaced_by_any_state(
    states: list[Path], tmp_path: Path
) -> None:
    first, second, third = states
    out = tmp_path / "out"
    calls = stopped_delivery(second, shutil.copytree(first / "out", out), 1000, "--replace")
    for number in range(0, len(calls), 9):
        shutil.rmtree(out)
        stopped_delivery(second, shutil.copytree(first / "out", out), number, "--replace")
        home = (first, third)[number % 2]
        assert (ran := deliver_from(home, out, "--replace")).code == 0, (number, ran.out, ran.err)
        check_alone(home, out)


@pytest.mark.parametrize("state", [0, 2])
def test_folders_that_a_stop_left_in_a_store_beside_an_object_are_replaced(
    states: list[Path], tmp_path: Path, state: int
) -> None:
    out = shutil.copytree(states[0] / "out", tmp_path / "out")
    home = shutil.copytree(states[1], tmp_path / "home")
    (home / "P/unit/data/two/new").write_bytes(bytes(21))  # changed since, so that its sets are not finished
    to = f"file://{out}"
    assert deliver_from(home, to, "--replace").code == 4
    assert not (out / "P_folder.md5sum").exists()
    ran = deliver_from(states[state], to)
    assert (ran.code, "delivery-in-the-way" in ran.out) == (1, True), ran.out
    assert (ran := deliver_from(states[state], to, "--replace")).code == 0, ran.out
    check_alone(states[state], out)


@pytest.mark.parametrize("state", [0, 2])
@pytest.mark.parametrize("tree", ["P_folder.part", "P_folder"])
def test_file_of_somebody_in_such_a_folder_stays(states: list[Path], tmp_path: Path, tree: str, state: int) -> None:
    out = tmp_path / "out"
    calls = stopped_delivery(states[1], shutil.copytree(states[0] / "out", out), 1000, "--replace")
    for number in (number for number, call in enumerate(calls) if call == "rename"):
        shutil.rmtree(out)
        stopped_delivery(states[1], shutil.copytree(states[0] / "out", out), number, "--replace")
        if (out / tree / "unit/data/two/new").exists():
            break
    ran = deliver_from(states[state], out)
    assert (ran.code, "delivery-in-the-way" in ran.out) == (1, True), ran.out
    mine = write(out / tree / "unit/data/two/mine", b"mine")
    before = files_in(out)
    ran = deliver_from(states[state], out, "--replace")
    assert (ran.code, [each["path"] for each in json.loads(ran.out)["problems"]]) == (1, [str(mine)]), ran.out
    assert files_in(out) == before
    mine.unlink()
    assert (ran := deliver_from(states[state], out, "--replace")).code == 0, ran.out
    check_alone(states[state], out)
