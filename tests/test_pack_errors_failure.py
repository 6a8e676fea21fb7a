"""What went wrong, in words: state of the package, next command, exit code; and going on afterwards."""

import errno
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.executor.engine.errors import WorkersDiedError
from qa2pack.executor.errors import CannotUndoError, NotFiledError, OriginChangedError
from qa2pack.executor.stop_signals import InterruptedByUser
from qa2pack.executor.transaction.journal import JournalError
from qa2pack.executor.transaction.lock import LockedError
from qa2pack.executor.transaction.recovery import Phase, phase_of
from qa2pack.executor.transaction.renaming import running_records
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.casa.column_split import TableBrokenError
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.format.wire import WireError
from qa2pack.manifest.fs.control_file import ControlFileError
from qa2pack.manifest.path import UnsafePathError
from qa2pack.manifest.problem import Code, PackError, Problem, Refused
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.errors.failure import failure_of
from qa2pack.pack.errors.system_error import system_error_text
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.settings.option_source import Default
from qa2pack.pack.target import target_of
from qa2pack.pack.terminal.style import Style
from qa2pack.tarsplit.sidecar import NotSignedError
from support.commands import ROOT, run_here
from support.faulty_disk import CountingDisk, Fault, FaultyDisk, Stopped, StoppingDisk
from support.in_process import Delivery, make_reduction, write
from support.origin_bytes import roll_back, stop_after_links

Capsys = pytest.CaptureFixture[str]


def _stopped(delivery: Delivery, name: str) -> Delivery:
    delivery.plan()
    with pytest.raises(Stopped):
        delivery.apply(StoppingDisk(name))
    return delivery


def _attempt(delivery: Delivery, verb: str = "apply") -> Attempt:
    return Attempt(verb, target_of(str(delivery.path)))


ERRORS = (
    (OSError(errno.ENOSPC, "No space left on device", "/data/x"), Exit.FAILED, "the disk is full"),
    (PermissionError(errno.EACCES, "Permission denied", b"/data/x"), Exit.FAILED, "permission was denied"),
    (OSError(errno.EIO, "Input/output error", "/data/x"), Exit.FAILED, "the disk reports an error"),
    (OSError(errno.ENOTCONN, "Not connected", "/data/x"), Exit.FAILED, "Not connected"),
    (LockedError(b"/data/x", "process 7 on node3"), Exit.LOCKED, "process 7 on node3"),
    (InterruptedByUser(), Exit.RESUMABLE, "interrupted"),
    (KeyboardInterrupt(), Exit.RESUMABLE, "interrupted"),
    (WorkersDiedError("died"), Exit.FAILED, "--jobs 1"),
    (JournalError(b"/data/x", "has a record"), Exit.FAILED, "/data/x"),
    (WireError("the columns differ in length"), Exit.FAILED, "a plan or manifest is damaged: the columns differ"),
    (UnsafePathError(b"../x"), Exit.FAILED, "a plan or manifest is damaged: unsafe path ../x"),
    (TableBrokenError(b"/data/x", "no such column"), Exit.FAILED, "no such column"),
    (
        ModuleNotFoundError("no casacore", name="casacore"),
        Exit.FAILED,
        "-m pip install --force-reinstall python-",
    ),
)


def test_package_of_which_it_is_not_known_where_it_is_is_not_called_complete(
    capsys: Capsys, delivery: Delivery
) -> None:
    delivery.plan(Mode.MOVE)
    stop_after_links(delivery, 0)
    delivery.path.rename(delivery.path.with_name("away"))
    refused = run_here(capsys, "apply", delivery.path)
    assert f"{Code.TREE_UNKNOWN}:" in refused.err
    assert "complete" not in refused.err


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("No module named 'qa2pack.executor.gone'", name="qa2pack.executor.gone"), "a fault of"),
        (ImportError("cannot import name 'x' from 'qa2pack.pack'", name="qa2pack.pack"), "a fault of"),
        (ImportError("raised by hand"), "a fault of"),
        (ModuleNotFoundError("No module named '_lzma'", name="_lzma"), "It is part of Python"),
    ],
)
def test_what_pip_does_not_have_leads_to_no_pip(delivery: Delivery, error: ImportError, words: str) -> None:
    failure = failure_of(error, _attempt(delivery), Style())
    assert words in failure.text
    assert "pip " not in failure.text


