"""Every problem of a request, and everything that stops a command: one failure for each code.

The code is in the text and in the JSON output, and each command that is shown is alone on its line.
"""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, chdir, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from qa2pack.executor.engine.errors import NoWorkersError, WorkersDiedError, WorkersLostError
from qa2pack.executor.stop_signals import InterruptedByUser
from qa2pack.executor.transaction.journal import JournalError
from qa2pack.executor.transaction.lock import locked_for_reading
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.executor.transaction.published_tree import UnknownTreeError
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.problem import Code, PackError
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.errors.failure import Failure, failure_of
from qa2pack.pack.errors.failure_texts import REQUESTS, STOPS
from qa2pack.pack.errors.problem_texts import WORDS
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.settings.dropin_settings import read_dropin_defaults
from qa2pack.pack.target import target_of
from qa2pack.pack.terminal.style import Style
from qa2pack.tarsplit.output_files import OutputBusyError
from qa2pack.tarsplit.place.place import StoreBusyError, StoreError
from support.commands import run_here, run_redirected
from support.faulty_disk import DiscardStoppingDisk, Stopped, StoppingDisk
from support.in_process import Delivery, write
from support.origin_bytes import links_below, stop_after_links
from support.printed_commands import misfits, mixed_lines, printed_commands, ready_commands
from support.signatures import ALICE, known_signers, make_key, sign_by_hand

Words = list[str | Path]
Capsys = pytest.CaptureFixture[str]
_DAY = ("-n", "2012-06-20")


@dataclass(frozen=True, slots=True)
class World:
    """A delivery to be asked for what it cannot do; what is entered into `stack` is left at the end."""

    delivery: Delivery
    folder: Path
    stack: ExitStack

    @property
    def path(self) -> Path:
        return self.delivery.path

    def made(self, mode: Mode = Mode.COPY) -> Path:
        """Make the package and return its path."""
        write(self.delivery.origin / "a.fits", b"x")
        self.delivery.make(mode)
        return self.path

    def stopped(self, name: str) -> Path:
        """Stop an apply before a call."""
        self.delivery.plan()
        with pytest.raises(Stopped):
            self.delivery.apply(StoppingDisk(name))
        return self.path


Typed = Callable[[World], Words]
TYPED: dict[Code, Typed] = {}


def fails(code: Code) -> Callable[[Typed], Typed]:
    """Enter a function that returns a command which fails with the code."""

    def enter(typed: Typed) -> Typed:
        assert code not in TYPED
        TYPED[code] = typed
        return typed

    return enter


@fails(Code.NOT_ENCRYPTED)
def _(world: World) -> Words:
    return ["plan", world.delivery.origin, world.path, "--cluster", "tcp://192.0.2.1:8786"]


@fails(Code.NO_PACKAGE_BELOW)
def _(world: World) -> Words:
    world.stack.enter_context(chdir(world.folder))
    return ["verify"]


@fails(Code.LIST_UNUSABLE)
def _(world: World) -> Words:
    return ["batch", "plan", write(world.folder / "list.toml", b"[[job]]\norigin = 3\n")]


@fails(Code.CATALOGUE_UNUSABLE)
def _(world: World) -> Words:
    damaged = write(world.folder / "catalogue", b"no catalogue at all, but a text of some length")
    return ["audit", world.made(), "--catalogue", damaged]


@fails(Code.CATALOGUE_NEWER)
def _(world: World) -> Words:
    catalogue = world.folder / "catalogue"
    run_redirected("audit", world.made(), "--catalogue", catalogue)
    with closing(sqlite3.connect(catalogue)) as newer:
        newer.execute("PRAGMA user_version = 2")
    return ["audit", world.path, "--catalogue", catalogue]


@fails(Code.MEMBER_UNKNOWN)
def _(world: World) -> Words:
    return ["tarsplit", *_DAY, world.made(), "--member", "other"]


@fails(Code.MEMBER_NOT_NAMED)
def _(world: World) -> Words:
    path = world.made()
    world.delivery.make(Mode.COPY, append=Append.MEMBER)
    return ["readme", path, "--set-field", "PI name=A. Person"]


@fails(Code.ORIGIN_UNKNOWN)
def _(world: World) -> Words:
    path = world.made()
    shutil.copytree(world.delivery.origin, world.folder / "other")
    return ["diff", world.folder / "other", path]


