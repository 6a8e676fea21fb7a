"""Manifests and their signatures in two folders: whose signature is gone."""

import os
from pathlib import Path

from qa2pack.executor.io.manifests import unsigned_members

A_SIGNED = "a.manifest.sha256.sig"


def folder_of(path: Path, *names: str) -> bytes:
    path.mkdir()
    for name in names:
        (path / name).write_bytes(b"")
    return os.fsencode(path)


def test_member_that_stays_without_its_signature_is_named_and_one_that_goes_is_not(tmp_path: Path) -> None:
    old = folder_of(tmp_path / "old", "a.manifest", A_SIGNED, "b.manifest", "b.manifest.sha256.sig", "c.manifest")
    new = folder_of(tmp_path / "new", "a.manifest", "c.manifest", "d.manifest")
    assert unsigned_members(old, new) == (b"a",)


def test_signature_that_stays_is_not_named(tmp_path: Path) -> None:
    names = ("a.manifest", A_SIGNED)
    assert unsigned_members(folder_of(tmp_path / "old", *names), folder_of(tmp_path / "new", *names)) == ()


def test_without_an_older_folder_nothing_is_named(tmp_path: Path) -> None:
    assert unsigned_members(os.fsencode(tmp_path / "old"), folder_of(tmp_path / "new", "a.manifest")) == ()
