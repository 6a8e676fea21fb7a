"""`pack verify`: compare the package with its manifests."""

import os
from typing import Annotated

import typer

from qa2pack.pack.commands.options import ClusterRunOptions, PackagesArgument, SignersOptions

Quick = Annotated[bool, typer.Option("--quick", help="Compare names, types and sizes only; read no file.")]
All = Annotated[
    bool, typer.Option("--all", help="Show every problem, also where many have one cause; else the first few.")
]
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
    package: PackagesArgument = None,
    *,
    quick: Quick = False,
    chunks: Chunks = None,
    manifest: Manifest = None,
    every: All = False,
    signers: SignersOptions,
    run_options: ClusterRunOptions,
) -> None:
    """Compare PACKAGE with its manifests, file by file.

    Finds files that are changed, missing, added, or of another type, and prints a line for each, of many with one
    cause the first few. Changes nothing.
    Of several packages a table is shown at the end; without PACKAGE, of those below the current folder.

    Example: pack verify 2011.0.00229.S
    """
    from qa2pack.pack.commands.several import run_packages
    from qa2pack.pack.commands.verified import verified_view
    from qa2pack.pack.commands.workers import shown_workers
    from qa2pack.pack.target import Target
    from qa2pack.pack.views.view import View

    is_one = len(package or ()) == 1
    if sum((quick, chunks is not None, manifest is not None)) > 1:
        raise typer.BadParameter("choose one of --quick, --chunks and --manifest")
    if (chunks is not None or manifest is not None) and not is_one:
        raise typer.BadParameter("--chunks and --manifest are of one package: name it")
    if chunks is not None:
        signers.check_on_this_machine(run_options.cluster)
    trust = signers.trust()

    def view_of(target: Target) -> View:
        with shown_workers(run_options, title="" if is_one else f"{target.quoted}: ") as workers:
            if chunks is None and manifest is None:
                return verified_view(target, workers, trust, is_quick=quick, shows_all=every)
            from qa2pack.pack.delivery.check import check_deliveries, check_unpacked
            from qa2pack.pack.delivery.check_view import check_view

            typed = os.fsdecode(target.typed)
            if manifest is not None:
                return check_view(check_unpacked(manifest, typed, workers, trust), trust)
            return check_view(check_deliveries(str(chunks), typed, workers, trust), trust)

    run_packages("verify", package, view_of, is_json=run_options.json, is_output_all=False)