@fails(Code.ONLY_MEMBER)
def _(world: World) -> Words:
    return ["remove", world.made(), "--member", "member_ouss_id"]


@fails(Code.NAME_TAKEN)
def _(world: World) -> Words:
    (world.folder / "2012.1.00001.S").mkdir()
    return ["rename", world.made(), "2012.1.00001.S"]


@fails(Code.UNKNOWN_FIELD)
def _(world: World) -> Words:
    return ["readme", world.made(), "--set-field", "Colour=blue"]


@fails(Code.NO_README)
def _(world: World) -> Words:
    world.delivery.make(Mode.COPY, layout="as-is")
    return ["readme", world.path, "--take-changes"]


@fails(Code.MEMBER_AMBIGUOUS)
def _(world: World) -> Words:
    path = world.made()
    world.delivery.make(Mode.COPY, append=Append.GROUP)
    return ["show", path, "--member", "member_ouss_id"]


@fails(Code.PLACEHOLDERS)
def _(world: World) -> Words:
    return ["export", world.made(Mode.FAKE), "--format", "md5sum", "-o", world.folder / "list"]


@fails(Code.OUTPUT_PROTECTED)
def _(world: World) -> Words:
    return ["report", world.made(), "-o", world.path / "page.html"]


@fails(Code.OUTPUT_FOLDER_MISSING)
def _(world: World) -> Words:
    return ["report", world.made(), "-o", world.folder / "no such" / "page.html"]


@fails(Code.OUTPUT_EXISTS)
def _(world: World) -> Words:
    write(world.folder / "list", b"")
    return ["export", world.made(), "--format", "md5sum", "-o", world.folder / "list"]


@fails(Code.EXPORT_UNFINISHED)
def _(world: World) -> Words:
    (world.folder / "a bag.qa2pack-partial").mkdir()
    return ["export", world.made(), "--format", "bagit", "-o", world.folder / "a bag"]


@fails(Code.BAG_NAME)
def _(world: World) -> Words:
    write(world.delivery.origin / "b .fits ", b"x")
    write(world.delivery.origin / os.fsdecode(b"\xff.fits"), b"x")
    return ["export", world.made(), "--format", "bagit", "-o", world.folder / "bag"]


@fails(Code.DELIVERY_MISSING)
def _(world: World) -> Words:
    return ["tarsplit", "--check", world.folder]


def _delivered(world: World) -> Path:
    output = world.folder / "out"
    assert _code("tarsplit", *_DAY, world.made(), "--output", output, "--quiet", "--jobs", "1") == Exit.DONE
    return output


def _code(*words: str | Path) -> int:
    from qa2pack.pack.cli import main

    return main([os.fspath(word) for word in words])


@fails(Code.DELIVERY_OTHER)
def _(world: World) -> Words:
    return ["tarsplit", "--check", _delivered(world), world.folder / "2013.1.00001.S"]


@fails(Code.DELIVERY_IN_THE_WAY)
def _(world: World) -> Words:
    return ["tarsplit", *_DAY, world.path, "--output", _delivered(world), "--size", "100000"]


@fails(Code.FOLDER_IN_THE_WAY)
def _(world: World) -> Words:
    named_like_a_tar = _delivered(world) / f"{world.path.name}_2012-06-20_002_of_002.tar"
    write(named_like_a_tar / "thesis", b"of somebody")
    return ["tarsplit", *_DAY, world.path, "--output", named_like_a_tar.parent, "--replace"]


@fails(Code.NOT_A_DELIVERY_MANIFEST)
def _(world: World) -> Words:
    return ["verify", world.path, "--manifest", _delivered(world)]


@fails(Code.DELIVERY_SEVERAL)
def _(world: World) -> Words:
    delivered = _delivered(world)
    shutil.copy(next(delivered.glob("*.manifest")), delivered / "another.manifest")
    return ["receive", delivered, world.path]


@fails(Code.MEMBER_DIFFERS)
def _(world: World) -> Words:
    delivered = _delivered(world)
    write(world.delivery.origin / "b.fits", b"y")
    world.delivery.make(Mode.COPY)
    return ["receive", delivered, world.path]


@fails(Code.MEMBERS_APART)
def _(world: World) -> Words:
    world.made()
    for _ in range(2):
        world.delivery.make(Mode.COPY, append=Append.MEMBER)
    output = world.folder / "out"
    assert _code("tarsplit", *_DAY, world.path, "--output", output, "--quiet", "--jobs", "1") == Exit.DONE
    world.delivery.make(Mode.COPY)  # one member again
    return ["receive", output, world.path]


