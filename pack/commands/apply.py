"""`pack apply`: make the plan true, or finish what was begun."""

from typing import Annotated

import typer

from qa2pack.pack.commands.options import (
    BandwidthOption,
    ClusterOption,
    InsecureClusterOption,
    JobsOption,
    JsonOption,
    PackageArgument,
    QuietOption,
    RehashOption,
    TrustOwnerOption,
)

KeepPrevious = Annotated[
    bool,
    typer.Option(
        "--keep-previous", envvar="PACK_KEEP_PREVIOUS", help="Keep a package that is replaced for `pack rollback`."
    ),
]


def apply(  # noqa: PLR0913, PLR0917 - one parameter per option
    package: PackageArgument,
    keep_previous: KeepPrevious = False,
    rehash: RehashOption = False,
    trust_owner: TrustOwnerOption = None,
    jobs: JobsOption = 0,
    bandwidth: BandwidthOption = 0,
    cluster: ClusterOption = "",
    insecure_cluster: InsecureClusterOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make the plan true, or finish an apply that was stopped.

    The package is the whole old one until it is the whole new one. Stopped in any way, the same command goes on.

    Example: pack apply 2011.0.00229.S
    """
    from qa2pack.executor.apply import ApplyOptions
    from qa2pack.pack.commands.run import run
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs.workers import RunOptions
    from qa2pack.pack.settings.trusted_owners import trusted_users
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.apply import apply_and_print

    attempt = Attempt("apply", target_of(package))
    options = ApplyOptions(keeps_previous=keep_previous, is_rehashing=rehash)
    run_options = RunOptions(
        jobs,
        cluster,
        bandwidth,
        is_quiet=quiet,
        is_json=json,
        trusted=trusted_users(trust_owner),
        is_insecure=insecure_cluster,
    )
    run(attempt, lambda: apply_and_print(attempt, options, run_options), is_json=json)
