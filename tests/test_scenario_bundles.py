"""Bundles: files of the origin in one tar or compressed file of the package, from the layout to verify and diff."""

import gzip
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.stage.bundle import BundleBatch
from qa2pack.manifest.bundle.write import write_bundle
from qa2pack.manifest.format.files import open_manifest, open_plan
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.problem import Code, Refused
from support.bundled import IMAGE, IMAGES, REST, TAR, TOP, TREES, Bundled, Capsys
from support.commands import Ran


@pytest.fixture
def bundled(tmp_path: Path, capsys: Capsys) -> Bundled:
    return Bundled(tmp_path, capsys)


def inside(tar: Path) -> dict[str, bytes | None]:
    """Return the files in a tar with their contents, and the folders with None."""
    with tarfile.open(tar) as opened:
        files = {each.name: opened.extractfile(each) for each in opened}
        return {name: file.read() if file else None for name, file in files.items()}


@pytest.mark.parametrize("mode", ["copy", "hard", "move"])
def test_bundles_hold_the_files_of_the_origin(bundled: Bundled, mode: str) -> None:
    files = {str(path.relative_to(bundled.origin)): path for path in bundled.origin.rglob("*")}
    trees = {name: path.read_bytes() if path.is_file() else None for name, path in files.items() if ".cal" in name}
    image = (bundled.origin / "pb.fits").read_bytes()
    bundled.make(mode)
    assert inside(bundled.package / TAR) == {"all": None, **{f"all/{name}": data for name, data in trees.items()}}
    assert gzip.decompress((bundled.package / IMAGE).read_bytes()) == image
    assert not any((bundled.origin / name).is_symlink() for name in ("pb.fits", "a.cal/table.txt"))
    assert (bundled.origin / "note.txt").is_symlink() is (mode == "move")


@pytest.mark.parametrize("mode", ["fake", "ticket"])
def test_bundles_of_placeholders_are_empty_files(bundled: Bundled, mode: str) -> None:
    bundled.make(mode)
    assert [(bundled.package / path).stat().st_size for path in (TAR, IMAGE)] == [0, 0]
    shown = json.loads(bundled.run("show", bundled.package, "--files", "--json").out)["members"][0]["bundles"]
    assert [(each["path"], each["is_placeholder"], len(each["files"])) for each in shown] == [
        (str(TAR), True, 3),
        (str(IMAGE), True, 1),
    ]


def test_bundles_are_the_same_bytes_each_time(bundled: Bundled) -> None:
    bundled.make()
    first = [(bundled.package / path).read_bytes() for path in (TAR, IMAGE)]
    bundled.make("copy", "--rehash")
    assert [(bundled.package / path).read_bytes() for path in (TAR, IMAGE)] == first


def test_tar_has_root_as_owner_whole_seconds_and_plain_modes(bundled: Bundled) -> None:
    for path in bundled.origin.rglob("*"):
        os.utime(path, ns=(1_500_000_000_999_999_999, 1_500_000_000_999_999_999))
    bundled.make()
    with tarfile.open(bundled.package / TAR) as tar:
        found = {each.name: (each.uid, each.gid, each.mtime, each.mode) for each in tar}
    assert found["all/b.cal/big"] == (0, 0, 1_500_000_000, 0o644)
    assert found["all"] == found["all/a.cal/empty"] == (0, 0, 1_500_000_000, 0o755)
    assert found["all/a.cal/table.txt"][3] == 0o755


def test_changed_file_in_a_bundle_is_what_diff_and_plan_tell(bundled: Bundled) -> None:
    bundled.make()
    assert bundled.changes == []
    (bundled.origin / "a.cal/sub/inner").write_text("changed")
    (bundled.origin / "b.cal/more").write_text("more")
    paths = [line.split()[1] for line in bundled.changes]
    assert paths == [f"{TAR}!all/a.cal/sub/inner", f"{TAR}!all/b.cal/more"]
    difference = json.loads(bundled.plan("copy", "--json").out)["difference"]
    assert (difference["changed"], difference["added"], difference["unchanged"]) == (1, 1, 4)


