"""A model of what a power cut leaves of a run, on a file system that promises no more than it must.

The world is looked at after every mutating call, so that the model knows what each call changed without knowing
how: which names came, went or lead elsewhere, and what is in which file. A cut after any call may then lose any of
the changes that were not synced since, in any combination:

- the content of a file is whole only after an fsync of the file or a syncfs; else it may be empty, torn, or old;
- a name is there, or gone, for sure only after an fsync of its folder or a syncfs;
- what one call does to names happens wholly or not at all, also in two folders: every journalling file system gives
  that for a rename, and no program can do without it. The names that a table split changes are independent;
- a rename that is kept keeps the earlier changes of the same names, without which there was nothing to rename.
"""

import os
import random
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgpack

from qa2pack.executor.transaction.journal_records import Commit
from support.faulty_disk import SplitMemory, WatchedDisk
from support.journals import FRAME, framed, sound_payloads

Name = tuple[int, bytes]  # inode of the folder, name in it
Names = dict[Name, int]


@dataclass(frozen=True, slots=True)
class Thing:
    """What an inode is: a folder, a link, or a file with its content."""

    mode: int
    mtime_ns: int = 0
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Picture:
    """A world at one moment: what its names lead to, and what that is."""

    names: Names
    things: dict[int, Thing]

    def is_folder(self, inode: int) -> bool:
        """Tell whether the inode is a folder; one that the world does not hold is taken for one."""
        return inode not in self.things or stat.S_ISDIR(self.things[inode].mode)

    def key(self) -> tuple[int, int]:
        """Return hashes that are the same for the same world; what no name leads to is not in it."""
        named = frozenset((inode, self.things[inode]) for inode in set(self.names.values()))
        return hash(frozenset(self.names.items())), hash(named)


@dataclass(frozen=True, slots=True)
class NameChange:
    """What one call did to names, all of it or nothing; a name that leads to 0 is gone."""

    call: int
    names: Names


@dataclass(frozen=True, slots=True)
class Pending:
    """What was not synced when the power went.

    Attributes:
        durable: what is on the disk for sure.
        renamings: changes of names, oldest first.
        contents: files whose content may not be on the disk, as it would be.
    """

    durable: Picture
    renamings: tuple[NameChange, ...]
    contents: dict[int, Thing]


@dataclass(slots=True)
class Tape:
    """The pictures of a run: one from before it, and one after every call, with what the call synced.

    Attributes:
        synced: for each call the inode that was synced, 0 for all of them, None if the call is no sync.
        renamed: for each call what it did to names.
        written: for each call what it made of which inodes.
    """

    pictures: list[Picture]
    calls: list[str] = field(default_factory=list)
    synced: list[int | None] = field(default_factory=list)
    renamed: list[list[NameChange]] = field(default_factory=list)
    written: list[dict[int, Thing]] = field(default_factory=list)

    def note(self, name: str, synced: int | None, after: Picture) -> None:
        """Add a call that left the world as the picture shows it."""
        before = self.pictures[-1]
        self.renamed.append(_name_changes(len(self.calls), name, before, after))
        self.written.append({key: thing for key, thing in after.things.items() if before.things.get(key) != thing})
        self.calls.append(name)
        self.synced.append(synced)
        self.pictures.append(after)

    def pending(self, cut: int) -> Pending:
        """Return what a power cut after `cut` calls may lose."""
        durable = Picture(dict(self.pictures[0].names), dict(self.pictures[0].things))
        changes: list[NameChange] = []
        contents: dict[int, Thing] = {}
        for call in range(cut):
            changes += self.renamed[call]
            contents |= self.written[call]
            synced = self.synced[call]
            if synced is not None:
                changes = _sync(durable, changes, contents, synced)
        return Pending(durable, tuple(changes), contents)


def _name_changes(call: int, name: str, before: Picture, after: Picture) -> list[NameChange]:
    changed = {
        key: after.names.get(key, 0)
        for key in before.names.keys() | after.names.keys()
        if before.names.get(key) != after.names.get(key)
    }
    if name == "split_table":
        return [NameChange(call, {key: inode}) for key, inode in sorted(changed.items())]
    return [NameChange(call, changed)] if changed else []