@fails(Code.LABELS_MERGE)
def _(world: World) -> Words:
    world.made()
    world.delivery.make(Mode.COPY, append=Append.MEMBER)
    return ["tarsplit", *_DAY, world.path, "--label-member", "--output", world.folder / "out"]


def _with_set(world: World, name: str, *runs: str) -> Path:
    """Make a package of these runs by a layout with one delivery set."""
    layout = world.folder / "sets.toml"
    layout.write_text(
        'tree = "unit.{unit}"\n[variable.unit]\n[[place]]\nname = "run"\npath = "unit_{unit}"\nneeded = true\n'
        '[[folder]]\nname = "data"\n[[rule]]\nmatch = "*"\nto = "data/{name}"\n'
        f'[[delivery]]\nset = "all"\nname = "{name}"\nselect = "data/**"\n'
    )
    package = world.folder / "2013.1.00001.S"
    for run in runs:
        write(world.folder / run / f"unit_{run}" / "file", b"data")
        words = ("--layout", layout, "--mode", "copy", "--quiet")
        assert _code("package", world.folder / run, package, *words) == Exit.DONE
    return package


@fails(Code.STORE_UNUSABLE)
def _(world: World) -> Words:
    return ["tarsplit", *_DAY, world.made(), "--to", "nothing://x"]


@fails(Code.COPIES_MISSING)
def _(world: World) -> Words:
    return ["repair", world.made(), "--from", f"file://{world.folder}/nowhere"]


@fails(Code.NO_DELIVERY_SET)
def _(world: World) -> Words:
    return ["deliver", world.made()]


@fails(Code.DELIVERY_SET_UNKNOWN)
def _(world: World) -> Words:
    return ["deliver", _with_set(world, "{unit}.tar", "a"), "--set", "al"]


@fails(Code.DELIVERY_SETS_MERGE)
def _(world: World) -> Words:
    return ["deliver", _with_set(world, "{project}.tar", "a", "b")]


@fails(Code.DELIVERY_DATE_MISSING)
def _(world: World) -> Words:
    return ["deliver", _with_set(world, "{date}.tar", "a")]


@fails(Code.CHUNK_TOO_SMALL)
def _(world: World) -> Words:
    return ["tarsplit", *_DAY, world.made(), "--size", "1", "--output", world.folder / "out"]


@fails(Code.TOO_MANY_CHUNKS)
def _(world: World) -> Words:
    for number in range(1100):
        write(world.delivery.origin / "Images" / f"{number}.fits", b"x" * 12000)
    return ["tarsplit", *_DAY, world.made(), "--size", "20480", "--dry-run"]


@fails(Code.KEY_UNUSABLE)
def _(world: World) -> Words:
    locked = make_key(world.folder / "locked", "secret")
    return ["sign", world.made(), "--key", locked.path]


@fails(Code.SIGNERS_UNUSABLE)
def _(world: World) -> Words:
    return ["verify", world.made(), "--allowed-signers", world.folder / "nobody"]


@fails(Code.SIGNATURE_WEAK)
def _(world: World) -> Words:
    key, out = make_key(world.folder / "key"), world.folder / "out"
    assert _code("tarsplit", *_DAY, world.made(), "--output", out, "--quiet", "--jobs", "1") == Exit.DONE
    sign_by_hand(key, next(out.glob("*.manifest")))
    signers = known_signers(world.folder / "signers", f"{ALICE} {key.text}")
    known = ("--allowed-signers", signers, "--require-signature")
    return ["receive", out, world.folder / "there" / world.path.name, *known]


@fails(Code.SSH_KEYGEN_MISSING)
def _(world: World) -> Words:
    path = world.made()
    world.stack.enter_context(pytest.MonkeyPatch.context()).setenv("PATH", "/nowhere")
    return ["sign", path, "--key", world.folder / "key"]


@fails(Code.ROLLBACK_TOO_LATE)
def _(world: World) -> Words:
    world.made()
    world.delivery.plan(Mode.COPY)
    with pytest.raises(Stopped):
        world.delivery.apply(DiscardStoppingDisk())
    return ["rollback", world.path]


@fails(Code.PLAN_OTHER)
def _(world: World) -> Words:
    world.delivery.plan()
    return ["apply", world.path, "--expect", "01234567"]


