"""`pack verify`: compare the package with its manifests."""

from typing import Annotated

import typer

from pack.options import JobsOption, JsonOption, PackageArgument, QuietOption

Quick = Annotated[bool, typer.Option("--quick", help="Compare names, types and sizes only; read no file.")]


def verify(
    package: PackageArgument,
    quick: Quick = False,
    jobs: JobsOption = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare PACKAGE with its manifests, file by file.

    Finds what is changed, missing, too much, or of another type, and prints a line for each. Changes nothing.

    Example: pack verify 2011.0.00229.S
    """
    from pack.failure import Attempt
    from pack.running import run
    from pack.target import target_of
    from pack.verifying import verified

    attempt = Attempt("verify", target_of(package))
    run(attempt, lambda: verified(attempt, is_quick=quick, jobs=jobs, is_quiet=quiet, is_json=json), is_json=json)
