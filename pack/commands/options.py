"""Arguments and options that several commands share."""

from typing import Annotated

import typer

from qa2pack.pack.settings.rate import parse_rate

PackageArgument = Annotated[
    str,
    typer.Argument(metavar="PACKAGE", help="The package; its folder's name is the project code.", show_default=False),
]
JobsOption = Annotated[
    int,
    typer.Option(
        "--jobs",
        envvar="PACK_JOBS",
        metavar="N",
        min=0,
        help="Worker processes, at most 4 per processor; 0: one per processor.",
    ),
]
ClusterOption = Annotated[
    str,
    typer.Option(
        "--cluster",
        envvar="PACK_CLUSTER",
        metavar="ADDRESS",
        help="Let a Dask cluster do the work; its scheduler, as in tls://host:8786.",
        show_default=False,
    ),
]
InsecureClusterOption = Annotated[
    bool,
    typer.Option(
        "--insecure-cluster",
        envvar="PACK_INSECURE_CLUSTER",
        help="Accept an unencrypted tcp:// cluster of other machines: whoever reaches that network can act as you.",
    ),
]
BandwidthOption = Annotated[
    int,
    typer.Option(
        "--bandwidth",
        envvar="PACK_BANDWIDTH",
        metavar="RATE",
        parser=parse_rate,
        help="Read no more than this per second, all workers together, as in 200MB; 0 means no bound.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", envvar="PACK_QUIET", help="Show no progress.")]
RehashOption = Annotated[
    bool, typer.Option("--rehash", help="Read every file again; do not trust sizes and times that have not changed.")
]
TrustOwnerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--trust-owner",
        metavar="NAME",
        envvar="PACK_TRUST_OWNER",
        help="Act on a control folder of this user, too; a name or a number. Repeatable.",
    ),
]
OriginArgument = Annotated[
    str,
    typer.Argument(metavar="ORIGIN", help="The reduction folder of one scheduling block.", show_default=False),
]
IncludeOption = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB=ROLE", envvar="PACK_INCLUDE", help="Package this, in that role. Repeatable."),
]
ExcludeOption = Annotated[
    list[str] | None, typer.Option(metavar="GLOB", envvar="PACK_EXCLUDE", help="Leave this out. Repeatable.")
]
AsIsOption = Annotated[
    bool, typer.Option("--as-is", envvar="PACK_AS_IS", help="Package tables whole that casacore cannot open.")
]
NoSplitOption = Annotated[bool, typer.Option("--no-split", envvar="PACK_NO_SPLIT", help="Package all data columns.")]
CasaWeightsOption = Annotated[
    bool,
    typer.Option(
        "--casa-weights",
        envvar="PACK_CASA_WEIGHTS",
        help="Give WEIGHT_SPECTRUM and SIGMA_SPECTRUM as CASA's split does.",
    ),
]
FollowOutsideOption = Annotated[
    bool,
    typer.Option("--follow-outside", envvar="PACK_FOLLOW_OUTSIDE", help="Follow links that lead out of the origin."),
]
LayoutOption = Annotated[
    str, typer.Option(metavar="NAME|FILE", envvar="PACK_LAYOUT", help="The rules: a name, or a TOML file.")
]
MemberOption = Annotated[
    str, typer.Option(metavar="NAME", help="Only this member, as pack show names it.", show_default=False)
]
