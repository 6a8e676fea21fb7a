"""`pack verify`: compare the package with its manifests."""

from typing import Annotated

import typer

from qa2pack.pack.commands.options import ClusterRunOptions, PackageArgument

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


def verify(
    package: PackageArgument,
    *,
    quick: Quick = False,
    chunks: Chunks = None,
    manifest: Manifest = None,
    run_options: ClusterRunOptions,
) -> None:
    """Compare PACKAGE with its manifests, file by file.

    Finds files that are changed, missing, added, or of another type, and prints a line for each. Changes nothing.

    Example: pack verify 2011.0.00229.S
    """
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import verify as job
    from qa2pack.pack.jobs.engines import Workers
    from qa2pack.pack.jobs.read import existing_package
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.verify import verify_view
    from qa2pack.pack.views.view import View

    if sum((quick, chunks is not None, manifest is not None)) > 1:
        raise typer.BadParameter("choose one of --quick, --chunks and --manifest")
    target = target_of(package)

    def work(workers: Workers) -> View:
        if chunks is None and manifest is None:
            state = existing_package(target)
            return verify_view(
                job.verify(target.package, workers, is_quick=quick, opened=target.opened),
                target,
                state,
                is_quick=quick,
            )
        from qa2pack.pack.delivery.check import check_deliveries, check_unpacked
        from qa2pack.pack.delivery.check_view import check_view

        if manifest is not None:
            return check_view(check_unpacked(manifest, package, workers))
        return check_view(check_deliveries(str(chunks), package, workers))

    run_with_workers(Attempt("verify", target), work, run_options)
