"""`pack export`: checksum lists, JSON lines or a BagIt bag of a package."""

import os
from enum import StrEnum
from typing import Annotated

import typer

from qa2pack.pack.commands.options import MemberOption, PackageArgument, RunOptions


class Format(StrEnum):
    """The forms."""

    XXHSUM = "xxhsum"
    MD5SUM = "md5sum"
    SHA256SUM = "sha256sum"
    JSON = "json"
    BAGIT = "bagit"


Formats = Annotated[
    list[Format],
    typer.Option("--format", metavar="FORMAT", help="xxhsum, md5sum, sha256sum, json or bagit.", show_default=False),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|DIR",
        help="Where it goes; - is stdout. [default: a list to stdout]",
        show_default=False,
        callback=lambda path: None if path == "-" else path,
    ),
]
Replace = Annotated[bool, typer.Option("--replace", help="Replace a file that is there; never a folder.")]


def export(
    package: PackageArgument,
    *,
    format: Formats,
    output: Output = None,
    member: MemberOption = "",
    replace: Replace = False,
    run_options: RunOptions,
) -> None:
    """Export PACKAGE as a checksum list, JSON lines or a BagIt bag.

    They are for other programs.

    Paths start with the project code: check a list in the folder that holds the package. Several checksum lists take
    one reading: repeat --format, and name a folder with -o.

    Example: pack export 2011.0.00229.S --format md5sum -o 2011.0.00229.S.md5
    """
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.export.make import ExportOptions, write_export
    from qa2pack.pack.export.view import export_view
    from qa2pack.pack.target import target_of

    formats = tuple(dict.fromkeys(format))
    if Format.BAGIT in formats and (len(formats) > 1 or output is None):
        raise typer.BadParameter("a bag is made by itself, in a new folder: -o DIR", param_hint="--format bagit")
    if output is None and (run_options.json or len(formats) > 1):
        raise typer.BadParameter("say where it goes", param_hint="-o")
    target = target_of(package)
    wanted = ExportOptions(
        tuple(str(one) for one in formats),
        None if output is None else os.fsencode(output),
        os.fsencode(member),
        replace,
    )
    run_with_workers(
        Attempt("export", target),
        lambda workers: export_view(write_export(target, wanted, workers), target),
        run_options,
        is_output_all=output is None,
    )