@pytest.mark.parametrize(("error", "code", "words"), ERRORS)
def test_error_is_reported_in_words(delivery: Delivery, error: BaseException, code: Exit, words: str) -> None:
    failure = failure_of(error, _attempt(delivery), Style())
    assert failure.code == code
    assert words in failure.text
    assert "/data/x" in failure.text or str(delivery.path) in failure.text


@pytest.mark.parametrize("error", [error for error, *_ in ERRORS if isinstance(error, OSError)])
def test_error_of_the_system_names_the_path(delivery: Delivery, error: OSError) -> None:
    assert "/data/x" in failure_of(error, _attempt(delivery), Style()).text


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (errno.ENOENT, Code.PATH_MISSING, "there is no such file or folder. Path: /data/x"),
        (errno.ENOSPC, Code.DISK_FULL, "the disk is full. Make room first."),
        (errno.EDQUOT, Code.DISK_FULL, "your quota on this disk is used up. Make room first, or ask for more."),
        (errno.EACCES, Code.ACCESS_DENIED, "permission was denied. Get permission first."),
        (errno.EPERM, Code.ACCESS_DENIED, "the system does not allow it. Get permission first."),
        (errno.EROFS, Code.READ_ONLY, "the file system is read-only. Have it mounted writable first."),
        (errno.EIO, Code.DISK_ERROR, "the disk reports an error. Have the disk checked first;"),
        (
            errno.EAGAIN,
            Code.SYSTEM_ERROR,
            "the system is short of something, mostly of processes or threads that you may",
        ),
        (
            errno.EMFILE,
            Code.SYSTEM_ERROR,
            "this program may open no more files at once. Raise the limit first (ulimit -n).",
        ),
        (errno.ENFILE, Code.SYSTEM_ERROR, "this machine opens no more files at once. End other programs first"),
        (errno.EINTR, Code.SYSTEM_ERROR, "a call of the system was interrupted. It may work the next time."),
        (errno.ESTALE, Code.DISK_ERROR, "the server of the disk does not know a file or folder any more"),
        (errno.EMLINK, Code.LINK_LIMIT, "a file has as many hard links as its file system takes. Use --mode copy."),
        (
            errno.EXDEV,
            Code.CROSS_DEVICE,
            "a hard link or a renaming would lead to another file system or mount. Was one",
        ),
        (errno.ENOTCONN, Code.SYSTEM_ERROR, "the system says: odd."),
    ],
)
def test_error_of_the_system_has_code_words_and_advice(
    delivery: Delivery, number: int, code: Code, words: str
) -> None:
    error = OSError(number, "odd", "/data/x", None, "/data/y")
    reported = " ".join(filter(None, system_error_text(error))).replace("\xa0", " ")
    assert reported.startswith(words)
    assert number == errno.ENOENT or reported.endswith("Path: /data/x, /data/y")
    (problem,) = failure_of(error, _attempt(delivery), Style()).problems
    assert (problem.code, problem.path, problem.found) == (code, b"/data/x", "odd")


