"""`pack report`: HTML page about a package."""

import os
from typing import Annotated

import typer

from qa2pack.pack.commands.options import CatalogueOption, PackageArgument, RunOptions, SignersOptions

Output = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="The page. [default: PACKAGE.report.html]", show_default=False
    ),
]
Delivery = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="Where its tar files are. [default: beside PACKAGE]", show_default=False),
]
Verify = Annotated[bool, typer.Option("--verify", help="Read and compare all content, not names and sizes only.")]


def report(
    package: PackageArgument,
    *,
    output: Output = None,
    delivery: Delivery = None,
    verify: Verify = False,
    catalogue: CatalogueOption = "",
    signers: SignersOptions,
    run_options: RunOptions,
) -> None:
    """Write an HTML page about PACKAGE, for any browser.

    It needs no network. Members, sizes, tables and their columns, pictures, texts, what was left out, whether all is
    as packaged, the last audit. Where a page would be larger than 2 MB, it leads to several in a folder beside it.

    Example: pack report 2011.0.00229.S -o report.html
    """
    from qa2pack.pack.audit.outputs import default_catalogue
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.report.make import ReportOptions, write_report
    from qa2pack.pack.report.view import report_view
    from qa2pack.pack.target import target_of

    target = target_of(package)
    options = ReportOptions(
        None if output is None else os.fsencode(output),
        None if delivery is None else os.path.abspath(os.fsencode(delivery)),
        verify,
        signers.trust(),
        os.path.abspath(os.fsencode(catalogue)) if catalogue else default_catalogue(os.environ),
        has_own_catalogue=not catalogue,
    )
    run_with_workers(
        Attempt("report", target),
        lambda workers: report_view(write_report(target, options, workers), target),
        run_options,
    )
