"""Bundles of several members: changes of one, ticket files, deliveries, origins that change while staging."""

import gzip
import os
import shlex
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.manifest.bundle.write import write_bundle
from qa2pack.pack.cli import main
from qa2pack.pack.tarsplit_command import main as tarsplit
from support.faulty_disk import Stopped
from support.in_process import write
from support.worlds import tree_at

Capsys = pytest.CaptureFixture[str]
WRITER = "qa2pack.executor.stage.bundle.write_bundle"
LAYOUT = """
readme = false
[[place]]
name = "top"
[[folder]]
name = "data"
[[rule]]
kind = "tree"
match = ["plots", "table"]
to = "data/all.tgz!{name}"
[[rule]]
kind = "file"
match = "*.pb.fits"
to = "data/{name}.gz!"
[[rule]]
kind = "file"
match = "*"
to = "data/{name}"
"""
FILES = ("plots/a.png", "plots/deep/b.png", "table/table.dat", "table/table.lock", "one.pb.fits", "plain.txt")
INSIDE = FILES[:4]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with an origin and a layout."""
    for name in FILES:
        write(tmp_path / "origin" / name, f"{name} ".encode() * 50)
    (tmp_path / "bundles.toml").write_text(LAYOUT)
    return tmp_path


def plan(home: Path, *words: str, mode: str = "copy", package: str = "P") -> int:
    layout = str(home / "bundles.toml")
    return main(["plan", str(home / "origin"), str(home / package), "--layout", layout, "--mode", mode, *words])


def made(home: Path, *words: str, mode: str = "copy", package: str = "P") -> Path:
    assert plan(home, *words, mode=mode, package=package) == 0
    assert main(["apply", str(home / package)]) == 0
    return home / package


def unpacked(home: Path, tgz: Path) -> dict[str, bytes]:
    folder = home / "unpacked"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    subprocess.run(["tar", "-xzf", str(tgz), "-C", str(folder)], check=True)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def of_origin(home: Path, names: tuple[str, ...] = INSIDE) -> dict[str, bytes]:
    return {name: (home / "origin" / name).read_bytes() for name in names}


def packed_again(home: Path, tgz: Path) -> None:
    """Make the bundle of the files in `unpacked`, by other programs."""
    names = sorted(path.name for path in (home / "unpacked").iterdir())
    subprocess.run(["tar", "-czf", str(tgz), "-C", str(home / "unpacked"), *names], check=True)


def damage(home: Path, package: Path, name: str = "plots/a.png") -> None:
    tgz = package / "data/all.tgz"
    unpacked(home, tgz)
    write(home / "unpacked" / name, b"damaged")
    packed_again(home, tgz)


def verified(package: Path, capsys: Capsys) -> list[str]:
    capsys.readouterr()
    main(["verify", str(package)])
    return capsys.readouterr().out.splitlines()


def test_other_bytes_of_the_same_size_in_a_bundle_are_damage_in_all_modes(home: Path, capsys: Capsys) -> None:
    package = made(home, mode="hard")
    compressed = package / "data/one.pb.fits.gz"
    compressed.write_bytes(gzip.compress(gzip.decompress(compressed.read_bytes()).swapcase()))
    assert any("data/one.pb.fits.gz!" in line for line in verified(package, capsys))


def test_an_origin_that_changes_during_staging_publishes_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan(home) == 0

    def changing(*arguments: Any, **choices: Any) -> Any:
        write(home / "origin/plots/deep/b.png", b"of another size")
        return write_bundle(*arguments, **choices)

    monkeypatch.setattr(WRITER, changing)
    assert main(["apply", str(home / "P")]) == 1
    assert not (home / "P").exists()


class _StopsAtSync(Disk):
    """A disk on which a run stops when all is staged."""

    def syncfs(self, fd: int) -> None:
        raise Stopped


def test_a_replaced_package_comes_back_with_its_bundles(home: Path) -> None:
    package = made(home)
    before = tree_at(package, {})
    write(home / "origin/plots/a.png", b"changed")
    assert plan(home) == 0
    assert main(["apply", str(package), "--keep-previous"]) == 0
    assert unpacked(home, package / "data/all.tgz") == of_origin(home)
    assert main(["rollback", str(package)]) == 0
    assert tree_at(package, {}) == before
    assert main(["verify", str(package)]) == 0


@pytest.fixture
def members(home: Path) -> Path:
    """A package with two members that have bundles, added one after the other."""
    layout = home / "bundles.toml"
    layout.write_text('tree = "member{member}"\n' + LAYOUT.replace("readme = false\n", ""))
    package = made(home)
    write(home / "origin/plots/a.png", b"of the second member")
    return made(home, "--append", "member", package=package.name)


def test_a_replaced_member_has_new_bundles_and_the_other_its_own(home: Path, members: Path) -> None:
    before = tree_at(members / "member", {})
    write(home / "origin/plots/a.png", b"of the second member, again")
    assert plan(home, "--replace-member", "member2") == 0
    assert main(["apply", str(members), "--keep-previous"]) == 0
    assert unpacked(home, members / "member2/data/all.tgz") == of_origin(home)
    assert tree_at(members / "member", {}) == before
    assert main(["verify", str(members)]) == 0


def test_a_removed_member_leaves_the_bundles_of_the_other(members: Path, capsys: Capsys) -> None:
    before = tree_at(members / "member2", {})
    capsys.readouterr()
    assert main(["remove", str(members), "--member", "member"]) == 1, "it alone has a file that was changed since"
    advised = f"pack remove {members} --member member --force --keep-previous"
    assert advised in capsys.readouterr().err
    assert main(shlex.split(advised)[1:]) == 0
    assert main(["apply", str(members), "--keep-previous"]) == 0
    assert os.listdir(members) == ["member2"]
    assert tree_at(members / "member2", {}) == before
    assert main(["verify", str(members)]) == 0


def test_inside_is_still_known_after_another_readme(home: Path, members: Path, capsys: Capsys) -> None:
    header = write(home / "header.txt", b"another header\n")
    assert main(["readme", str(members), "--member", "member", "--header", str(header)]) == 0
    assert main(["apply", str(members)]) == 0
    damage(home, members / "member")
    assert any("data/all.tgz!plots/a.png" in line for line in verified(members, capsys))


def test_ticket_folders_have_whole_bundles(home: Path) -> None:
    (home / "bundles.toml").write_text(LAYOUT.replace('name = "data"', 'name = "data"\ntickets = true'))
    package = made(home, mode="ticket")
    assert unpacked(home, package / "data/all.tgz") == of_origin(home)
    assert main(["verify", str(package)]) == 0


def test_a_delivery_has_a_bundle_as_one_file(home: Path) -> None:
    package = made(home)
    assert tarsplit([str(package), "-n", "2026-11-28", "--output", str(home / "tars")]) == 0
    (path,) = (home / "tars").glob("*.tar")
    with tarfile.open(path) as tar:
        names = tar.getnames()
    assert sum(name.endswith("all.tgz") for name in names) == 1
    assert not any("plots" in name for name in names)
