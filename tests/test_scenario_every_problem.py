"""Every problem as a user meets it: its world is broken, and the real command is run.

What is printed names the path, says in words what it is and what to do, and lets nothing out of the inside.
"""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.apply import Applied
from qa2pack.executor.errors import OriginChangedError
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.transaction.journal import JournalDamagedError
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.files import Described, open_plan
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack.errors.failure_texts import REQUESTS, STOPS
from qa2pack.pack.errors.problem_texts import WARNINGS, WORDS
from qa2pack.pack.exit_codes import Exit
from support.broken_worlds import WORLDS, World
from support.commands import Ran, run_redirected
from support.in_process import Delivery, make_reduction
from support.printed_commands import misfits, mixed_lines, printed_commands, ready_commands

# Only a call of old can ask for an unknown mode; tests of it are with the call. Failures of the command itself are in
# test_scenario_every_failure.
_NOT_FOR_COMMANDS = {Code.UNKNOWN_MODE, *REQUESTS, *STOPS}
# Worlds that are not made with the steps of a delivery: what is typed instead.
_TYPED: dict[Code, tuple[str, ...]] = {
    Code.PACKAGE_MISSING: ("verify", "PACKAGE"),
    Code.PART_OF_PACKAGE: ("verify", "MEMBER"),
    Code.UNKNOWN_ROLE: ("plan", "ORIGIN", "PACKAGE", "--include", "*.fits=picture"),
    Code.UNKNOWN_VARIABLE: ("plan", "ORIGIN", "PACKAGE", "--set", "mous=uid___A001_X1_X2"),
}
# Whose commands follow something that a person does, in words that stand before them.
_AFTER_SOMETHING_ELSE = {Code.JOURNAL_DAMAGED, Code.EXTRA_SINCE_PLAN, Code.TEXT_FAILED}
_OPTIONS = {"readme": "--readme", "layout": "--layout", "append": "--append", "replaced": "--replace-member"}


@dataclass(frozen=True, slots=True)
class Typed:
    """What the places in the words of a command are filled with; the empty ones stay as they are."""

    package: Path
    origin: Path | str = ""
    mode: str = ""


@dataclass(frozen=True, slots=True)
class CommandDelivery(Delivery):
    """A delivery whose steps are the commands; `reported` holds what they printed, `typed` what they were given."""

    reported: list[Ran] = field(default_factory=list)
    typed: list[Typed] = field(default_factory=list)

    def plan(self, mode: Mode = Mode.HARD, **choices: Any) -> Described:
        options = [
            word
            for name, value in choices.items()
            if name in _OPTIONS and not (name == "append" and choices.get("replaced"))
            for word in (_OPTIONS[name], os.fsdecode(value) if isinstance(value, bytes) else str(value))
        ]
        options += [word for glob in choices.get("exclude", ()) for word in ("--exclude", glob)]
        options += [word for name, value in choices.get("values", ()) for word in ("--set", f"{name}={value}")]
        self._step("plan", self.origin, self.path, "--mode", mode, *options)
        return open_plan(self.package.plan)

    def apply(self, disk: Disk | None = None, **options: Any) -> Applied:
        if disk is not None:
            return Delivery.apply(self, disk, **options)
        self._step("apply", self.path)
        return Applied(b"", None)  # type: ignore[arg-type]  # nobody looks at it

    def problems(self, *, is_quick: bool = False, signers: Path | None = None) -> list[Problem]:
        options = ("--require-signature", "--allowed-signers", signers) if signers else ()
        return self._step("verify", self.path, *options)

    def _step(self, verb: str, *arguments: str | Path) -> list[Problem]:
        """Run the command for people, then for a machine; raise what it refuses."""
        # A plan is given the origin; verify knows from the manifest what the package was made from, and how.
        origin, mode = (self.origin if verb != "apply" else ""), (Mode.COPY if verb == "verify" else "")
        self.typed.append(Typed(self.path, origin, mode))
        self.reported.append(run_redirected(verb, *arguments, "--jobs", "1", "--quiet"))
        if self.reported[-1].code == Exit.DONE and verb != "verify":
            return []
        fields = json.loads(run_redirected(verb, *arguments, "--jobs", "1", "--quiet", "--json").out)
        reported = [*fields["problems"], *fields.get("warnings", ())]
        problems = [Problem(Code(each["code"]), each["path"].encode()) for each in reported]
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


def _reported(world: World, code: Code) -> tuple[Ran, Typed, list[Problem]]:
    """Break the world of the code and return what was printed of it, with the paths typed and the problems."""
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
        fields = json.loads(run_redirected(*words, "--json").out)
        problems = [Problem(Code(each["code"]), each["path"].encode()) for each in fields["problems"]]
        package = world.delivery.member if "MEMBER" in _TYPED[code] else world.delivery.path
        return run_redirected(*words), Typed(package), problems
    found = WORLDS[code](world)
    return world.delivery.reported[-1], world.delivery.typed[-1], [each for each in found if each.code is code]


def _flat(text: str) -> str:
    """Return text without the places where lines were folded."""
    return re.sub(r"\s+", " ", text)


def _filled(remedy: str, typed: Typed) -> str:
    """Return a remedy as it is printed of a command with these paths."""
    for place, text in (("PACKAGE", typed.package), ("ORIGIN", typed.origin), ("MODE", typed.mode)):
        remedy = remedy.replace(place, shlex.quote(str(text)) if text else place)
    return remedy


@pytest.mark.parametrize("code", sorted(set(Code) - _NOT_FOR_COMMANDS))
def test_problem_is_reported_by_the_command(world: World, code: Code) -> None:
    ran, typed, problems = _reported(world, code)
    text = ran.out + ran.err
    assert ran.code == (Exit.DONE if code in WARNINGS else Exit.PROBLEMS if "compared" in ran.out else Exit.FAILED)
    assert problems != []
    assert [str(problem) for problem in problems if os.fsdecode(problem.path) not in text] == []
    assert _flat(WORDS[code].what) in _flat(text)
    assert _flat(_filled(WORDS[code].remedy, typed)) in _flat(text)
    assert re.search(r"Traceback|\[Errno|strict_map_key|Error\(|b'", text) is None
    assert [line for line in text.splitlines() if _has_path_twice(line, problems)] == []
    assert mixed_lines(text.splitlines()) == []
    assert misfits(printed_commands(text)) == []
    for words in ready_commands(text) if code not in _AFTER_SOMETHING_ELSE else ():
        if words[0] in ("pack", "tarsplit"):
            again = run_redirected(*(words[1:] if words[0] == "pack" else words))
            assert (words, again.code in (Exit.DONE, Exit.PROBLEMS) or f"{code}: " not in again.err) == (words, True)
        else:
            subprocess.run(words, check=True)


def _has_path_twice(line: str, problems: list[Problem]) -> bool:
    return any(line.count(os.fsdecode(problem.path)) > 1 for problem in problems if b"/" in problem.path)
