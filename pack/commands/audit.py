"""`pack audit`: a shelf of many packages, verified in turn."""

import os
from typing import Annotated

import typer

from qa2pack.pack.commands.options import CatalogueOption, ClusterRunOptions, SignersOptions
from qa2pack.pack.settings.duration import parse_duration

Roots = Annotated[
    list[str],
    typer.Argument(
        metavar="ROOT", help="The folders that hold the packages, at any depth; or packages.", show_default=False
    ),
]
Time = Annotated[
    float,
    typer.Option(
        "--time",
        metavar="DURATION",
        parser=parse_duration,
        help="Begin no package that would not be verified within this time, as in 2h; 0 means no bound.",
    ),
]
Every = Annotated[
    float,
    typer.Option(
        "--every",
        metavar="DURATION",
        parser=parse_duration,
        help="Leave what was verified within this time, as in 30d.",
    ),
]
Forget = Annotated[bool, typer.Option("--forget", help="Take packages that are gone out of the catalogue.")]
Report = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write an HTML page about the shelf.", show_default=False)
]
Metrics = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write metrics for Prometheus, as in shelf.prom", show_default=False),
]


def audit(  # noqa: PLR0913 - one parameter per option or group
    roots: Roots,
    *,
    catalogue: CatalogueOption = "",
    time: Time = 0,
    every: Every = 0,
    forget: Forget = False,
    report: Report = None,
    metrics: Metrics = None,
    signers: SignersOptions,
    run_options: ClusterRunOptions,
) -> None:
    """Verify many packages in turn, and keep a catalogue of them.

    Of those below ROOT the ones that were not verified for the longest time come first. Also reports which are new,
    were moved, or are gone. Changes no package. A run that was stopped is continued by the next; two at a time share
    the work. With --quiet nothing is printed unless something is wrong, as a job of cron wants it.

    Example: pack audit /data/packages --time 2h --quiet
    """
    from qa2pack.manifest.fs.presence import real_path
    from qa2pack.pack.audit.make import AuditOptions, audit
    from qa2pack.pack.audit.outputs import default_catalogue
    from qa2pack.pack.audit.view import audit_view
    from qa2pack.pack.commands.run import run
    from qa2pack.pack.commands.workers import shown_workers
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.view import View

    own = default_catalogue(os.environ)
    if not catalogue and not own:
        raise typer.BadParameter("there is no home folder for the catalogue: give --catalogue FILE")
    options = AuditOptions(
        tuple(real_path(os.fsencode(root)) for root in roots),
        os.path.abspath(os.fsencode(catalogue)) if catalogue else own,
        has_own_catalogue=not catalogue,
        seconds=time,
        every_seconds=every,
        is_forgetting=forget,
        report=None if report is None else os.fsencode(report),
        metrics=None if metrics is None else os.fsencode(metrics),
    )
    trust = signers.trust()

    def work() -> View:
        with shown_workers(run_options) as workers:
            audited = audit(options, workers, trust)
        return audit_view(audited, is_quiet=run_options.quiet)

    run(Attempt("audit", target_of(roots[0]), noun="folder"), work, is_json=run_options.json)
