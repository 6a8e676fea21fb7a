"""Cutting a package into tars, and telling what came of it."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from qa2pack.executor.stop_signals import InterruptedByUser
from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.path import is_within, join, shown
from qa2pack.manifest.progress import Progress
from qa2pack.pack.delivery.view import DeliveryView, delivery_fields, delivery_lines
from qa2pack.pack.errors.problem_view import problem_text
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.read import reading
from qa2pack.pack.jobs.workers import Conduct, shown_workers
from qa2pack.pack.settings.option_source import Default
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import folded, ink_for
from qa2pack.pack.views.json_fields import path_fields, print_fields
from qa2pack.tarsplit.contents import choose_members
from qa2pack.tarsplit.deliver import Destination, deliver
from qa2pack.tarsplit.naming import DeliveryName
from qa2pack.tarsplit.output_files import OutputBusyError, make_folder
from qa2pack.tarsplit.packing.partition import Fill
from qa2pack.tarsplit.plan import Cut, CutRequest, plan_cut
from qa2pack.tarsplit.refusal import DeliveryRefused


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of the command.

    Attributes:
        defaults: those that were not typed.
    """

    day: str
    limit_bytes: int
    checksums: tuple[str, ...]
    output: str
    member: str
    fill: Fill
    is_labelled: bool
    is_dry: bool
    allow_placeholders: bool
    is_replacing: bool
    defaults: tuple[Default, ...] = ()


def delivered(target: Target, asked: Asked, conduct: Conduct) -> Exit:
    """Cut the package, or with a dry run show how it would be cut; print the table of chunks on stdout."""

    def work() -> Exit:
        package = target.package
        output = _output(package, asked)
        lock = _lock(package, asked, output) if conduct.cluster and not asked.is_dry else b""
        with (
            shown_workers(conduct) as workers,
            reading(package, workers, output=output, lock=lock) as engine,
        ):
            cut = _plan(package, asked, workers.progress)
            if asked.is_dry:
                outcome = None
            else:
                destination = Destination(package.path, output, asked.is_replacing)
                outcome = deliver(cut, destination, engine=engine, progress=workers.progress)
        return _told(DeliveryView(target, cut, outcome, output, asked.defaults), is_json=conduct.is_json)

    return _guarded(target, work, is_json=conduct.is_json)


def _plan(package: Package, asked: Asked, progress: Progress) -> Cut:
    members = choose_members(
        package,
        read_state(package),
        wanted=os.fsencode(asked.member),
        label_day=asked.day if asked.is_labelled else "",
        allow_placeholders=asked.allow_placeholders,
    )
    name = DeliveryName(package.project, asked.day)
    return plan_cut(CutRequest(name, asked.limit_bytes, asked.fill, asked.checksums), members, progress)


def _lock(package: Package, asked: Asked, output: bytes) -> bytes:
    """Return the path of the lock that keeps a second cluster run away from the delivery, in a folder that exists."""
    make_folder(output)
    return join(output, b".%s_%s.lock" % (package.project, asked.day.encode()))


def _output(package: Package, asked: Asked) -> bytes:
    output = os.path.realpath(os.fsencode(asked.output))
    for folder in (package.path, package.control):
        if is_within(output, os.path.realpath(folder)):
            raise DeliveryRefused(f"the tars would go into {shown(folder)}", "choose another folder with --output")
    return output


def _guarded(target: Target, work: Callable[[], Exit], *, is_json: bool) -> Exit:
    """Do the work; what a delivery can run into is told here, everything else by whoever runs all commands."""
    try:
        return work()
    except DeliveryRefused as error:
        code, title = Exit.FAILED, f"refused: {error.reason}."
        advice = f"Do: {error.remedy}. No tar was touched."
    except OutputBusyError as error:
        code, title = Exit.LOCKED, f"{error}."
        advice = "Wait for it, or choose another folder with --output."
    except InterruptedByUser:
        code, title, advice = Exit.RESUMABLE, "interrupted.", _GOES_ON
    except OSError as error:
        from qa2pack.pack.errors.failure import (
            words_of_system,  # knows most of the program, so only where it is needed
        )

        title, advice = words_of_system(error)
        code, advice = Exit.RESUMABLE, f"{advice} {_GOES_ON}"
    print(
        *ink_for(sys.stderr).sentence(f"pack tarsplit: {title}"), *folded(advice, indent=2), sep="\n", file=sys.stderr
    )
    if is_json:
        print_fields(
            {
                "command": "tarsplit",
                "exit_code": code,
                **path_fields("package", target.package.path),
                "error": f"pack tarsplit: {title}",
                "problems": [],
            }
        )
    return code


_GOES_ON = "Finished tars are kept. Run the same command again: it goes on from there."


def _told(view: DeliveryView, *, is_json: bool) -> Exit:
    outcome = view.outcome
    code = Exit.RESUMABLE if outcome and outcome.problems else Exit.DONE
    if is_json:
        print_fields({"command": "tarsplit", "exit_code": code, **delivery_fields(view)})
        return code
    for line in delivery_lines(view, ink_for(sys.stdout)):
        print(line)
    if outcome and outcome.problems:
        for problem in outcome.problems:
            print(problem_text(problem))
        print("The tars with these files were not made; the others are finished and kept.", file=sys.stderr)
        print(
            f"To see all that differs: pack verify {view.target.quoted}; then run the same command.", file=sys.stderr
        )
    return code
