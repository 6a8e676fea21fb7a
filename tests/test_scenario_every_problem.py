"""Every problem as a user meets it: its world is broken, and the real command is run.

What is printed names the path, says in words what it is and what to do, and lets nothing out of the inside.
"""

import json
import os
import re
from collections.abc import Iterable
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.apply import Applied
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.stage.stage import OriginChangedError
from qa2pack.executor.transaction.journal import JournalDamagedError
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.files import Described, open_plan
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack.cli import main
from qa2pack.pack.errors.failure_texts import REQUESTS, STOPS
from qa2pack.pack.errors.problem_texts import WARNINGS, WORDS
from qa2pack.pack.exit_codes import Exit
from support.commands import Ran
from support.in_process import Delivery, make_reduction
from support.printed_commands import mixed_lines
from test_scenario_every_refusal import WORLDS, World

# Only a call of old can ask for an unknown mode; tests of it are with the call. Failures of the command itself are in
# test_scenario_every_failure.
_NOT_FOR_COMMANDS = {Code.UNKNOWN_MODE, *REQUESTS, *STOPS}
# Worlds that are not made with the steps of a delivery: what is typed instead.
_TYPED: dict[Code, tuple[str, ...]] = {
    Code.PACKAGE_MISSING: ("verify", "PACKAGE"),
    Code.PART_OF_PACKAGE: ("verify", "MEMBER"),
    Code.UNKNOWN_ROLE: ("plan", "ORIGIN", "PACKAGE", "--include", "*.fits=picture"),
}
_OPTIONS = {"readme": "--readme", "layout": "--layout", "append": "--append"}


def _run(*arguments: str | Path) -> Ran:
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([os.fspath(argument) for argument in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True, slots=True)
class CommandDelivery(Delivery):
    """A delivery whose steps are the commands; `told` holds what the last of them printed."""

    told: list[Ran] = field(default_factory=list)

    def plan(self, mode: Mode = Mode.HARD, **wishes: Any) -> Described:
        options = [
            word
            for name, value in wishes.items()
            if name in _OPTIONS
            for word in (_OPTIONS[name], os.fsdecode(value) if isinstance(value, bytes) else str(value))
        ]
        options += [word for glob in wishes.get("exclude", ()) for word in ("--exclude", glob)]
        self._step("plan", self.origin, self.path, "--mode", mode, *options)
        return open_plan(self.package.plan)

    def apply(self, disk: Disk | None = None, **options: Any) -> Applied:
        if disk is not None:
            return Delivery.apply(self, disk, **options)
        self._step("apply", self.path)
        return Applied(b"", None)  # type: ignore[arg-type]  # nobody looks at it

    def problems(self, *, is_quick: bool = False) -> list[Problem]:
        return self._step("verify", self.path)

    def _step(self, verb: str, *arguments: str | Path) -> list[Problem]:
        """Run the command for people, then for a machine; raise what it refuses."""
        self.told.append(_run(verb, *arguments, "--jobs", "1", "--quiet"))
        if self.told[-1].code == Exit.DONE and verb != "verify":
            return []
        fields = json.loads(_run(verb, *arguments, "--jobs", "1", "--quiet", "--json").out)
        told = [*fields["problems"], *fields.get("warnings", ())]
        problems = [Problem(Code(each["code"]), each["path"].encode()) for each in told]
        if verb == "verify":
            return problems
        match problems[0].code:
            case Code.ORIGIN_CHANGED:
                raise OriginChangedError(tuple(problems))
            case Code.JOURNAL_DAMAGED:
                raise JournalDamagedError(problems[0].path, "has a record that does not make sense")
            case _:
                raise Refused(*problems)


@pytest.fixture(scope="module", autouse=True)
def _everything_is_imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """For the worlds of a user who cannot reach the program's files."""
    folder = tmp_path_factory.mktemp("first")
    delivery = CommandDelivery(make_reduction(folder / "sb1"), folder / "P")
    delivery.make()
    delivery.problems()
    with pytest.raises(Refused):
        delivery.plan(layout="cycle99")


@pytest.fixture
def world(delivery: Delivery, tmp_path: Path) -> Iterable[World]:
    with ExitStack() as stack:
        yield World(CommandDelivery(delivery.origin, delivery.path), tmp_path, stack)


def _told(world: World, code: Code) -> tuple[Ran, list[Problem]]:
    """Break the world of the code and return what was printed of it, with the problems."""
    assert isinstance(world.delivery, CommandDelivery)
    if code in _TYPED:
        if "MEMBER" in _TYPED[code]:
            world.delivery.make()
        places = {
            "ORIGIN": world.delivery.origin,
            "PACKAGE": world.delivery.path,
            "MEMBER": world.delivery.member,
        }
        words = [places.get(word, word) for word in _TYPED[code]]
        fields = json.loads(_run(*words, "--json").out)
        return _run(*words), [Problem(Code(each["code"]), each["path"].encode()) for each in fields["problems"]]
    problems = WORLDS[code](world)
    return world.delivery.told[-1], [problem for problem in problems if problem.code is code]


def _flat(text: str) -> str:
    """Return text without the places where lines were folded, and with all paths of commands as one word."""
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("code", sorted(set(Code) - _NOT_FOR_COMMANDS))
def test_problem_is_told_by_the_command(world: World, code: Code) -> None:
    ran, problems = _told(world, code)
    text = ran.out + ran.err
    assert ran.code == (Exit.DONE if code in WARNINGS else Exit.PROBLEMS if "compared" in ran.out else Exit.FAILED)
    assert problems != []
    assert [str(problem) for problem in problems if os.fsdecode(problem.path) not in text] == []
    assert _flat(WORDS[code].what) in _flat(text)
    assert re.sub(r"PACKAGE|ORIGIN", "", WORDS[code].remedy)[:15] in _flat(text)
    assert re.search(r"Traceback|\[Errno|strict_map_key|Error\(|b'", text) is None
    assert [line for line in text.splitlines() if _has_path_twice(line, problems)] == []
    assert mixed_lines(text.splitlines()) == []


def _has_path_twice(line: str, problems: list[Problem]) -> bool:
    return any(line.count(os.fsdecode(problem.path)) > 1 for problem in problems if b"/" in problem.path)