def _sync(durable: Picture, changes: list[NameChange], contents: dict[int, Thing], synced: int) -> list[NameChange]:
    """Make durable what the sync brings to the disk; return the changes of names that are left."""
    brought = [change for change in changes if synced == 0 or any(folder == synced for folder, _ in change.names)]
    brought = _with_needed(brought, changes)
    for change in brought:
        _rename(durable.names, change)
    for inode in [synced] if synced else list(contents):
        if inode in contents:
            durable.things[inode] = contents.pop(inode)
    return [change for change in changes if change not in brought]


def _rename(names: Names, change: NameChange) -> None:
    for name, inode in change.names.items():
        if inode:
            names[name] = inode
        else:
            names.pop(name, None)


def crash_states(pending: Pending, rng: random.Random, *, random_count: int, single_count: int) -> Iterator[Picture]:
    """Yield what the disk may hold: extremes, states that lost a single name, and random ones; none twice."""
    names, contents = pending.renamings, pending.contents
    choices: list[tuple[list[NameChange], Callable[[Thing, Thing | None], Thing]]] = [
        ([], _kept),
        ([], _lost),
        (list(names), _kept),
        (list(names), _lost),
        (list(names), _torn),
    ]
    for lost in rng.sample(names, min(single_count, len(names))):
        choices.append(([change for change in names if change is not lost], rng.choice((_kept, _lost, _torn))))
    for _ in range(random_count):
        choices.append(([change for change in names if rng.random() < 0.5], _any_of(rng)))
    seen: list[Picture] = []
    for chosen, fate in choices:
        state = _state(pending, _with_needed(chosen, names), fate, contents)
        if state not in seen:
            seen.append(state)
            yield state


def _kept(thing: Thing, durable: Thing | None) -> Thing:
    return thing


def _lost(thing: Thing, durable: Thing | None) -> Thing:
    """Return the file as it was on the disk, or empty: its name may be there before its content is."""
    return durable or replace(thing, data=b"")


def _torn(thing: Thing, durable: Thing | None) -> Thing:
    """Return the file with its planned size, mode and mtime, and half of what was written since it was synced."""
    before = durable.data if durable else b""
    whole = len(before) if thing.data.startswith(before) else 0
    there = whole + (len(thing.data) - whole) // 2
    return replace(thing, data=thing.data[:there] + bytes(len(thing.data) - there))


def _any_of(rng: random.Random) -> Callable[[Thing, Thing | None], Thing]:
    def fate(thing: Thing, durable: Thing | None) -> Thing:
        return rng.choice((_kept, _lost, _torn))(thing, durable)

    return fate


def _with_needed(chosen: list[NameChange], changes: Sequence[NameChange]) -> list[NameChange]:
    """Return the chosen changes with those that the renames among them need."""
    needed: list[NameChange] = []
    touched: set[Name] = set()
    for change in reversed(changes):
        if change in chosen or touched.intersection(change.names):
            needed.append(change)
            if len(change.names) > 1:
                touched.update(change.names)
    return needed[::-1]


def _state(
    pending: Pending,
    changes: list[NameChange],
    fate: Callable[[Thing, Thing | None], Thing],
    contents: Mapping[int, Thing],
) -> Picture:
    names, things = dict(pending.durable.names), dict(pending.durable.things)
    for change in changes:
        _rename(names, change)
    for inode, thing in contents.items():
        is_file = stat.S_ISREG(thing.mode)
        things[inode] = fate(thing, pending.durable.things.get(inode)) if is_file else thing
    return Picture(names, things)


