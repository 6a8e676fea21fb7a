"""How a command ends for a program that reads its JSON: interrupted, or not read to the end."""

import json
import os
import signal
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Self

import pytest

from qa2pack.executor.engine.local import PoolEngine
from qa2pack.manifest.actions import Mode
from qa2pack.pack.cli import main
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs import engines
from support.commands import run_here
from support.in_process import Delivery

Capsys = pytest.CaptureFixture[str]


class Interrupted(PoolEngine):
    """An engine that gets a Ctrl-C just before its work."""

    def __enter__(self) -> Self:
        super().__enter__()
        signal.raise_signal(signal.SIGINT)
        return self


def nothing(delivery: Delivery) -> None:
    """There is no package yet."""


@pytest.mark.parametrize(
    ("words", "prepare"),
    [
        ("plan {origin} {package} --mode copy", nothing),
        ("package {origin} {package} --mode copy", nothing),
        ("apply {package}", Delivery.plan),
        ("verify {package}", Delivery.make),
        ("report {package} --verify", Delivery.make),
        ("tarsplit -n 2012-06-20 {package} --output {package}.tars", Delivery.make),
    ],
)
def test_interrupted_command_prints_one_object_that_says_so(
    capsys: Capsys,
    delivery: Delivery,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    prepare: Callable[[Delivery], object],
) -> None:
    prepare(delivery)
    monkeypatch.setattr(engines, "PoolEngine", Interrupted)
    typed = words.format(origin=delivery.origin, package=delivery.path).split()
    ran = run_here(capsys, *typed, "--json", "--jobs", "1")
    fields = json.loads(ran.out)
    assert (ran.code, fields["exit_code"], fields["command"]) == (Exit.RESUMABLE, Exit.RESUMABLE, typed[0])
    assert (fields["package"], [each["code"] for each in fields["problems"]]) == (str(delivery.path), ["interrupted"])
    assert "interrupted" in fields["error"]


def test_interrupted_command_on_several_packages_prints_one_object_with_what_is_known(
    capsys: Capsys, delivery: Delivery, other: Delivery, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    delivery.make(Mode.COPY)
    second = Delivery(other.origin, tmp_path / "2012.1.00001.S")
    second.make(Mode.COPY)
    monkeypatch.setattr(engines, "PoolEngine", Interrupted)
    fields = json.loads(run_here(capsys, "verify", delivery.path, second.path, "--json", "--jobs", "1").out)
    assert (fields["exit_code"], fields["summary"]["left_count"]) == (Exit.RESUMABLE, 1)
    assert [each["exit_code"] for each in fields["packages"]] == [Exit.RESUMABLE]


@pytest.mark.parametrize(
    ("verb", "code"),
    [("apply", Exit.DONE), ("verify", Exit.PROBLEMS), ("show", Exit.FAILED)],
)
def test_json_that_nobody_reads_changes_no_result_but_of_what_only_prints(
    capsys: Capsys, delivery: Delivery, verb: str, code: Exit
) -> None:
    delivery.plan(Mode.COPY)
    if verb != "apply":
        delivery.apply()
        os.truncate(delivery.member / "script/scriptForImaging.py", 1)
    reader, writer = os.pipe()
    os.close(reader)
    out = os.fdopen(writer, "w")
    with redirect_stdout(out):
        assert main([verb, str(delivery.path), "--json"]) == code
    with suppress(BrokenPipeError):  # what was not written is in its buffer still
        out.close()
    assert "Traceback" not in capsys.readouterr().err
    assert [str(each.code) for each in delivery.problems()] == ([] if verb == "apply" else ["truncated"])
