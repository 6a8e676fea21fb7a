"""What is printed where nobody can take it: the work is done all the same, and its exit code tells how it ended."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.layout.include import parse_include
from qa2pack.pack.exit_codes import Exit
from support.commands import ROOT, Ran
from support.faulty_disk import Fault, FaultyDisk, Stopped
from support.in_process import Delivery, write

ENTRIES = {
    "pack": "from qa2pack.pack.cli import main",
    "tarsplit": "from qa2pack.pack.tarsplit_command import main",
}


def _shell(words: str, *arguments: str | Path, unbuffered: str = "", program: str = "pack") -> Ran:
    """Run a command by a shell; `words` say what it does with the program, which is `"$@"`."""
    code = f"import sys; {ENTRIES[program]}; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        # -P: as installed, without the current folder among those of modules.
        ["bash", "-c", words, "bash", sys.executable, "-P", "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


# The reader has gone before anything is written.
_GONE = 'exec 3> >(true); wait $!; "$@" >&3'


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_apply_is_done_though_the_reader_has_gone(delivery: Delivery, unbuffered: str) -> None:
    delivery.plan()
    ran = _shell(_GONE, "apply", delivery.path, unbuffered=unbuffered)
    assert (ran.code, len(ran.err.splitlines())) == (Exit.DONE, 4)  # which plan it applies, and nothing else
    assert delivery.found() == []


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_apply_is_done_though_the_disk_behind_its_output_is_full(delivery: Delivery, unbuffered: str) -> None:
    delivery.plan()
    ran = _shell('"$@" >/dev/full', "apply", delivery.path, unbuffered=unbuffered)
    assert ran.code == Exit.DONE
    assert "the output could not be written (No space left on device)" in ran.err
    assert "The work itself is done" in ran.err
    assert delivery.found() == []


def test_messages_that_cannot_be_written_stop_nothing(delivery: Delivery) -> None:
    delivery.plan()
    with pytest.raises(Stopped):  # so that there is something to be reported
        delivery.apply(FaultyDisk(Fault.STOP_BEFORE, 20))
    assert _shell('"$@" 2>/dev/full', "apply", delivery.path).code == Exit.DONE
    assert delivery.found() == []


def test_verify_keeps_its_verdict_though_the_reader_has_gone(delivery: Delivery) -> None:
    delivery.make()
    (delivery.member / "README").unlink()
    assert _shell(_GONE, "verify", delivery.path, unbuffered="1").code == Exit.PROBLEMS


def test_tarsplit_is_done_though_the_reader_has_gone(delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    options = ("-n", "2012-06-20", "--output", tmp_path / "tars")
    ran = _shell(_GONE, *options, delivery.path, program="tarsplit", unbuffered="1")
    assert (ran.code, ran.err) == (Exit.DONE, "")


_CALL = (
    "import sys; from QA2_Packaging_module import QA_Packager; QA_Packager(*sys.argv[1:3], sys.argv[3], '', 'hard')"
)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("words", "reported"),
    [
        ('"$@" >/dev/full', "QA_Packager: the output could not be written (No space left on device).\n"),
        (_GONE, ""),
    ],
)
def test_call_of_old_is_done_though_its_output_is_lost(
    delivery: Delivery, unbuffered: str, words: str, reported: str
) -> None:
    done = subprocess.run(
        ["bash", "-c", words, "bash", sys.executable, "-c", _CALL, delivery.origin, "", delivery.path],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert (done.returncode, done.stderr.replace("  The work itself is done.\n", "")) == (0, reported)
    assert delivery.found() == []


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_stop_nothing(delivery: Delivery, closed: str) -> None:
    ran = _shell(f'"$@" {closed}', "plan", delivery.origin, delivery.path, "--mode", "hard")
    assert (ran.code, "Traceback" in ran.err) == (Exit.DONE, False)
    assert _shell(f'"$@" {closed}', "apply", delivery.path).code == Exit.DONE
    assert delivery.found() == []


def test_no_file_gets_the_number_of_a_closed_stream() -> None:
    words = '"$@" <&- >&- 2>&-'
    module = "qa2pack.pack.terminal.output_streams"
    code = f"import os; from {module} import open_closed_streams as o; o(); os._exit(os.open('/', 0))"
    done = subprocess.run(
        ["bash", "-c", words, "bash", sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=600,
    )
    assert done.returncode == 3


def test_closed_stdout_is_no_fault_of_tarsplit(delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    options = ("-n", "2012-06-20", "--output", tmp_path / "tars")
    ran = _shell('"$@" >&-', *options, delivery.path, program="tarsplit")
    assert (ran.code, "Traceback" in ran.err) == (Exit.DONE, False)


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", "latin-1", "utf-8"])
@pytest.mark.parametrize("more", [(), ("--log", "log")])
def test_letters_that_the_output_does_not_have_are_escaped(
    delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, more: tuple[str, ...]
) -> None:
    name = "im\xe4ge \U0001f52d.fits"
    write(delivery.origin / name, b"1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    monkeypatch.setenv("PYTHONUTF8", "0")
    words: list[str | Path] = [
        "plan",
        delivery.origin,
        delivery.path,
        "--tree",
        "--mode",
        "copy",
        "--include",
        "im*=product",
        *more,
    ]
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; {ENTRIES['pack']}; sys.exit(main(sys.argv[1:]))", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == Exit.DONE
    plain = encoding.partition(":")[0]
    assert name.encode(plain, "backslashreplace") in ran.stdout
    assert ran.stderr == b""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("verb", ["status", "show", "log"])
def test_full_disk_behind_the_output_is_not_called_the_package_s(
    delivery: Delivery, verb: str, unbuffered: str
) -> None:
    delivery.make(Mode.COPY)
    ran = _shell('"$@" >/dev/full', verb, delivery.path, unbuffered=unbuffered)
    assert ran.code == Exit.FAILED
    assert f"pack {verb}: the output could not be written (No space left on device)" in ran.err
    assert "Make room" not in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("encoding", ["ascii:strict", "latin-1"])
def test_letters_of_what_a_command_is_for_are_escaped_too(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    write(delivery.origin / "im\xe4ge \U0001f52d.fits", b"1")
    delivery.make(Mode.COPY, include=(parse_include("im*=product"),))
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    monkeypatch.setenv("PYTHONUTF8", "0")
    code = f"import sys; {ENTRIES['pack']}; sys.exit(main(sys.argv[1:]))"
    ran = subprocess.run(
        [sys.executable, "-c", code, "show", delivery.path, "--files"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (Exit.DONE, b"")
    assert rb"ge \U0001f52d.fits" in ran.stdout


def test_call_in_a_program_whose_output_lacks_letters_is_done(delivery: Delivery) -> None:
    delivery.path.with_name("P\xe4").mkdir()
    code = (
        "import sys; from QA2_Packaging_module import QA_Packager\n"
        "QA_Packager(sys.argv[1], None, sys.argv[2]); print(sys.stdout.errors)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, delivery.origin, delivery.path.with_name("P\xe4") / "P"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "P\\xe4/P" in ran.stdout
    assert ran.stdout.endswith("strict\n"), "the streams of the caller are left as they were"


def test_apply_is_done_though_nobody_reads_output_log_and_messages(delivery: Delivery) -> None:
    """As `pack apply PACKAGE --log /dev/stderr 2>&1 | head -1`."""
    delivery.plan()
    ran = _shell(f"{_GONE} 2>&3", "apply", delivery.path, "--log", "/dev/stderr")
    assert ran.code == Exit.DONE
    assert delivery.found() == []


def test_apply_with_a_log_is_done_though_its_folder_was_removed(delivery: Delivery, tmp_path: Path) -> None:
    delivery.plan()
    (tmp_path / "gone").mkdir()
    words = f"cd '{tmp_path}/gone' && rmdir '{tmp_path}/gone' && \"$@\""
    ran = _shell(words, "apply", delivery.path, "--log", tmp_path / "log")
    assert ran.code == Exit.DONE
    assert delivery.found() == []
