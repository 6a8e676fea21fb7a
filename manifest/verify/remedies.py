"""Remedies for a member that is not as packaged: the commands that mend only what is damaged.

Which command can help depends on what is left: the state of the origin's file is looked at, its content is not read.
"""

import os
import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.package import README
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.format.inside import inside_of
from qa2pack.manifest.format.record import Entry
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.presence import is_folder, real_path, resolved, status_of
from qa2pack.manifest.path import is_within, join, shown
from qa2pack.manifest.problem import EXTRAS, Code, Problem, Remedy
from qa2pack.manifest.table_lock import is_table_lock

DAMAGE = frozenset((Code.CHANGED, Code.TRUNCATED, Code.GROWN, Code.MISSING, Code.WRONG_TYPE))
REPAIR_TEXT = "Have it repaired; only what has the very content that was packaged is taken:"
AGAIN = ("pack plan --again PACKAGE --rehash", "pack apply PACKAGE --keep-previous")
_MADE_ANEW = frozenset((Action.WRITE, Action.DUMMY, Action.BUNDLE))
# What a repair makes by itself; a bundle it writes only of the very files that were in it.
_BY_REPAIR = _MADE_ANEW - {Action.BUNDLE}
_MOST_LOOKED_AT = 20


@dataclass(frozen=True, slots=True)
class DamagedMember:
    """A member with problems.

    Attributes:
        root: its absolute path.
        problems: of this member, their paths relative to it.
        is_only: the package has no other member, so commands need no name.
        is_tried: a repair from the origin was tried, and did not find the content there.
    """

    manifest: Described
    root: bytes
    problems: Sequence[Problem]
    is_only: bool
    is_tried: bool = False

    @property
    def option(self) -> str:
        """The option that names the member to a command, with a blank before it; empty if it needs none."""
        return "" if self.is_only else f" --member {shlex.quote(os.fsdecode(self.manifest.header.member))}"


def packaged_entries(manifest: Described, paths: Iterable[bytes]) -> dict[bytes, Entry]:
    """Return the entries of these files, by path in the member.

    Args:
        paths: relative to the member; those that the manifest does not know are left out.
    """
    folders: dict[bytes, Mapping[bytes, Entry]] = {}
    found: dict[bytes, Entry] = {}
    for path in paths:
        folder = path.rpartition(b"/")[0]
        if folder not in folders:
            blob = manifest.stream.find(folder)
            folders[folder] = {} if blob is None else {each.path: each for each in decode_record(blob).entries()}
        if path in folders[folder]:
            found[path] = folders[folder][path]
    return found


def source_of(manifest: Described, entry: Entry) -> bytes | None:
    """Return the file of the origin that a packaged file came from; None if the program wrote it, or if adopted.

    Of a file that was taken out of a bundle it is the bundle.
    """
    if manifest.header.is_adopted or entry.path in manifest.header.texts or entry.action in _MADE_ANEW:
        return None
    opened = (bundle.source for bundle in manifest.notes.opened if entry.action is Action.EXTRACT)
    source = next((bundle for bundle in opened if is_within(entry.source, bundle)), entry.source)
    return os.path.join(manifest.header.origin, source)


def is_unknown(problem: Problem, root: bytes) -> bool:
    """Return whether there is something that the manifest does not know, also in the place of what it knows.

    A link, or an empty folder, in the place of a file has no content that could be lost.

    Args:
        problem: its path is relative to `root`.
    """
    if problem.code is not Code.WRONG_TYPE:
        return problem.code in EXTRAS
    path = join(root, problem.path)
    status = status_of(path)
    if status is None:
        return False
    return stat.S_ISREG(status.st_mode) or (stat.S_ISDIR(status.st_mode) and bool(os.listdir(path)))


def member_remedies(member: DamagedMember) -> Iterator[Remedy]:
    """Yield what to do about the damaged files of a member, the least change first."""
    damaged = {problem.path: problem.code for problem in member.problems if problem.code in DAMAGE}
    has_extras = any(is_unknown(problem, member.root) for problem in member.problems)
    repair = f"pack repair PACKAGE{member.option}{' --remove-extra' if has_extras else ''}"
    if damaged:
        yield from _repairs(member, damaged, repair)
        yield from _acceptances(member, damaged)
        if has_extras:
            yield Remedy("With --remove-extra the repair leaves out what was added; it is kept until the next apply.")
    elif has_extras:
        yield Remedy("Or leave it out of the member; it is kept until the next apply:", (repair,))


_OTHER_COPY = "FOLDER is another copy of the package, its delivery, or what was unpacked from that; or their address."