def test_unchanged_files_in_bundles_are_not_read_again(bundled: Bundled, monkeypatch: pytest.MonkeyPatch) -> None:
    (bundled.origin / "pb.fits").unlink()  # of FITS files the first bytes are looked at
    old = 1_500_000_000_000_000_000
    for path in bundled.origin.rglob("*"):
        os.utime(path, ns=(old, old))
    bundled.make()
    monkeypatch.setattr("qa2pack.manifest.scan.record_builder.digests_of_files", None)  # reading would fail
    assert json.loads(bundled.plan("copy", "--json").out)["difference"]["changed"] == 0


def recompressed(path: Path, change: bytes = b"", into: bytes = b"") -> None:
    """Compress a bundle again by another encoder, with this change of its content."""
    path.write_bytes(
        gzip.compress(
            gzip.decompress(path.read_bytes()).replace(change, into, 1)
            if change
            else gzip.decompress(path.read_bytes()),
            1,
        )
    )


def test_damaged_file_in_a_bundle_is_named(bundled: Bundled) -> None:
    bundled.make()
    recompressed(bundled.package / TAR, b"a.cal/sub/innera.cal", b"a.cal/sub/innerX.cal")
    outer, damaged = bundled.problems()
    assert outer[1] == str(TAR) and outer[0] in ("changed", "truncated", "grown")
    assert damaged == ("damaged-inside", f"{TAR}!all/a.cal/sub/inner")


def test_bundle_of_the_same_content_has_no_damaged_file(bundled: Bundled) -> None:
    bundled.make()
    recompressed(bundled.package / TAR)
    recompressed(bundled.package / IMAGE)
    assert [path for _, path in bundled.problems()] == [str(TAR), str(IMAGE)]


