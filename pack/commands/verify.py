"""`pack verify`: compare the package with its manifests."""

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
)
from qa2pack.pack.exit_codes import Exit

Quick = Annotated[bool, typer.Option("--quick", help="Compare names, types and sizes only; read no file.")]
Chunks = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="Check the tars in DIR, and that they are PACKAGE's.", show_default=False),
]
Manifest = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="PACKAGE was unpacked from tars: compare it with their manifest.", show_default=False
    ),
]


def verify(  # noqa: PLR0913, PLR0917 - one parameter per option
    package: PackageArgument,
    quick: Quick = False,
    chunks: Chunks = None,
    manifest: Manifest = None,
    jobs: JobsOption = 0,
    bandwidth: BandwidthOption = 0,
    cluster: ClusterOption = "",
    insecure_cluster: InsecureClusterOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare PACKAGE with its manifests, file by file.

    Finds what is changed, missing, added, or of another type, and prints a line for each. Changes nothing.

    Example: pack verify 2011.0.00229.S
    """
    from qa2pack.pack.commands.run import run
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs.workers import RunOptions
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.verify import verify_and_print

    if sum((quick, chunks is not None, manifest is not None)) > 1:
        raise typer.BadParameter("choose one of --quick, --chunks and --manifest")
    run_options = RunOptions(jobs, cluster, bandwidth, is_quiet=quiet, is_json=json, is_insecure=insecure_cluster)
    attempt = Attempt("verify", target_of(package))

    def work() -> Exit:
        if chunks is not None:
            from qa2pack.pack.delivery.check import print_delivery_check

            return print_delivery_check(chunks, package, run_options)
        if manifest is not None:
            from qa2pack.pack.delivery.check import print_unpacked_check

            return print_unpacked_check(manifest, package, run_options)
        return verify_and_print(attempt, run_options, is_quick=quick)

    run(attempt, work, is_json=json)
