"""What the machine has no more of while something is read is told as such, and no path is blamed for it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.layout.survey import survey
from qa2pack.pack.exit_codes import Exit
from support.commands import Ran, run_here
from support.in_process import Delivery

NAME = "scriptForImaging.py"
FOLDER = "script"
OF_THE_MACHINE = {
    errno.EMFILE: "system-error: this program may open no more files at once.",
    errno.ENFILE: "system-error: this machine opens no more files at once.",
    errno.EINTR: "system-error: a call of the system was interrupted.",
    errno.ENOMEM: "memory-short",
}


def commands(delivery: Delivery) -> dict[str, tuple[str | Path, ...]]:
    other = delivery.path.with_name("2011.0.00230.S")
    sent = delivery.path.with_name("sent")
    return {
        "plan": ("plan", delivery.origin, other, "--mode", "copy"),
        "verify": ("verify", delivery.path),
        "export": ("export", delivery.path, "--format", "md5sum"),
        "tarsplit": ("tarsplit", delivery.path, "-n", "2012-06-20", "--output", sent),
    }


def failing(real: Callable[..., object], name: str, number: int) -> Callable[..., object]:
    """Return a call that fails for paths of that name."""

    def call(path: object, *arguments: object, **options: object) -> object:
        if isinstance(path, str | bytes) and os.path.basename(os.fsdecode(path)) == name:
            raise OSError(number, os.strerror(number), path)
        return real(path, *arguments, **options)

    return call


@pytest.mark.parametrize("number", OF_THE_MACHINE)
@pytest.mark.parametrize(
    ("name", "verbs"), [(NAME, ("plan", "verify", "export", "tarsplit")), (FOLDER, ("verify", "export", "tarsplit"))]
)
def test_command_that_reads_names_what_the_machine_is_short_of(
    delivery: Delivery,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    name: str,
    verbs: tuple[str, ...],
) -> None:
    delivery.make(Mode.COPY)
    monkeypatch.setattr(os, "open", failing(os.open, name, number))
    for verb in verbs:
        is_told(run_here(capsys, *commands(delivery)[verb]), number)


@pytest.mark.parametrize("number", OF_THE_MACHINE)
def test_check_of_a_delivery_names_what_the_machine_is_short_of(
    delivery: Delivery, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    delivery.make(Mode.COPY)
    words = commands(delivery)["tarsplit"]
    assert run_here(capsys, *words).code == Exit.DONE
    (tar,) = Path(words[-1]).glob("*.tar")
    monkeypatch.setattr(os, "open", failing(os.open, tar.name, number))
    is_told(run_here(capsys, "tarsplit", "--check", words[-1]), number)


def is_told(ran: Ran, number: int) -> None:
    assert ran.code in (Exit.FAILED, Exit.RESUMABLE), ran
    assert OF_THE_MACHINE[number] in ran.err, ran
    assert "unreadable" not in ran.out + ran.err


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_what_is_wrong_with_a_path_is_a_problem_of_it(
    delivery: Delivery, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    delivery.make(Mode.COPY)
    monkeypatch.setattr(os, "open", failing(os.open, NAME, number))
    for verb, words in commands(delivery).items():
        ran = run_here(capsys, *words)
        assert f"found {os.strerror(number)}" in ran.out + ran.err, (verb, ran)


@pytest.mark.parametrize("number", OF_THE_MACHINE)
@pytest.mark.parametrize("call", ["scandir", "stat"])
def test_survey_of_an_origin_blames_no_entry_for_what_the_machine_is_short_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    (tmp_path / "sb1" / FOLDER).mkdir(parents=True)
    (tmp_path / "sb1" / "link").symlink_to(FOLDER)
    for name in (FOLDER, "link"):
        monkeypatch.setattr(os, call, failing(getattr(os, call), name, number))
    with pytest.raises(OSError, check=lambda error: error.errno == number):
        survey(os.fsencode(tmp_path / "sb1"), opaque=lambda _: False)