def test_bundle_that_was_cut_short_is_told_with_what_is_lost(bundled: Bundled) -> None:
    bundled.make()
    os.truncate(bundled.package / TAR, (bundled.package / TAR).stat().st_size // 2)
    codes = {code for code, _ in bundled.problems()}
    assert codes == {"truncated", "damaged-inside"}
    assert ("damaged-inside", f"{TAR}!all/b.cal/big") in bundled.problems()


def advised(bundled: Bundled) -> list[str]:
    verified = bundled.run("verify", bundled.package)
    return [line.strip() for line in (verified.out + verified.err).splitlines() if "pack repair" in line]


def test_damaged_bundle_is_written_again_from_the_origin_as_it_was(bundled: Bundled) -> None:
    bundled.layout.write_text(f'{TOP + TREES + IMAGES + REST}[[write]]\nto = "log/sums"\ntemplate = "sums.jinja"\n')
    (bundled.layout.parent / "sums.jinja").write_text(
        "{% for file in files %}{{ file.path }} {{ file.md5 }}\n{% endfor %}"
    )
    bundled.make("copy", "--compression", "9")
    before = {path: (bundled.package / path).read_bytes() for path in (TAR, IMAGE, "log/sums")}
    os.truncate(bundled.package / TAR, 100)
    (bundled.package / IMAGE).unlink()
    assert set(advised(bundled)) == {f"pack repair {bundled.package}"}
    os.utime(bundled.origin / "a.cal/sub/inner")  # the content counts
    repaired = json.loads(bundled.run("repair", bundled.package, "--json").out)["members"][0]
    assert {each["path"]: each["source"] for each in repaired["files"]} == {
        str(TAR): str(bundled.origin),
        str(IMAGE): str(bundled.origin),
        "log/sums": "",
    }
    assert not any(each["is_made_otherwise"] for each in repaired["files"])
    assert {path: (bundled.package / path).read_bytes() for path in before} == before
    assert bundled.problems() == []


def test_bundle_that_comes_out_in_other_bytes_is_told_and_gets_its_digest(
    bundled: Bundled, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled.make()
    before = (bundled.package / TAR).read_bytes()
    (bundled.package / TAR).unlink()
    monkeypatch.setattr("qa2pack.executor.stage.bundle.write_bundle", partial(with_other_encoder, real=write_bundle))
    repaired = bundled.run("repair", bundled.package, "--jobs", "1")
    assert "the same files in other bytes" in repaired.out
    assert (bundled.package / TAR).read_bytes() != before
    assert gzip.decompress((bundled.package / TAR).read_bytes()) == gzip.decompress(before)
    found = sum(path.stat().st_size for path in bundled.package.rglob("*") if path.is_file())
    assert bundled.problems() == [] and f"{found:,}" in bundled.run("show", bundled.package).out
    assert "would change nothing" in bundled.run("diff", bundled.origin, bundled.package).out
    monkeypatch.undo()
    back = bundled.run("rollback", bundled.package)
    assert (back.code, os.path.basename(TAR) in back.out) == (3, True), (
        "the bundle is missing again, and that is said"
    )
    assert not (bundled.package / TAR).exists()


def test_repair_of_a_bundle_that_was_stopped_is_finished_by_the_same_command(
    bundled: Bundled, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    bundled.make()
    before = (bundled.package / TAR).read_bytes()
    (bundled.package / TAR).unlink()
    with monkeypatch.context() as full:
        full.setattr("qa2pack.executor.stage.bundle.write_bundle", stopped)
        assert bundled.run("repair", bundled.package, "--jobs", "1").code == 4
    assert not (bundled.package / TAR).exists()
    assert bundled.run("repair", bundled.package, "--jobs", "1").code == 0
    assert (bundled.package / TAR).read_bytes() == before and bundled.problems() == []


def with_other_encoder(*arguments: Any, real: Callable[..., tuple[int, bytes]], **options: Any) -> tuple[int, bytes]:
    return real(*arguments, **{**options, "level": 1})


@pytest.mark.parametrize("change", [lambda path: path.write_text("changed"), Path.unlink])
def test_bundle_of_which_the_origin_lacks_a_file_is_lost(bundled: Bundled, change: Callable[[Path], object]) -> None:
    bundled.make()
    os.truncate(bundled.package / TAR, 100)
    (bundled.package / IMAGE).unlink()
    change(bundled.origin / "a.cal/sub/inner")
    assert advised(bundled)[-1] == f"pack repair {bundled.package} --from FOLDER"
    ran = bundled.run("repair", bundled.package, "--json")
    (member,) = json.loads(ran.out)["members"]
    assert ran.code == 3
    assert ([each["path"] for each in member["files"]], len(member["problems"])) == ([str(IMAGE)], 1)
    assert {path for _, path in bundled.problems()} >= {str(TAR)}


def test_damaged_bundle_is_repaired_from_another_copy(bundled: Bundled, tmp_path: Path) -> None:
    bundled.make()
    shutil.copytree(bundled.package, tmp_path / "copy")
    os.truncate(bundled.package / TAR, 100)
    (bundled.origin / "a.cal/sub/inner").unlink()
    assert bundled.run("repair", bundled.package).code == 3
    assert bundled.run("repair", bundled.package, "--from", tmp_path / "copy").code == 0
    assert bundled.problems() == []
    (shown,) = json.loads(bundled.run("show", bundled.package, "--files", "--json").out)["members"]
    assert {each["path"]: each["action"] for each in shown["files"]}[str(TAR)] == "bundle"
    assert "in cal/all.tgz:" in bundled.run("show", bundled.package, "--files").out


@pytest.mark.parametrize(
    "change", [lambda path: path.write_text("changed"), Path.unlink, lambda path: os.utime(path, (1, 1))]
)
def test_source_that_changed_since_the_plan_refuses_and_nothing_is_seen(
    bundled: Bundled, change: Callable[[Path], object]
) -> None:
    assert bundled.plan().code == 0
    change(bundled.origin / "a.cal/sub/inner")
    refused = bundled.run("apply", bundled.package, "--json")
    (problem,) = json.loads(refused.out)["problems"]
    assert (problem["code"], problem["path"]) == ("origin-changed", str(bundled.origin / "a.cal/sub/inner"))
    assert not bundled.package.exists()


def test_lock_of_a_table_that_another_program_wrote_to_is_no_change(bundled: Bundled) -> None:
    (bundled.origin / "a.cal/table.lock").write_bytes(bytes(100))
    assert bundled.plan().code == 0
    (bundled.origin / "a.cal/table.lock").write_bytes(b"x" * 200)
    assert bundled.run("apply", bundled.package).code == 0
    assert len(inside(bundled.package / TAR)["all/a.cal/table.lock"] or b"") == 100
    assert bundled.problems() == []


def test_bundle_that_an_earlier_run_completed_is_not_written_again(
    bundled: Bundled, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qa2pack.executor.stage import bundle

    written: list[bytes] = []

    def counted(batch: BundleBatch, path: bytes, *, real: object = bundle._written) -> object:
        written.append(batch.task.path)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        return real(batch, path)  # type: ignore[operator]

    monkeypatch.setattr(bundle, "_written", counted)
    assert bundled.plan().code == 0
    assert bundled.run("apply", bundled.package, "--jobs", "1").code == 4
    assert bundled.run("apply", bundled.package, "--jobs", "1").code == 0
    assert len(written) == 3 and len(set(written)) == 2
    assert bundled.problems() == []


def test_no_thread_is_left(bundled: Bundled) -> None:
    before = threading.active_count()
    bundled.make()
    assert threading.active_count() == before


def test_plan_and_manifest_know_what_is_in_a_bundle(bundled: Bundled) -> None:
    bundled.make()
    control = bundled.package.with_name("P.pack")
    (manifest,) = (control / "manifests").iterdir()
    opened = open_manifest(os.fsencode(manifest))
    assert [task.path for task in opened.notes.bundles] == [os.fsencode(TAR), os.fsencode(IMAGE)]
    assert bundled.plan().code == 0
    planned = open_plan(os.fsencode(control / "plan"))
    sizes = {task.path: task.largest_bytes for task in planned.notes.bundles}
    assert all((bundled.package / os.fsdecode(path)).stat().st_size <= size for path, size in sizes.items())
    shown = bundled.run("show", bundled.package).out
    assert f"{opened.notes.byte_count:,}" in shown
    found = [path for path in bundled.package.rglob("*") if path.is_file()]
    assert opened.notes.byte_count == sum(path.stat().st_size for path in found)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ('match = "*"\nto = "cal/{name}.zip!{name}"', "a path that ends in .tar.gz, .tgz, .tar, .gz before one !"),
        ('match = "*"\nto = "cal/{name}!{name}"', "before one !"),
        ('match = "*"\nto = "cal/a.tgz!b.tgz!{name}"', "before one !"),
        ('match = "*"\nto = "cal/a.tgz!"', "a path in the bundle behind !"),
        ('match = "*"\nto = "cal/a.tgz!../x"', "a path below the member"),
        ('kind = "file"\nmatch = "*"\nto = "cal/{name}.gz!{name}"', "nothing behind !"),
        ('match = "*"\nto = "cal/{name}.gz!"', 'kind = "file"'),
        ('match = "*"\nto = "cal/a.tgz!{name}"\ncolumn = "DATA"', "no ! in targets beside column"),
    ],
)
def test_wrong_bundle_is_refused_with_its_line(tmp_path: Path, rule: str, words: str) -> None:
    (tmp_path / "wrong.toml").write_text(f"{TOP}[[rule]]\n{rule}\n")
    with pytest.raises(Refused) as refused:
        load_layout(str(tmp_path / "wrong.toml"))
    (problem,) = refused.value.problems
    assert problem.code is Code.UNKNOWN_LAYOUT
    assert words in str(problem.expected) and "line" in str(problem)


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ('[[rule]]\nkind = "tree"\nmatch = "*.cal"\nto = "cal/all.tgz!all"\n', "cal/all.tgz!all"),
        (TREES + '[[rule]]\nmatch = "note.txt"\nto = "cal/all.tgz"\n', "cal/all.tgz"),
        (TREES + '[[rule]]\nmatch = "note.txt"\nto = "cal/all.tgz/{name}"\n', "cal/all.tgz"),
        (TREES + '[[rule]]\nkind = "file"\nmatch = "*.fits"\nto = "cal/all.tgz/b.tar!{name}"\n', "cal/all.tgz"),
    ],
)
def test_paths_that_meet_in_or_at_a_bundle_are_refused(bundled: Bundled, rules: str, path: str) -> None:
    bundled.layout.write_text(TOP + rules)
    refused = bundled.plan("copy", "--json")
    assert ("collision", path) in {(each["code"], each["path"]) for each in json.loads(refused.out)["problems"]}


