"""`pack plan`: make the plan of a package and show it."""

import typer

from qa2pack.pack.commands.again import AgainCommand, target_for
from qa2pack.pack.commands.options import (
    ClusterRunOptions,
    OriginArgument,
    PackageArgument,
    RuleOptions,
    TableOptions,
    TrustOptions,
    WaitOption,
)
from qa2pack.pack.commands.plan_options import (
    AgainOptions,
    PlanOptions,
    PlanViewOptions,
    attempt_of,
    check_options,
    request_of,
    view_of,
)

command_class = AgainCommand


def plan(  # noqa: PLR0913 - one parameter per option or group
    context: typer.Context,
    origin: OriginArgument,
    package: PackageArgument,
    *,
    options: PlanOptions,
    again: AgainOptions,
    rules: RuleOptions,
    tables: TableOptions,
    shown: PlanViewOptions,
    wait: WaitOption = 0,
    trust: TrustOptions,
    run_options: ClusterRunOptions,
) -> None:
    """Plan how ORIGIN is packaged as PACKAGE, and show the plan.

    Nothing is changed: the plan is kept beside the package and waits for `pack apply`.

    Example: pack plan IRC10216_setup3_b6 2011.0.00229.S --mode hard --readme README.header.txt
    """
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.jobs import plan as job
    from qa2pack.pack.jobs.engines import Workers
    from qa2pack.pack.views.view import View

    check_options(options)
    target = target_for(context, package)
    attempt = attempt_of(context, "plan", target, origin, shown)

    def work(workers: Workers) -> View:
        request = request_of(context, origin, target, options, rules, tables)
        return view_of(context, job.plan(request, workers, target.opened), attempt, shown)

    run_with_workers(attempt, work, run_options, trusted=trust.users(), wait_seconds=wait)
