"""Compression of bundles in a package: the level, another encoder after a stop, and contents that go wrong."""

import gzip
import json
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from zlib_ng import zlib_ng

from qa2pack.executor.stage import bundle
from qa2pack.executor.stage.bundle import BundleBatch, threads_for
from qa2pack.manifest.bundle import encoder
from qa2pack.manifest.bundle.write import write_bundle
from qa2pack.manifest.format.files import open_manifest
from support.bundled import IMAGE, TAR, Bundled, Capsys
from support.commands import ROOT
from support.tools import needs_workers

Monkeypatch = pytest.MonkeyPatch


@pytest.fixture
def bundled(tmp_path: Path, capsys: Capsys) -> Bundled:
    made = Bundled(tmp_path, capsys)
    for name in ("a.cal/table.txt", "b.cal/big", "pb.fits"):
        (made.origin / name).write_bytes(b"".join(b"%s %d\n" % (name.encode(), number) for number in range(60_000)))
    return made


def written_with(monkeypatch: Monkeypatch) -> list[dict[str, int]]:
    """Return a list that gets level and threads of every bundle that is written."""
    found: list[dict[str, int]] = []

    def noted(*arguments: Any, **how: Any) -> tuple[int, bytes]:
        found.append(how)
        return write_bundle(*arguments, **how)

    monkeypatch.setattr(bundle, "write_bundle", noted)
    return found


def stop_before(monkeypatch: Monkeypatch, count: int) -> None:
    """Let the disk fail before so many bundles more are written."""
    real, left = bundle._written, iter(range(count))

    def failing(batch: BundleBatch, path: bytes) -> object:
        if next(left, None) is None:
            raise OSError(28, "No space left on device")
        return real(batch, path)

    monkeypatch.setattr(bundle, "_written", failing)


def apply(bundled: Bundled) -> int:
    return bundled.run("apply", bundled.package, "--jobs", "1").code


def bytes_of(bundled: Bundled) -> dict[Path, bytes]:
    return {path: (bundled.package / path).read_bytes() for path in (TAR, IMAGE)}


def level_of(bundled: Bundled) -> int:
    (manifest,) = (bundled.package.with_name("P.pack") / "manifests").iterdir()
    return open_manifest(os.fsencode(manifest)).header.compression


def test_level_is_that_of_the_option_or_6(bundled: Bundled, monkeypatch: Monkeypatch) -> None:
    written = written_with(monkeypatch)
    bundled.make()
    usual = bytes_of(bundled)
    bundled.run("rollback", bundled.package)
    bundled.make("copy", "--compression", "9")
    assert [each["level"] for each in written] == [6, 6, 9, 9]
    assert all(len(data) < len(usual[path]) for path, data in bytes_of(bundled).items())
    assert level_of(bundled) == 9


@pytest.mark.parametrize("level", ["0", "10", "x"])
def test_level_that_is_none_is_a_wrong_option(bundled: Bundled, level: str) -> None:
    assert bundled.plan("copy", "--compression", level).code == 2


def test_level_in_settings_counts_where_none_is_typed(bundled: Bundled, monkeypatch: Monkeypatch) -> None:
    written = written_with(monkeypatch)
    (bundled.origin.parent / "pack.toml").write_text("compression = 2\n")
    bundled.make()
    bundled.run("rollback", bundled.package)
    bundled.make("copy", "--compression", "3")
    assert [each["level"] for each in written] == [2, 2, 3, 3]


def test_member_that_is_made_again_keeps_its_level(bundled: Bundled) -> None:
    bundled.make("copy", "--compression", "8")
    (bundled.origin / "pb.fits").write_bytes(b"other")
    assert " compression from " in bundled.plan().out
    assert apply(bundled) == 0
    assert level_of(bundled) == 8
    assert bundled.plan("copy", "--no-recall").code == apply(bundled) == 0
    assert level_of(bundled) == 6


def test_stopped_apply_goes_on_at_the_level_of_its_plan(bundled: Bundled, monkeypatch: Monkeypatch) -> None:
    written = written_with(monkeypatch)
    assert bundled.plan("copy", "--compression", "9").code == 0
    with monkeypatch.context() as stopping:
        stop_before(stopping, 1)
        assert apply(bundled) == 4
    (bundled.origin.parent / "pack.toml").write_text("compression = 1\n")
    monkeypatch.setenv("PACK_COMPRESSION", "1")
    assert apply(bundled) == 0
    assert [each["level"] for each in written] == [9, 9]
    assert bundled.problems() == []