@fails(Code.PLAN_WAITS)
def _(world: World) -> Words:
    path = world.made()
    world.delivery.plan(Mode.COPY, append=Append.MEMBER)
    return ["rollback", path]


@fails(Code.CONTROL_MISSING)
def _(world: World) -> Words:
    path = world.made()
    shutil.rmtree(world.delivery.package.control)
    return ["rollback", path]


@fails(Code.ORIGIN_IN_THE_WAY)
def _(world: World) -> Words:
    path = world.made(Mode.MOVE)
    (world.delivery.origin / "a.fits").unlink()
    write(world.delivery.origin / "a.fits", b"another")
    return ["rollback", path]


@fails(Code.MOVED_LOST)
def _(world: World) -> Words:
    write(world.delivery.origin / "a.fits", b"x")
    world.delivery.plan(Mode.MOVE)
    stop_after_links(world.delivery, 1)
    (packaged,) = links_below(world.delivery.origin).values()
    packaged.unlink()
    return ["rollback", world.path]


@fails(Code.ORIGIN_AWAY)
def _(world: World) -> Words:
    path = world.made(Mode.MOVE)
    world.delivery.origin.rename(world.folder / "elsewhere")
    return ["rollback", path]


@fails(Code.NOT_AS_APPLIED)
def _(world: World) -> Words:
    shutil.rmtree(world.made())
    return ["rollback", world.path]


@fails(Code.PREVIOUS_GONE)
def _(world: World) -> Words:
    world.made()
    return ["rollback", world.made()]


@fails(Code.CHANGED_SINCE)
def _(world: World) -> Words:
    write(world.made() / "sg_ouss_id/note.txt", b"")
    return ["rollback", world.path]


@fails(Code.ORIGIN_LOST)
def _(world: World) -> Words:
    path = world.made()
    (world.delivery.origin / "a.fits").unlink()
    return ["rollback", path]


@fails(Code.UNFINISHED)
def _(world: World) -> Words:
    return ["plan", world.delivery.origin, world.stopped("syncfs")]


@fails(Code.LOCKED)
def _(world: World) -> Words:
    path = world.made()
    world.delivery.plan(Mode.COPY, append=Append.MEMBER)
    world.stack.enter_context(locked_for_reading(lock_path(world.delivery.package)))
    return ["apply", path]


@fails(Code.PATH_MISSING)
def _(world: World) -> Words:
    return ["report", world.made(), "--delivery", world.folder / "nowhere"]


@fails(Code.PATH_OTHER)
def _(world: World) -> Words:
    return ["report", world.made(), "--delivery", write(world.folder / "file", b"x")]


@fails(Code.PLAN_NEWER)
def _(world: World) -> Words:
    world.delivery.plan()
    plan = Path(os.fsdecode(world.delivery.package.plan))
    plan.write_bytes(plan.read_bytes()[:8] + b"\x02\x00" + plan.read_bytes()[10:])
    return ["apply", world.path]


@fails(Code.PLAN_DAMAGED)
def _(world: World) -> Words:
    world.delivery.plan()
    plan = Path(os.fsdecode(world.delivery.package.plan))
    plan.write_bytes(plan.read_bytes()[:-1])
    return ["show", world.path, "--plan"]


def _settings_error() -> PackError:
    with pytest.raises(PackError) as caught:
        read_dropin_defaults(b"/nowhere", {"PACK_JOBS": "x"})
    return caught.value


