"""`pack package`: plan and apply as one step, under one lock."""

import typer

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.pack.commands.again import AgainCommand, target_for
from qa2pack.pack.commands.options import (
    ClusterRunOptions,
    KeepPreviousOption,
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


def package(  # noqa: PLR0913 - one parameter per option or group
    context: typer.Context,
    origin: OriginArgument,
    package: PackageArgument,
    *,
    options: PlanOptions,
    again: AgainOptions,
    rules: RuleOptions,
    tables: TableOptions,
    shown: PlanViewOptions,
    keep_previous: KeepPreviousOption = KeepPrevious.AUTO,
    wait: WaitOption = 0,
    trust: TrustOptions,
    run_options: ClusterRunOptions,
) -> None:
    """Plan ORIGIN as PACKAGE and apply that, under one lock.

    No other plan or apply of the package comes between. After a stop, `pack apply PACKAGE` goes on.

    Example: pack package IRC10216_setup3_b6 2011.0.00229.S --mode hard --wait 600
    """
    import sys
    from contextlib import ExitStack

    from qa2pack.executor.apply import ApplyOptions
    from qa2pack.manifest.format.files import Described
    from qa2pack.pack.commands.run import print_view, run
    from qa2pack.pack.commands.workers import shown_workers
    from qa2pack.pack.delivery.at_apply import deliver_applied, with_delivery
    from qa2pack.pack.jobs import apply as applyjob
    from qa2pack.pack.jobs import plan as planjob
    from qa2pack.pack.jobs.package import packaging
    from qa2pack.pack.views.apply import resume_lines
    from qa2pack.pack.views.json_fields import Fields
    from qa2pack.pack.views.package import package_view
    from qa2pack.pack.views.view import View

    check_options(options)
    target, trusted = target_for(context, package), trust.users()
    attempt = attempt_of(context, "package", target, origin, shown)

    def show_plan(made: Described) -> Fields:
        """Show the plan before it is applied; return its fields while it can be read."""
        view = view_of(context, made, attempt, shown, is_applied=True)
        if run_options.json:
            return view.fields()
        print_view(view, attempt.verb, is_json=False)
        sys.stdout.flush()
        return {}

    def work() -> View:
        request = request_of(context, origin, target, options, rules, tables)
        how = ApplyOptions(keep_previous=keep_previous, rehash=rules.rehash)
        with ExitStack() as held:
            # A progress display for each of the two: between them the plan is printed.
            with shown_workers(run_options, trusted, wait) as workers:
                held.enter_context(packaging(request, workers, target.opened))
                made = planjob.plan(request, workers, target.opened, is_locked=True)
            planned = show_plan(made)
            for line in resume_lines(target, is_locked=True):
                print(line, file=sys.stderr)
            with shown_workers(run_options, trusted, wait) as workers:
                result = applyjob.apply(target.package, how, workers, target.opened, is_locked=True)
        with shown_workers(run_options, trusted, wait) as workers:
            delivered = deliver_applied(result, target, workers)
        return with_delivery(package_view(planned, result, target), delivered)

    run(attempt, work, is_json=run_options.json)