@pytest.mark.parametrize(("first", "second"), [(zlib_ng, zlib), (zlib, zlib_ng)])
def test_apply_that_goes_on_with_another_encoder_ends_right(
    bundled: Bundled, monkeypatch: Monkeypatch, first: ModuleType, second: ModuleType
) -> None:
    made = {}
    for module in (first, second):
        monkeypatch.setattr(encoder, "engine", lambda module=module: module)
        bundled.make()
        made[module] = bytes_of(bundled)
        assert bundled.run("rollback", bundled.package).code == 0
    monkeypatch.setattr(encoder, "engine", lambda: first)
    assert bundled.plan().code == 0
    with monkeypatch.context() as stopping:
        stop_before(stopping, 1)
        assert apply(bundled) == 4
    monkeypatch.setattr(encoder, "engine", lambda: second)
    assert apply(bundled) == 0
    (largest, other), found = (TAR, IMAGE), bytes_of(bundled)
    assert found == {largest: made[first][largest], other: made[second][other]}
    assert made[first][other] != made[second][other]
    assert bundled.problems() == [] and bundled.changes == []


KILLED_WITHIN_THE_SECOND = """
import os, signal, sys
from qa2pack.executor.stage import bundle
from qa2pack.pack.cli import main

real, before = bundle.write_bundle, []

def cut(write, *arguments, **how):
    def write_once(piece):
        write(piece)
        if before and len(piece) > 100:
            os.kill(os.getpid(), signal.SIGKILL)
    made = real(write_once, *arguments, **how)
    before.append(made)
    return made

bundle.write_bundle = cut
main(["apply", sys.argv[1], "--jobs", "1"])
"""


def test_apply_that_was_killed_ends_right_with_another_encoder(bundled: Bundled, monkeypatch: Monkeypatch) -> None:
    assert bundled.plan().code == 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command: list[str | Path] = [sys.executable, "-c", KILLED_WITHIN_THE_SECOND, bundled.package]
    killed = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=600)
    assert killed.returncode == -signal.SIGKILL
    (partial,) = bundled.package.parent.rglob("partial")
    assert len(list(partial.iterdir())) == 1
    monkeypatch.setattr(encoder, "engine", lambda: zlib)
    written = written_with(monkeypatch)
    assert apply(bundled) == 0
    assert len(written) == 1, "the first one was complete"
    assert bundled.problems() == [] and bundled.changes == []


@needs_workers
def test_workers_and_threads_make_the_same_bytes(bundled: Bundled) -> None:
    bundled.make()
    before = bytes_of(bundled)
    assert bundled.plan("copy", "--rehash").code == 0
    assert bundled.run("apply", bundled.package, "--jobs", "4").code == 0
    assert bytes_of(bundled) == before


def test_plan_over_a_package_of_another_encoder_finds_nothing_changed(
    bundled: Bundled, monkeypatch: Monkeypatch
) -> None:
    bundled.make()
    monkeypatch.setattr(encoder, "engine", lambda: zlib)
    assert json.loads(bundled.plan("copy", "--json").out)["difference"]["changed"] == 0
    assert bundled.changes == []


@pytest.mark.parametrize("change", [lambda blocks: blocks[:-1], lambda blocks: [*blocks, b"more"]])
def test_bundle_with_a_content_of_a_wrong_length_is_never_published(
    bundled: Bundled, monkeypatch: Monkeypatch, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    real = bundle._checked

    def wrong(*arguments: Any) -> Iterator[bytes]:
        yield from change([bytes(block) for block in real(*arguments)])

    assert bundled.plan().code == 0
    with monkeypatch.context() as broken:
        broken.setattr(bundle, "_checked", wrong)
        with suppress(ValueError):
            assert apply(bundled) != 0
    assert not bundled.package.exists()
    assert apply(bundled) == 0
    assert bundled.problems() == []


def test_source_found_changed_at_its_end_leaves_no_part_of_a_bundle(bundled: Bundled) -> None:
    big = bundled.origin / "b.cal/big"
    before = big.stat()
    assert bundled.plan().code == 0
    big.write_bytes(big.read_bytes()[:-1] + b"!")  # only the digest of its whole content tells
    os.utime(big, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert apply(bundled) != 0
    (partial,) = bundled.package.parent.rglob("partial")
    assert list(partial.iterdir()) == []
    assert not [path for path in partial.parent.rglob("*.tgz") if path.is_file()]


@pytest.mark.parametrize(
    ("byte_count", "all_bytes", "jobs", "threads"),
    [(0, 0, 4, 1), (10, 10, 4, 4), (9, 10, 4, 3), (1, 10, 4, 1), (5, 10, 1, 1), (5, 10, 2, 1)],
)
def test_threads_are_by_the_share_of_a_bundle(byte_count: int, all_bytes: int, jobs: int, threads: int) -> None:
    assert threads_for(byte_count, all_bytes, jobs) == threads


def test_no_more_threads_than_this_machine_has_processors(bundled: Bundled, monkeypatch: Monkeypatch) -> None:
    real, written = bundle._written, written_with(monkeypatch)
    monkeypatch.setattr(bundle, "_written", lambda batch, path: real(replace(batch, threads=5000), path))
    bundled.make()
    assert [each["threads"] for each in written] == [len(os.sched_getaffinity(0))] * 2
    assert gzip.decompress((bundled.package / IMAGE).read_bytes()) == (bundled.origin / "pb.fits").read_bytes()