# Worlds that need a failing disk, machine or cluster: the error that is raised then.
RAISED: dict[Code, Callable[[], BaseException]] = {
    Code.INTERRUPTED: InterruptedByUser,
    Code.DISK_FULL: lambda: OSError(errno.ENOSPC, "No space left on device", "/data/x"),
    Code.MEMORY_SHORT: MemoryError,
    Code.ACCESS_DENIED: lambda: PermissionError(errno.EACCES, "Permission denied", b"/data/x"),
    Code.READ_ONLY: lambda: OSError(errno.EROFS, "Read-only file system", "/data/x"),
    Code.DISK_ERROR: lambda: OSError(errno.EIO, "Input/output error", "/data/x"),
    Code.SYSTEM_ERROR: lambda: OSError(errno.ENOTCONN, "Not connected", "/data/x"),
    Code.JOURNAL_NEWER: lambda: JournalError(b"/data/x", "has a record that this program does not know"),
    Code.PYTHON_PACKAGE: lambda: ModuleNotFoundError("no casacore", name="casacore"),
    Code.NO_WORKERS: lambda: NoWorkersError("no scheduler answers"),
    Code.CLUSTER_LOST: lambda: WorkersLostError("the scheduler does not answer any more"),
    Code.WORKERS_DIED: lambda: WorkersDiedError("again and again"),
    Code.OUTPUT_BUSY: lambda: OutputBusyError(b"/data/x"),
    Code.STORE_BUSY: lambda: StoreBusyError(b"s3://bucket/x", "process 1 of alice on there"),
    Code.STORE_FAILED: lambda: StoreError(b"s3://bucket/x", "the service does not answer"),
    Code.TREE_UNKNOWN: lambda: UnknownTreeError(b"/data/x", b"/data/y"),
    Code.SETTINGS_UNUSABLE: _settings_error,
}
# Their worlds are with what finds them: the command line, the call of old, a mode that reads nothing, a bag of files
# of another user, a package of another user, tickets of several members, a bug of the program, a job of several.
ELSEWHERE = {
    Code.EARLIER_JOB,
    Code.MADE_OTHERWISE,
    Code.USAGE,
    Code.PATH_EMPTY,
    Code.DIGEST_MISSING,
    Code.BAG_LINK,
    Code.NOT_COMPARABLE,
    Code.TICKET_LOST,
    Code.PROGRAM_FAULT,
}


def test_every_code_of_a_failure_has_its_world() -> None:
    assert {*TYPED, *RAISED, *ELSEWHERE} == {*REQUESTS, *STOPS}


@pytest.mark.parametrize("code", sorted(TYPED))
def test_failed_command_shows_its_code_and_commands_to_copy(
    capsys: Capsys, delivery: Delivery, tmp_path: Path, code: Code
) -> None:
    with ExitStack() as stack:
        words = TYPED[code](World(delivery, tmp_path, stack))
        ran = run_here(capsys, *words)
        fields = json.loads(run_here(capsys, *words, "--json").out)
    assert (ran.out, ran.code) == ("", Exit.LOCKED if code is Code.LOCKED else Exit.FAILED)
    assert f"{code}: " in ran.err
    assert fields["problems"][0]["code"] == code
    assert fields["exit_code"] == ran.code
    assert mixed_lines(ran.err.splitlines()) == []
    assert [command for command in _commands(code) if f"\n        {command}" not in ran.err] == []


# Whose commands follow something that a person does, in words that stand before them, or when another run has ended.
_AFTER_SOMETHING_ELSE = {
    Code.CHANGED_SINCE,
    Code.CONTROL_MISSING,
    Code.LOCKED,
    Code.MOVED_LOST,
    Code.NOT_AS_APPLIED,
    Code.ORIGIN_AWAY,
    Code.ORIGIN_IN_THE_WAY,
    Code.ORIGIN_LOST,
}


@pytest.mark.parametrize("code", sorted(TYPED))
def test_commands_that_are_advised_do_not_end_in_the_same_way(delivery: Delivery, tmp_path: Path, code: Code) -> None:
    with ExitStack() as stack:
        text = run_redirected(*TYPED[code](World(delivery, tmp_path, stack))).err
        assert misfits(printed_commands(text)) == []
        for words in ready_commands(text) if code not in _AFTER_SOMETHING_ELSE else ():
            if words[0] in ("pack", "tarsplit"):
                again = run_redirected(*(words[1:] if words[0] == "pack" else words))
                assert (words, f"{code}: " in again.err) == (words, False)
            else:
                subprocess.run(words, check=True)


def _commands(code: Code) -> list[str]:
    """Return the beginnings of the commands that belong to a code, up to the first path."""
    return [
        command.split(" PACKAGE")[0].split(" ORIGIN")[0] for each in WORDS[code].remedies for command in each.commands
    ]


@pytest.mark.parametrize("code", sorted(RAISED))
def test_raised_failure_shows_its_code_and_commands_to_copy(delivery: Delivery, code: Code) -> None:
    failure: Failure = failure_of(RAISED[code](), Attempt("apply", target_of(str(delivery.path))), Style())
    assert f"{code}: " in failure.text
    assert failure.problems[0].code is code
    assert failure.problems[0].path != b""
    assert mixed_lines(failure.text.splitlines()) == []