class RecordingDisk(WatchedDisk):
    """A disk that takes a picture of the world after every call."""

    def __init__(self, root: Path, left_out: frozenset[str], splits: SplitMemory | None = None) -> None:
        """Take a first picture at once; `left_out` are names below the root that do not belong to the world."""
        super().__init__(splits)
        self._root = root
        self._left_out = left_out
        self.tape = Tape([take_picture(root, left_out)])

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call and note what it changed and synced."""
        result = call()
        self.tape.note(name, self.syncing(name, *args), take_picture(self._root, self._left_out))
        return result

    def syncing(self, name: str, *args: Any) -> int | None:
        """Return what a call brings to the disk: one inode, 0 for everything, None for nothing."""
        if name == "syncfs":
            return 0
        return os.fstat(args[0]).st_ino if name == "fsync" else None


def take_picture(root: Path, left_out: frozenset[str]) -> Picture:
    """Look at the world below root."""
    picture = Picture({}, {})
    _look(os.fsencode(root), picture, frozenset(map(os.fsencode, left_out)))
    return picture


def _look(folder: bytes, picture: Picture, left_out: frozenset[bytes]) -> None:
    own = os.stat(folder).st_ino
    with os.scandir(folder) as listing:
        for entry in listing:
            if entry.name in left_out:
                continue
            status = entry.stat(follow_symlinks=False)
            picture.names[own, entry.name] = status.st_ino
            if status.st_ino not in picture.things:
                picture.things[status.st_ino] = _thing(entry.path, status)
            if entry.is_dir(follow_symlinks=False):
                _look(entry.path, picture, frozenset())


def _thing(path: bytes, status: os.stat_result) -> Thing:
    if stat.S_ISDIR(status.st_mode):
        return Thing(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Thing(status.st_mode, 0, os.readlink(path))
    with open(path, "rb", buffering=0) as file:
        return Thing(status.st_mode, status.st_mtime_ns, file.read())


class Pool:
    """The files of a world, kept so that a state of it can be made whose files are the same inodes."""

    def __init__(self, folder: Path, root: Path, picture: Picture) -> None:
        """Link every file of the picture, which is that of the world now, into the folder, which must not exist."""
        self._folder = os.fsencode(folder)
        self._things = {inode: thing for inode, thing in picture.things.items() if stat.S_ISREG(thing.mode)}
        folders = {inode: path for path, inode in _folders(root)}
        folder.mkdir()
        for (parent, name), inode in picture.names.items():
            if inode in self._things and not os.path.exists(self._path(inode)):
                os.link(os.path.join(folders[parent], name), self._path(inode))

    def _path(self, inode: int) -> bytes:
        return os.path.join(self._folder, b"%d" % inode)

    def make(self, root: Path, picture: Picture) -> None:
        """Make the world of the picture below the root, where nothing of it may be."""
        children: dict[int, list[tuple[bytes, int]]] = {}
        for (folder, name), inode in picture.names.items():
            children.setdefault(folder, []).append((name, inode))
        made: dict[int, bytes] = {}
        self._fill(os.fsencode(root), os.stat(root).st_ino, picture, children, made)
        inodes = {inode: os.lstat(path).st_ino for inode, path in made.items()}
        for path in (*root.glob("*.pack/journal"), *root.glob("*.pack/finished/*.journal")):
            _tell_inodes(path, inodes)

    def _fill(
        self,
        path: bytes,
        folder: int,
        picture: Picture,
        children: Mapping[int, list[tuple[bytes, int]]],
        made: dict[int, bytes],
    ) -> None:
        for name, inode in children.get(folder, ()):
            child, thing = os.path.join(path, name), picture.things[inode]
            if stat.S_ISDIR(thing.mode):
                assert inode not in made, "a folder has one name"
                os.mkdir(child)
                self._fill(child, inode, picture, children, made)
                os.chmod(child, stat.S_IMODE(thing.mode))
            elif stat.S_ISLNK(thing.mode):
                os.symlink(thing.data, child)
            else:
                self._make_file(child, inode, thing, made)
            made.setdefault(inode, child)

    def _make_file(self, path: bytes, inode: int, thing: Thing, made: Mapping[int, bytes]) -> None:
        if inode in made:
            os.link(made[inode], path)
        elif self._things.get(inode) == thing:
            os.link(self._path(inode), path)
        else:
            with open(path, "xb") as file:
                file.write(thing.data)
            os.chmod(path, stat.S_IMODE(thing.mode))
            os.utime(path, ns=(thing.mtime_ns, thing.mtime_ns))


def _folders(root: Path) -> Iterator[tuple[bytes, int]]:
    for folder, _, _ in os.walk(os.fsencode(root)):
        yield folder, os.stat(folder).st_ino


def _tell_inodes(path: Path, inodes: Mapping[int, int]) -> None:
    """Let the commit of a journal name the inode that its tree has here; all else of it stays, also a torn tail.

    It is made again: the file may be one of the pool, which is as it was in every state.
    """
    data, mode = path.read_bytes(), stat.S_IMODE(path.stat().st_mode)
    reported, end = b"", 0
    for payload in sound_payloads(data):
        end += FRAME.size + len(payload)
        wire = msgpack.unpackb(payload)
        if wire.get("kind") == Commit.__name__:
            wire["root_inode"] = inodes.get(wire["root_inode"], 0)
        reported += framed(msgpack.packb(wire))
    path.unlink()
    path.write_bytes(reported + data[end:])
    path.chmod(mode)
