"""`pack package`: plan and apply as one step, under one lock."""

import os

import typer

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.pack.commands.base import defaults_of, typed_lists
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
from qa2pack.pack.commands.plan import AppendTo, Force, How, Readme, ReadmePreview, Strict, Tree


def package(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    origin: OriginArgument,
    package: PackageArgument,
    *,
    readme: Readme = None,
    append: AppendTo = Append.NOTHING,
    mode: How = Mode.FAKE,
    rules: RuleOptions,
    force: Force = False,
    strict: Strict = False,
    tables: TableOptions,
    tree: Tree = False,
    readme_preview: ReadmePreview = False,
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
    from qa2pack.pack.commands.selection import selection_of
    from qa2pack.pack.commands.workers import shown_workers
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import apply as applyjob
    from qa2pack.pack.jobs import plan as planjob
    from qa2pack.pack.jobs.package import packaging
    from qa2pack.pack.target import origin_of, quoted, target_of
    from qa2pack.pack.views.apply import resume_lines
    from qa2pack.pack.views.json_fields import Fields
    from qa2pack.pack.views.package import package_view
    from qa2pack.pack.views.plan import plan_view
    from qa2pack.pack.views.view import View

    target, trusted = target_of(package), trust.users()
    attempt = Attempt("package", target, quoted(os.fsencode(origin)))

    def show_plan(made: Described) -> Fields:
        """Show the plan before it is applied; return its fields while it can be read."""
        view = plan_view(
            made,
            attempt,
            has_tree=tree,
            has_readme=readme_preview,
            is_applied=True,
            defaults=defaults_of(context),
        )
        if run_options.json:
            return view.fields()
        print_view(view, attempt.verb, is_json=False)
        sys.stdout.flush()
        return {}

    def work() -> View:
        request = selection_of(rules, tables, typed_lists(context)).request(
            origin_of(origin),
            target.package.path,
            mode=mode,
            append=append,
            readme=None if readme is None else os.path.abspath(os.fsencode(readme)),
            force=force,
            strict=strict,
        )
        options = ApplyOptions(keep_previous=keep_previous, rehash=rules.rehash)
        with ExitStack() as held:
            # A progress display for each of the two: between them the plan is printed.
            with shown_workers(run_options, trusted, wait) as workers:
                held.enter_context(packaging(request, workers, target.opened))
                made = planjob.plan(request, workers, target.opened, is_locked=True)
            planned = show_plan(made)
            for line in resume_lines(target, is_locked=True):
                print(line, file=sys.stderr)
            with shown_workers(run_options, trusted, wait) as workers:
                result = applyjob.apply(target.package, options, workers, target.opened, is_locked=True)
        return package_view(planned, result, target)

    run(attempt, work, is_json=run_options.json)
