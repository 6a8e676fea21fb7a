"""Arguments and options that several commands share."""

from typing import Annotated

import typer

PackageArgument = Annotated[
    str,
    typer.Argument(metavar="PACKAGE", help="The package; its folder's name is the project code.", show_default=False),
]
JobsOption = Annotated[
    int, typer.Option("--jobs", metavar="N", min=0, help="Worker processes; 0 means one per processor.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
RehashOption = Annotated[
    bool, typer.Option("--rehash", help="Read every file again; do not trust sizes and times that have not changed.")
]