def test_bundle_goes_through_readme_rename_and_rollback(bundled: Bundled, tmp_path: Path) -> None:
    bundled.layout.write_text((TOP + TREES + IMAGES + REST).replace("readme = false\n", ""))
    bundled.make()
    (tmp_path / "header.txt").write_text("PI name: A")
    assert bundled.run("readme", bundled.package, "--header", tmp_path / "header.txt").code == 0
    assert bundled.problems() == []
    assert bundled.run("rename", bundled.package, "Q").code == 0
    bundled.package = bundled.package.with_name("Q")
    assert bundled.problems() == [] and bundled.changes == []
    assert bundled.run("rollback", bundled.package).code == 0
    bundled.package = bundled.package.with_name("P")
    assert bundled.problems() == []


@pytest.mark.parametrize("mode", ["copy", "hard", "move"])
@pytest.mark.parametrize("name", ["a.cal/sub/inner", "pb.fits"])
def test_rollback_takes_no_bundle_that_has_the_only_copy_of_a_file(bundled: Bundled, mode: str, name: str) -> None:
    bundled.make(mode)
    aside = (bundled.origin / name).rename(bundled.origin.with_name("aside"))
    refused = bundled.run("rollback", bundled.package, "--json")
    assert refused.code != 0
    assert str(bundled.origin / name) in refused.out
    assert (bundled.package / TAR).exists()
    aside.rename(bundled.origin / name)
    assert bundled.run("rollback", bundled.package).code == 0
    assert not bundled.package.exists()