def _repairs(member: DamagedMember, damaged: Iterable[bytes], repair: str) -> Iterator[Remedy]:
    """Yield how to bring back what was packaged: from the origin where that can have it, else from another copy."""
    entries = packaged_entries(member.manifest, islice(damaged, _MOST_LOOKED_AT)).values()
    written = member.manifest.header.texts
    wanted = [entry for entry in entries if entry.action not in _BY_REPAIR and entry.path not in written]
    lost = [why for entry in wanted if (why := _why_lost(member, entry))]
    from_copy = f"{repair} --from FOLDER"
    is_all_lost = member.is_tried or (bool(lost) and len(lost) == len(wanted))
    yield Remedy(REPAIR_TEXT, (from_copy if is_all_lost else repair,))
    if member.is_tried and not lost:
        yield Remedy(_OTHER_COPY)
    for reason, source in lost[:1]:
        yield Remedy(f"{reason} {_OTHER_COPY}", () if is_all_lost else (from_copy,), source)


def _acceptances(member: DamagedMember, damaged: Mapping[bytes, Code]) -> Iterator[Remedy]:
    """Yield how to take over what is there now, in the package or in the origin."""
    header = member.manifest.header
    if header.is_adopted:
        return
    if set(damaged) == {README} and header.readme and damaged[README] not in (Code.MISSING, Code.WRONG_TYPE):
        text = "If README was changed on purpose, to keep what was changed:"
        yield Remedy(text, (f"pack readme PACKAGE{member.option} --take-changes",))
    elif header.mode is not Mode.MOVE and is_folder(header.origin):
        text = "Or make the member again from its origin, as that is now:"
        yield Remedy(text, (AGAIN[0].replace("PACKAGE", f"PACKAGE{member.option}"), AGAIN[1]))


def _why_lost(member: DamagedMember, entry: Entry) -> tuple[str, bytes] | None:
    """Return why the origin has not what was packaged, and `PATH`, its file; None if it may have it."""
    if entry.action is Action.BUNDLE:
        return _why_not_written(member.manifest, entry.path)
    source = source_of(member.manifest, entry)
    if source is None:
        return _why_unknown(member.manifest.header), b""
    if entry.action is Action.EXTRACT:
        return _why_not_taken_out(member.manifest, source)
    try:
        there, here = status_of(source), status_of(join(member.root, entry.path))
    except OSError:
        return "PATH cannot be reached.", source
    if there and here and stat.S_ISREG(there.st_mode) and os.path.samestat(there, here):
        return "PATH is the same file by a hard link, so it has changed with it.", source
    if there and stat.S_ISLNK(there.st_mode) and resolved(source) == real_path(join(member.root, entry.path)):
        return "PATH, where it came from, is a symlink to it, so it has changed with it.", source
    return _why_not_as_it_was(source, entry.state.written)


def _why_unknown(header: Header) -> str:
    """Return why no origin is known. Who received it before its delivery was recorded finds it called adopted."""
    if header.arrived_in:
        return f"It was received, in the delivery {shown(header.arrived_in.sidecar)}; its origin is not known here."
    return "It is not known what a package that was adopted or received was made from."


def _why_not_as_it_was(source: bytes, written: tuple[int, ...]) -> tuple[str, bytes] | None:
    """Return why a file of the origin is not in the state that was recorded; size and mtime tell."""
    try:
        there = status_of(source)
    except OSError:
        return "PATH cannot be reached.", source
    if there and stat.S_ISLNK(there.st_mode):
        return "PATH, where it came from, is a symlink.", source
    if there is None or not stat.S_ISREG(there.st_mode):
        return "PATH, where it came from, is not there any more.", source
    if state_of(there).written != written:
        return "PATH, where it came from, was changed since.", source
    return None


def _why_not_taken_out(manifest: Described, source: bytes) -> tuple[str, bytes] | None:
    """Return why a file cannot be taken out of its bundle, an absolute path, again."""
    sources = {os.path.join(manifest.header.origin, each.source): each for each in manifest.notes.opened}
    bundle = sources.get(source)
    return _why_not_as_it_was(real_path(source), (bundle.size, bundle.mtime_ns)) if bundle else None


def _why_not_written(manifest: Described, path: bytes) -> tuple[str, bytes] | None:
    """Return why a bundle cannot be written again: the first of its files that is not as it was; looks at some."""
    insides = (inside for task in manifest.notes.bundles if task.path == path for inside in inside_of(task))
    for inside in islice(insides, _MOST_LOOKED_AT):
        if inside.index is None or is_table_lock(inside.path):
            continue
        source = os.path.join(manifest.header.origin, inside.record.source_path(inside.index))
        if why := _why_not_as_it_was(source, inside.record.state(inside.index).written):
            return why
    return None