def test_missing_folder_for_temporary_files_is_not_taken_for_a_missing_package(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere"])
    with pytest.raises(FileNotFoundError) as caught:
        tempfile.gettempdir()
    failure = failure_of(caught.value, _attempt(delivery), Style())
    assert "no folder for temporary files can be written" in failure.text
    assert "set TMPDIR" in failure.text
    assert [problem.code for problem in failure.problems] == [Code.DISK_FULL]


def test_thread_that_may_not_be_started_is_no_fault_of_the_program(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    (starts,) = {"_start_joinable_thread", "_start_new_thread"} & vars(threading).keys()
    monkeypatch.setattr(threading, starts, _refused_thread)
    with pytest.raises(RuntimeError) as caught:
        threading.Thread().start()
    failure = failure_of(caught.value, _attempt(delivery), Style())
    assert "processes or threads that you may start" in " ".join(failure.text.split())
    assert "ulimit -u" in failure.text
    assert [problem.code for problem in failure.problems] == [Code.SYSTEM_ERROR]


def _refused_thread(*_: object, **__: object) -> None:
    raise RuntimeError("can't start new thread")


def test_missing_file_suggests_the_near_one(tmp_path: Path) -> None:
    near = write(tmp_path / "header.txt", b"")
    typed = tmp_path / "heder.txt"
    advice = system_error_text(FileNotFoundError(errno.ENOENT, "odd", str(typed)))[1].replace("\xa0", " ")
    assert advice == f"Did you mean {near}? Path: {typed}"


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))])
def test_memory_that_is_short_is_no_fault_of_the_program(delivery: Delivery, error: Exception) -> None:
    failure = failure_of(error, _attempt(delivery), Style())
    assert [problem.code for problem in failure.problems] == [Code.MEMORY_SHORT]
    assert "memory is short" in failure.title
    assert "Raise the limit" in failure.text


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (OriginChangedError((Problem(Code.ORIGIN_CHANGED, b"/data/x"),)), "stopped"),
        (Refused(Problem(Code.NESTED, b"/data/x")), "refused"),
        (JournalError(b"/data/x", "has a record"), "refused"),
    ],
)
def test_title_distinguishes_a_refusal_from_a_stop(delivery: Delivery, error: PackError, word: str) -> None:
    failure = failure_of(error, _attempt(delivery), Style())
    assert failure.title == f"pack apply: {word}, 1 problem. Nothing was changed."
    assert failure.problems == error.problems


def test_rollback_that_cannot_be_is_answered_by_what_its_reason_advises(delivery: Delivery) -> None:
    problems = (Problem(Code.PREVIOUS_GONE, b"/data/x"), Problem(Code.CHANGED, b"/data/y"))
    text = failure_of(CannotUndoError(*problems), _attempt(delivery, "rollback"), Style()).text
    assert "/data/y" in text
    assert text.count(" do: ") == 1
    assert failure_of(Refused(*problems), _attempt(delivery, "rollback"), Style()).text.count(" do: ") == 2


def test_many_paths_of_a_problem_are_counted(delivery: Delivery) -> None:
    error = Refused(*(Problem(Code.NESTED, b"/data/%d" % number) for number in range(21)))
    assert "and 1 more" in failure_of(error, _attempt(delivery), Style()).text
    assert "/data/20" in failure_of(error, replace(_attempt(delivery), shows_all=True), Style()).text


def test_source_of_an_option_is_told_where_its_value_is_the_problem(delivery: Delivery) -> None:
    defaults = (Default("readme", "pack.toml"), Default("layout", "PACK_LAYOUT"))
    attempt = replace(_attempt(delivery), defaults=defaults)
    reported = failure_of(Refused(Problem(Code.README_MISSING, b"/data/x")), attempt, Style()).text
    assert "It is not typed: readme is set by pack.toml" in reported.replace("\xa0", " ")
    assert "PACK_LAYOUT" not in reported


def test_key_that_could_not_sign_is_named_with_its_reason(delivery: Delivery) -> None:
    error = NotSignedError(Problem(Code.KEY_UNUSABLE, b"/data/x", "a key", "the agent has gone"))
    failure = failure_of(error, _attempt(delivery), Style())
    assert failure.title.endswith("the sidecar could not be signed: the agent has gone.")


def test_only_a_manifest_of_the_package_can_be_made_again(delivery: Delivery) -> None:
    def reported(path: bytes) -> str:
        return failure_of(StreamError(path, "is damaged"), _attempt(delivery), Style()).text

    restore = "use the version of this program that wrote it"
    assert restore in " ".join(reported(b"/data/x").split())
    for own in (delivery.package.manifests + b"/x.manifest", delivery.package.plan):
        assert restore not in " ".join(reported(own).split())


