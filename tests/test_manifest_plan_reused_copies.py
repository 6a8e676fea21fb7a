"""Which copies of the old package a new record keeps, from records alone."""

from dataclasses import replace

import pytest

from qa2pack.manifest.actions import Action
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.plan.reused_copies import with_kept
from support.generated import record_of

NEW = record_of(b"qa", {b"a.png": 3, b"b.png": 4}, digests=b"a" * 16 + b"b" * 16)


def kept(old: FolderRecord | None, new: FolderRecord = NEW) -> list[bytes]:
    """Return the names that are kept; everything else of the record is as it was."""
    marked = with_kept(old, new)
    assert replace(marked, actions=new.actions) == new
    others = [was for was, now in zip(new.actions, marked.actions, strict=True) if now != Action.KEEP]
    assert bytes(others) == bytes(now for now in marked.actions if now != Action.KEEP)
    return [name for name, action in zip(marked.names, marked.actions, strict=True) if action == Action.KEEP]


@pytest.mark.parametrize("action", Action)
def test_only_a_copy_of_the_old_package_is_kept(action: Action) -> None:
    old = replace(NEW, actions=bytes([action, Action.COPY]))
    assert kept(old) == ([b"a.png", b"b.png"] if action in (Action.COPY, Action.KEEP) else [b"b.png"])


@pytest.mark.parametrize("action", Action)
def test_only_what_would_be_copied_is_kept(action: Action) -> None:
    new = replace(NEW, actions=bytes([action, Action.COPY]))
    marked = with_kept(NEW, new)
    assert marked.actions == bytes([Action.KEEP if action is Action.COPY else action, Action.KEEP])


@pytest.mark.parametrize(
    "columns",
    [
        {"sizes": [9, 4]},
        {"mtimes": [9, NEW.mtimes[1]]},
        {"modes": [0o600, NEW.modes[1]]},
        {"digests": b"z" * 16 + b"b" * 16},
        {"digests": NO_DIGEST + b"b" * 16},
        {"names": [b"a.gif", b"b.png"]},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_copy_that_differs_is_not_kept(columns: dict[str, object]) -> None:
    assert kept(replace(NEW, **columns)) == [b"b.png"]  # type: ignore[arg-type]


def test_copy_of_unknown_content_is_not_kept() -> None:
    unread = replace(NEW, digests=NO_DIGEST + b"b" * 16)
    assert kept(unread, unread) == [b"b.png"]


def test_copy_is_found_by_its_name_and_not_by_its_place() -> None:
    old = record_of(b"qa", {b"b.png": 4, b"c.png": 3}, digests=b"b" * 16 + b"a" * 16)
    assert kept(old) == [b"b.png"]


def test_folder_that_the_old_package_has_not_is_copied() -> None:
    assert kept(None) == []
