"""Run a command on several packages or jobs; one that reads packages on one, or on those below the current folder.

One package is run as any other command. Of several, each is done by itself: what one of them fails with is its
result, and the others follow. What is wrong is printed as it is found, a table of all of them at the end. A stop
keeps the results so far. The exit code is the worst.
"""

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from qa2pack.executor.stop_signals import InterruptedByUser, Stop, stops_observed
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack.commands.run import run
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.packages_below import DEPTH, packages_below
from qa2pack.pack.target import Target, target_of
from qa2pack.pack.terminal.style import Style, style_for
from qa2pack.pack.views.view import View

if TYPE_CHECKING:
    from qa2pack.pack.views.json_fields import Fields

# From the worst: stopped, so not all was done; not known; known to be wrong; in use.
_WORST = (Exit.RESUMABLE, Exit.FAILED, Exit.PROBLEMS, Exit.LOCKED, Exit.DONE)


@dataclass(frozen=True, slots=True)
class Task:
    """What is done by itself.

    Attributes:
        name: in the table.
        fields: what tells the task from others in the JSON of a failure.
    """

    name: str
    attempt: Attempt
    view_of: Callable[[], View]
    fields: "Fields" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one task.

    Attributes:
        fields: what the command prints for this one alone with `--json`.
        text: in some words.
    """

    name: str
    code: Exit
    fields: "Fields"
    text: str


def run_packages(
    verb: str, typed: Sequence[str] | None, view_of: Callable[[Target], View], *, is_json: bool, is_output_all: bool
) -> NoReturn:
    """Run a command on the packages; on those below the current folder if none was typed.

    Args:
        view_of: does the work on one package.
        is_output_all: as for `run`.
    """
    if typed and len(typed) == 1:
        target = target_of(typed[0])
        run(Attempt(verb, target), lambda: view_of(target), is_json=is_json, is_output_all=is_output_all)
    folder = os.getcwdb()
    here = Attempt(verb, Target(Package(folder), b"."), noun="folder")

    def tasks() -> list[Task]:
        names = [os.fsencode(name) for name in typed] if typed else _found_below(folder)
        targets = [(shown(name), target_of(os.fsdecode(name))) for name in names]
        return [Task(name, Attempt(verb, target), partial(view_of, target)) for name, target in targets]

    run_tasks(here, tasks, noun="package", is_json=is_json, is_output_all=is_output_all)


def run_tasks(
    attempt: Attempt,
    tasks_of: Callable[[], Sequence[Task]],
    *,
    noun: str,
    is_json: bool,
    is_output_all: bool = False,
    shows_all: bool = False,
    next_lines: Callable[[Collection[object]], Iterable[str]] | None = None,
) -> NoReturn:
    """Do the tasks one after the other, and end as `run` does.

    Args:
        noun: what a task is called in the table and, with an s behind, in the JSON.
        shows_all: show the lines of every task; otherwise of those in which something is wrong.
        next_lines: returns the last lines, what to do next, for the `state` in the JSON of each task.
    """

    def work() -> View:
        tasks = tasks_of()
        results: list[Result] = []
        with suppress(KeyboardInterrupt), stops_observed() as stop:  # between two tasks; what is known is shown
            results.extend(_results(tasks, stop, is_json=is_json, shows_all=shows_all))
        view = _view(results, len(tasks), noun)
        states = [result.fields.get("state") for result in results]
        return replace(view, lines=lambda style: (*view.lines(style), *next_lines(states))) if next_lines else view

    run(attempt, work, is_json=is_json, is_output_all=is_output_all)


def _found_below(folder: bytes) -> list[bytes]:
    found = packages_below(folder)
    if not found:
        raise Refused(Problem(Code.NO_PACKAGE_BELOW, folder, found=f"none in {DEPTH} levels of folders"))
    print(f"{counted(len(found), 'package')} below {shown(folder)}", file=sys.stderr)
    return found


def _results(tasks: Sequence[Task], stop: Stop, *, is_json: bool, shows_all: bool) -> Iterator[Result]:
    for task in tasks:
        if stop.is_requested:
            return
        try:
            view = task.view_of()
            try:
                if (view.code or shows_all) and not is_json:
                    _print_block(task.attempt.target, view.lines(style_for(sys.stdout)))
                yield Result(task.name, view.code, {"exit_code": view.code, **view.fields()}, view.summary)
            finally:
                view.close()
        except (Exception, KeyboardInterrupt) as error:
            yield _failed(task, error)
            if isinstance(error, KeyboardInterrupt | InterruptedByUser):
                return


def _failed(task: Task, error: BaseException) -> Result:
    from qa2pack.pack.errors.failure import failure_of  # imports every exception, so most of the program
    from qa2pack.pack.views.json_fields import path_fields, problem_fields

    failure = failure_of(error, task.attempt, style_for(sys.stderr))
    print(failure.title, *failure.rest, sep="\n", file=sys.stderr)
    fields = {
        "exit_code": failure.code,
        **path_fields("package", task.attempt.target.package.path),
        **task.fields,
        "error": failure.title,
        "problems": problem_fields(failure.problems),
    }
    codes = ", ".join(dict.fromkeys(problem.code.value for problem in failure.problems))
    return Result(task.name, failure.code, fields, f"not done: {codes}")


def _print_block(target: Target, lines: Iterable[str]) -> None:
    """Print what is wrong with a package when it is known; the next one may take an hour."""
    print(f"{target.quoted}:", *(f"  {line}" for line in lines), "", sep="\n", flush=True)


def _view(results: Sequence[Result], wanted_count: int, noun: str) -> View:
    counts = {code: sum(result.code == code for result in results) for code in _WORST}
    left_count = wanted_count - len(results)
    worst = Exit.RESUMABLE if left_count else next((code for code in _WORST if counts[code]), Exit.DONE)
    return View(
        lines=lambda style: _lines(results, counts, left_count, noun, style),
        fields=lambda: {
            f"{noun}s": [result.fields for result in results],
            "summary": {
                f"{noun}_count": wanted_count,
                "done_count": counts[Exit.DONE],
                "problem_count": counts[Exit.PROBLEMS],
                "failed_count": len(results) - counts[Exit.DONE] - counts[Exit.PROBLEMS],
                "left_count": left_count,
            },
        },
        code=worst,
    )


def _lines(
    results: Sequence[Result], counts: dict[Exit, int], left_count: int, noun: str, style: Style
) -> Iterator[str]:
    width = max((len(result.name) for result in results), default=0)
    for result in results:
        text = result.text if result.code is Exit.DONE else style.bad(result.text)
        yield f"{result.name:<{width}}  {text}"
    failed = len(results) - counts[Exit.DONE] - counts[Exit.PROBLEMS]
    parts = (
        (counts[Exit.PROBLEMS], "with problems"),
        (failed, "not done"),
        (left_count, "not reached"),
    )
    others = "".join(f"; {count} {words}" for count, words in parts if count)
    yield f"{counted(len(results) + left_count, noun)}{others}"