def test_control_file_that_cannot_be_used_is_named(delivery: Delivery) -> None:
    error = ControlFileError(errno.EINVAL, "a pipe", "/data/x")
    (problem,) = failure_of(error, _attempt(delivery), Style()).problems
    assert (problem.code, problem.path, problem.found) == (Code.CONTROL_UNUSABLE, b"/data/x", "a pipe")


def test_run_that_leaves_something_for_the_next_one_says_so_and_can_be_gone_on_with(delivery: Delivery) -> None:
    attempt = replace(_attempt(delivery, "tarsplit"), kept="Finished chunks are kept.")
    failure = failure_of(OSError(errno.EIO, "odd"), attempt, Style())
    assert failure.code == Exit.RESUMABLE
    assert "Finished chunks are kept." in failure.text
    assert "To go on, give the same command again." in failure.text
    assert "Nothing was changed." not in failure.text


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), InterruptedByUser(), WorkersDiedError("died")])
def test_what_stopped_an_apply_half_way_can_be_gone_on_with(delivery: Delivery, error: Exception) -> None:
    failure = failure_of(error, _attempt(_stopped(delivery, "syncfs")), Style())
    assert failure.code == Exit.RESUMABLE
    assert "The package is as it was; what is staged so far is kept." in failure.text
    assert f"  To go on:\n    pack apply {delivery.path}" in failure.text