@pytest.mark.parametrize("mode", ["copy", "hard", "move"])
def test_rollback_reads_the_files_of_a_bundle_that_are_not_as_they_were(bundled: Bundled, mode: str) -> None:
    bundled.make(mode)
    inner = bundled.origin / "a.cal/sub/inner"
    data, times = inner.read_bytes(), inner.stat().st_mtime_ns
    inner.write_bytes(data[::-1])
    os.utime(inner, ns=(times, times))
    refused = bundled.run("rollback", bundled.package, "--json")
    assert [each["path"] for each in json.loads(refused.out)["problems"]] == [str(bundled.package), str(inner)]
    inner.write_bytes(data)
    assert bundled.run("rollback", bundled.package).code == 0


def last_copies(planned: Ran) -> list[tuple[str, str]]:
    """Return path and count of the warning of files that only the old package has."""
    warnings = json.loads(planned.out)["warnings"]
    return [(each["path"], each["found"]) for each in warnings if each["code"] == "warning-last-copy"]


@pytest.mark.parametrize("mode", ["copy", "hard", "move"])
def test_plan_tells_of_a_bundle_that_has_the_only_copy_of_a_file(bundled: Bundled, mode: str) -> None:
    bundled.make(mode)
    assert last_copies(bundled.plan(mode, "--json")) == []
    (bundled.origin / "a.cal/sub/inner").unlink()
    assert last_copies(bundled.plan(mode, "--json")) == [(str(TAR), "1 file")]
    (bundled.origin / "pb.fits").write_bytes(b"other")
    assert last_copies(bundled.plan(mode, "--json")) == [(str(TAR), "2 files")]


def test_plan_tells_of_no_bundle_whose_files_are_elsewhere_now(bundled: Bundled) -> None:
    bundled.make()
    (bundled.origin / "a.cal/sub/inner").rename(bundled.origin / "b.cal/inner")
    (bundled.origin / "pb.fits").rename(bundled.origin / "image.fits")
    os.utime(bundled.origin / "b.cal/big")
    assert last_copies(bundled.plan("copy", "--json")) == []
