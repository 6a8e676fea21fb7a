"""Adopting and telling which members were adopted."""

import sys
from collections.abc import Iterator, Sequence

from qa2pack.manifest.path import shown
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs import plan as planjobs
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.jobs.workers import RunOptions, shown_workers
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style, style_for
from qa2pack.pack.views.json_fields import path_fields, print_fields


def adopt_and_print(attempt: Attempt, run_options: RunOptions) -> Exit:
    """Adopt the members without a manifest and print their names on stdout."""
    target = attempt.target
    existing_package(target)
    with shown_workers(run_options) as workers:
        members = planjobs.adopt(target.package, workers)
    if run_options.is_json:
        print_fields(
            {
                "command": "adopt",
                "exit_code": Exit.DONE,
                **path_fields("package", target.package.path),
                "adopted": [path_fields("member", member) for member in members],
            }
        )
        return Exit.DONE
    for line in _lines(members, target, style_for(sys.stdout)):
        print(line)
    return Exit.DONE


def _lines(members: Sequence[bytes], target: Target, style: Style) -> Iterator[str]:
    if not members:
        yield "Every member has its manifest already; nothing was changed."
        return
    yield from (f"{ink.good('Adopted')}: {shown(member)}" for member in members)
    yield "As they are now they count as right. To check them at any later time:"
    yield f"  {ink.bold(f'pack verify {target.quoted}')}"