@pytest.mark.parametrize("number", [errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("name", ["syncfs", "rename"])
def test_apply_whose_journal_cannot_be_read_any_more_does_not_say_that_nothing_was_changed(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    error = OSError(number, os.strerror(number), str(delivery.path))
    _stopped(delivery, name)
    monkeypatch.setattr("qa2pack.executor.transaction.journal.read_control", _failing(error))
    failure = failure_of(error, _attempt(delivery), Style())
    assert failure.code == Exit.RESUMABLE
    assert "it is unknown how far this came; all that was done is kept." in failure.text
    assert f"  To go on:\n    pack apply {delivery.path}" in failure.text
    again = failure_of(error, _attempt(delivery, "package"), Style())
    assert again.text.endswith("To go on, give the same command again.")
    assert again.code == Exit.RESUMABLE
    reading = failure_of(error, _attempt(delivery, "verify"), Style())
    assert reading.code == Exit.FAILED
    assert "Nothing was changed." in reading.text


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG])
def test_apply_without_a_journal_changed_nothing(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(
        "qa2pack.executor.transaction.journal.read_control", _failing(OSError(number, os.strerror(number)))
    )
    failure = failure_of(OSError(errno.EIO, "odd"), _attempt(delivery), Style())
    assert failure.code == Exit.FAILED
    assert "Nothing was changed." in failure.text


def _failing(error: OSError) -> Callable[..., bytes]:
    def fail(*_: object, **__: object) -> bytes:
        raise error

    return fail


def test_rollback_that_was_stopped_must_be_finished(delivery: Delivery) -> None:
    _stopped(delivery, "syncfs")
    with pytest.raises(Stopped):
        roll_back(delivery, StoppingDisk("rmdir"))
    failure = failure_of(OSError(errno.EIO, "odd"), _attempt(delivery, "rollback"), Style())
    assert "The rollback has begun and must be finished." in failure.text


def test_failure_has_the_code_1_only_if_nothing_that_was_visible_has_changed(tmp_path: Path) -> None:
    origin = make_reduction(tmp_path / "sb1")
    disk = CountingDisk()
    _planned(origin, tmp_path / "whole").apply(disk)
    found = set()
    for at in range(len(disk.calls)):
        delivery = _planned(origin, tmp_path / f"{at}")
        with pytest.raises(OSError) as caught:
            delivery.apply(FaultyDisk(Fault.EIO, at))
        failure = failure_of(caught.value, _attempt(delivery), Style())
        is_untold = "Nothing was changed." in failure.text
        assert not delivery.path.exists() or (failure.code, is_untold) == (Exit.RESUMABLE, False), disk.calls[at]
        found.add((delivery.path.exists(), is_untold))
    assert found == {(False, True), (False, False), (True, False)}


def _planned(origin: Path, folder: Path) -> Delivery:
    folder.mkdir()
    delivery = Delivery(origin, folder / "2011.0.00229.S")
    delivery.plan(Mode.COPY)
    return delivery


def _ended(tmp_path: Path) -> Delivery:
    """Make a package, but leave the journal that has ended unfiled."""
    origin, disk = make_reduction(tmp_path / "sb1"), CountingDisk()
    _planned(origin, tmp_path / "whole").apply(disk)
    delivery = _planned(origin, tmp_path / "ended")
    with pytest.raises(Stopped):
        delivery.apply(
            FaultyDisk(Fault.STOP_BEFORE, max(at for at, call in enumerate(disk.calls) if call == "replace"))
        )
    assert phase_of(running_records(delivery.package)) is Phase.ENDED
    return delivery


@pytest.mark.parametrize("verb", ["apply", "package", "readme", "receive", "remove", "rename", "repair"])
def test_run_that_could_not_file_its_journal_is_gone_on_with_by_apply(delivery: Delivery, verb: str) -> None:
    path = delivery.package.control + b"/finished"
    error = NotFiledError(PermissionError(errno.EACCES, "Permission denied", path), delivery.package)
    failure = failure_of(error, _attempt(delivery, verb), Style())
    assert failure.code == Exit.RESUMABLE
    assert f"Path: {os.fsdecode(path)}" in failure.text.replace("\xa0", " ")
    assert "The new package is complete and on disk; only its journal is left to be filed." in failure.text
    assert f"  To go on:\n    pack apply {delivery.path}" in failure.text


def test_journal_of_a_renaming_is_filed_under_the_new_name(delivery: Delivery) -> None:
    error = NotFiledError(OSError(errno.EIO, "odd"), Package(b"/data/2012.1.00001.S"))
    failure = failure_of(error, _attempt(delivery, "rename"), Style())
    assert failure.text.endswith("  To go on:\n    pack apply /data/2012.1.00001.S")


@pytest.mark.parametrize("error", [ZeroDivisionError("oops"), TableBrokenError(b"/data/x", "no such column")])
@pytest.mark.parametrize(("call", "code"), [("syncfs", Exit.FAILED), ("rename", Exit.RESUMABLE)])
def test_fault_after_the_commit_does_not_have_the_code_1(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, call: str, code: Exit
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert failure_of(error, _attempt(_stopped(delivery, call)), Style()).code == code


@pytest.mark.parametrize("verb", ["apply", "readme", "plan", "verify"])
def test_journal_that_an_earlier_run_left_unfiled_is_no_change_of_this_one(tmp_path: Path, verb: str) -> None:
    failure = failure_of(OSError(errno.EIO, "odd"), _attempt(_ended(tmp_path), verb), Style())
    assert failure.code == Exit.FAILED
    assert "Nothing was changed." in failure.text


def test_journal_that_still_cannot_be_filed_is_told_again(tmp_path: Path) -> None:
    delivery = _ended(tmp_path)
    with pytest.raises(NotFiledError) as caught:
        delivery.apply(FaultyDisk(Fault.EACCES, 0))
    assert failure_of(caught.value, _attempt(delivery), Style()).code == Exit.RESUMABLE
    assert delivery.apply().resumed is Phase.ENDED


@pytest.mark.parametrize("call", ["syncfs", "rename"])
@pytest.mark.parametrize(
    "words",
    [
        ("tarsplit", "--check", "nosuch", "P"),
        ("verify", "P", "--chunks", "nosuch"),
        ("verify", "P", "--manifest", "nosuch"),
    ],
    ids=" ".join,
)
def test_command_that_only_reads_does_not_fail_as_the_unfinished_apply_does(
    capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], call: str
) -> None:
    _stopped(delivery, call)
    monkeypatch.chdir(delivery.path.parent)
    ran = run_here(capsys, *(delivery.path.name if word == "P" else word for word in words))
    assert ran.code == Exit.FAILED
    assert "Nothing was changed." in ran.err


def test_control_characters_in_an_error_are_escaped(delivery: Delivery) -> None:
    error = OSError(errno.EIO, "Input/output error", "/data/\x1b[31m")
    assert "\x1b" not in failure_of(error, _attempt(delivery), Style()).text


def test_fault_of_the_program_leaves_a_report_to_send(delivery: Delivery) -> None:
    failure = failure_of(ZeroDivisionError("oops"), _attempt(delivery), Style())
    assert failure.code == Exit.FAILED
    found = re.search(r"program: (/\S+)$", failure.text)
    assert found is not None
    report = Path(found[1])
    try:
        versions, command, *rest = report.read_text().splitlines()
        assert re.fullmatch(r"qa2pack \S+, Python 3\S+, Linux.*", versions)
        assert (command, rest[-1]) == (f"command: {sys.argv!a}", "ZeroDivisionError: oops")
    finally:
        report.unlink()


@pytest.mark.parametrize(("call", "words"), [("syncfs", "stopped while staging"), ("rename", "after its commit")])
def test_apply_goes_on_and_says_so_first(capsys: Capsys, delivery: Delivery, call: str, words: str) -> None:
    _stopped(delivery, call)
    ran = run_here(capsys, "apply", delivery.path)
    assert ran.code == Exit.DONE
    assert words in ran.err
    assert run_here(capsys, "verify", delivery.path).code == Exit.DONE


@pytest.mark.parametrize("call", ["syncfs", "rename"])
def test_rollback_reverts_what_was_stopped(capsys: Capsys, delivery: Delivery, call: str) -> None:
    _stopped(delivery, call)
    ran = run_here(capsys, "rollback", delivery.path)
    assert ran.out.startswith(
        "Rolled back: the apply that was stopped, which was to make group_ouss_id/member_ouss_id\n"
    )
    assert not delivery.path.exists()


@pytest.mark.parametrize("call", ["syncfs", "rename"])
def test_new_plan_over_an_unfinished_apply_names_both_ways_out(capsys: Capsys, delivery: Delivery, call: str) -> None:
    _stopped(delivery, call)
    ran = run_here(capsys, "plan", delivery.origin, delivery.path)
    assert ran.code == Exit.FAILED
    assert f"pack apply {delivery.path}\n" in ran.err
    assert f"pack rollback {delivery.path}\n" in ran.err


def test_status_of_what_was_stopped_reports_who_and_how_far(capsys: Capsys, delivery: Delivery) -> None:
    _stopped(delivery, "syncfs")
    out = run_here(capsys, "status", delivery.path).out
    assert "interrupted; " in out
    assert "phase staging of group_ouss_id/member_ouss_id" in out
    assert f"next:\n  pack apply {delivery.path}" in out


def test_command_to_type_stays_on_one_line(capsys: Capsys, delivery: Delivery) -> None:
    package = delivery.path.parent / f"a name with blanks and more than {'x' * 80}"
    lines = run_here(capsys, "verify", package).err.splitlines()
    assert [line for line in lines if f"pack plan ORIGIN '{package}'" in line] != []


def test_json_of_a_failure_holds_its_problems(capsys: Capsys, delivery: Delivery) -> None:
    fields = json.loads(run_here(capsys, "plan", "/nowhere", delivery.path, "--json").out)
    assert fields["exit_code"] == Exit.FAILED
    (problem,) = fields["problems"]
    assert (problem["code"], problem["path"], problem["expected"]) == ("origin-missing", "/nowhere", "")


def test_full_disk_behind_stdout_is_reported(delivery: Delivery) -> None:
    delivery.make()
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "qa2pack.pack", "show", str(delivery.path)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=600,
        )
    assert ran.returncode == Exit.FAILED
    assert b"the output could not be written (No space left on device)" in ran.stderr
