"""`pack batch`: plan, apply, verify or look at many packages, as a list or a pattern of folders says."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.pack.commands.base import Command, words_for_each
from qa2pack.pack.commands.options import (
    ClusterRunOptions,
    EveryOptions,
    KeepPreviousOption,
    RuleOptions,
    SignersOptions,
    TableOptions,
    TrustOptions,
    WaitOption,
)
from qa2pack.pack.commands.plan_options import PlanOptions, typed_text

if TYPE_CHECKING:
    from qa2pack.pack.commands.batch_rows import Rows

_ROWS = "pack.batch.rows"


class Step(StrEnum):
    """What is done with each job."""

    PLAN = "plan"
    APPLY = "apply"
    VERIFY = "verify"
    STATUS = "status"


StepArgument = Annotated[
    Step, typer.Argument(metavar="plan|apply|verify|status", help="What is done with each.", show_default=False)
]
SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="LIST",
        help="The list: a TOML or CSV file. With --each, the folder that holds the origins.",
        show_default=False,
    ),
]
Each = Annotated[
    str,
    typer.Option(metavar="GLOB", help="No list: each folder in LIST that matches is an origin.", show_default=False),
]
PackageTemplate = Annotated[
    str,
    typer.Option(
        "--package",
        metavar="TEMPLATE",
        help="With --each: path of each package; {name} is the name of the origin's folder.",
        show_default=False,
    ),
]
All = Annotated[bool, typer.Option("--all", help="Show the whole plans, or every problem; else a line for each.")]
Quick = Annotated[bool, typer.Option("--quick", help="verify: compare names, types and sizes only.")]


class BatchCommand(Command):
    """A command on many jobs: its log is opened before the list is read, and must be no file of any of them."""

    def given(self, ctx: Any) -> Iterator[Mapping[str, Any]]:
        """Yield the values of the options, and those of each job."""
        from qa2pack.manifest.problem import Refused
        from qa2pack.pack.commands.batch_rows import values_of

        yield from super().given(ctx)
        with suppress(Refused, OSError):  # with which the command fails
            yield from values_of(_rows(ctx))


def _rows(context: Any) -> "Rows":
    """Return the jobs as they are given; read once, so that the jobs are those with which the log was compared.

    A pipe can be read only once, so what is wrong with it is kept, too.

    Raises:
        Refused, OSError: as `rows_of_list`.
    """
    from qa2pack.manifest.problem import Refused

    if _ROWS not in context.meta:
        try:
            context.meta[_ROWS] = _rows_as_given(context)
        except (Refused, OSError) as error:
            context.meta[_ROWS] = error
    rows: Rows | Refused | OSError = context.meta[_ROWS]
    if isinstance(rows, Exception):
        raise rows
    return rows


def _rows_as_given(context: Any) -> "Rows":
    from qa2pack.pack.commands.batch_rows import rows_of_folders, rows_of_list

    source, each = os.fsencode(context.params["source"]), context.params["each"]
    return rows_of_folders(source, each, context.params["package_template"]) if each else rows_of_list(source)


command_class = BatchCommand


def batch(  # noqa: PLR0913 - one parameter per option or group
    context: typer.Context,
    step: StepArgument,
    source: SourceArgument,
    *,
    each: Each = "",
    package_template: PackageTemplate = "",
    every: All = False,
    quick: Quick = False,
    options: PlanOptions,
    rules: RuleOptions,
    tables: TableOptions,
    keep_previous: KeepPreviousOption = KeepPrevious.AUTO,
    wait: WaitOption = 0,
    trust: TrustOptions,
    signers: SignersOptions,
    run_options: ClusterRunOptions,
) -> None:
    """Plan, apply or verify many packages, as a list says.

    Each job of LIST has an origin, a package, and any options of `pack plan`; options that are typed here are of all
    jobs. One that fails does not stop the rest. The same command goes on where it stopped.

    Example: pack batch plan blocks.toml --mode hard
    """
    from qa2pack.executor.apply import ApplyOptions
    from qa2pack.manifest.fs.control_file import is_shell_pipe
    from qa2pack.pack.commands.batch_rows import jobs_of, row_options
    from qa2pack.pack.commands.batch_tasks import BatchRun, tasks_of
    from qa2pack.pack.commands.several import Task, run_tasks
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.target import quoted, target_of

    if bool(each) != bool(package_template):
        raise typer.BadParameter("--each and --package go together")
    words = words_for_each(context, {str(option.name) for option in row_options().values()})
    target, is_pipe = target_of(source), is_shell_pipe(os.fsencode(source))
    given = ("LIST" if is_pipe else quoted(os.fsencode(source))) + typed_text(context, _given_names(context))
    how = BatchRun(
        run_options,
        trust.users(),
        wait,
        ApplyOptions(keep_previous=keep_previous, rehash=rules.rehash),
        trust=signers.trust(),
        is_quick=quick,
        shows_all=every,
    )

    def tasks() -> list[Task]:
        return tasks_of(step, [replace(job, given=given) for job in jobs_of(_rows(context), words)], how)

    run_tasks(
        Attempt("batch", replace(target, is_link=target.is_link and not is_pipe), noun="list"),
        tasks,
        noun="package" if step is Step.VERIFY else "job",
        is_json=run_options.json,
        is_output_all=step is Step.STATUS,
        shows_all=every and step is Step.PLAN,
        next_lines=partial(_next_lines, given, are_shown=every) if step is Step.PLAN else None,
    )


def _given_names(context: typer.Context) -> set[str]:
    """Return the options that another verb takes over, if they are typed: all but those of what is printed."""
    of_one_verb = {"json", "quiet", "every", "quick", *EveryOptions._fields}
    options = (param for param in context.command.params if param.param_type_name == "option")
    return {str(option.name) for option in options} - of_one_verb


def _next_lines(given: str, states: Collection[object], *, are_shown: bool) -> Iterator[str]:
    """Yield how to go on where a job is planned; a plan is read before it is applied."""
    if {"planned", "later"}.isdisjoint(states):
        return
    yield "Nothing has been changed yet."
    if not are_shown:
        yield "To read the whole plans:"
        yield f"  pack batch plan {given} --all"
    yield "To apply what is planned:"
    yield f"  pack batch apply {given}"
