"""`pack deliver`: write the delivery sets of a package."""

import os
from typing import Annotated

import typer

from qa2pack.pack.commands.base import defaults_of
from qa2pack.pack.commands.options import ClusterRunOptions, PackageArgument
from qa2pack.pack.commands.tarsplit import (
    Day,
    Dummies,
    Member,
    Replace,
    Sign,
    TakeOver,
    To,
    checksum_option,
    run_delivery,
)
from qa2pack.tarsplit.naming import parse_checksums
from qa2pack.tarsplit.packing.partition import Fill

Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME",
        help="Deliver only this set; may be given several times. [default: all sets of the layout]",
        show_default=False,
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR",
        envvar="PACK_DELIVER_OUTPUT",
        help="Where it goes; made if it does not exist.",
    ),
]
FillOption = Annotated[
    Fill,
    typer.Option(
        metavar="order|tight",
        envvar="PACK_DELIVER_FILL",
        help="Fill the tars of a set in path order, or make as few as possible.",
    ),
]
Checksum = Annotated[str, checksum_option("PACK_DELIVER_CHECKSUM")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the files with their exact sizes; write nothing.")]


def deliver(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    package: PackageArgument,
    *,
    sets: Sets = None,
    name: Day = None,
    output: Output = ".",
    to: To = "",
    member: Member = "",
    fill: FillOption = Fill.ORDER,
    checksum: Checksum = "md5",
    dry_run: DryRun = False,
    allow_dummies: Dummies = False,
    replace: Replace = False,
    sign: Sign = "",
    take_over: TakeOver = False,
    run_options: ClusterRunOptions,
) -> None:
    """Write the delivery sets of PACKAGE, as its layout has them.

    A layout says in [[delivery]] which files are delivered together, and how the tars are called. A package of a
    layout without sets is cut by tarsplit. Finished files of an earlier run are kept. The package is only read.

    Example: pack deliver 2016.1.00001.S --output outbox
    """
    from qa2pack.pack.delivery.make import DeliveryOptions

    options = DeliveryOptions(
        address=to,
        day=name or "",
        checksums=parse_checksums(checksum),
        output=output,
        member=member,
        fill=fill,
        is_dry=dry_run,
        allow_dummies=allow_dummies,
        is_replacing=replace,
        sets=tuple(sets or ()),
        is_of_sets=True,
        key=os.fsencode(sign),
        is_taking_over=take_over,
        defaults=defaults_of(context),
    )
    run_delivery("deliver", package, options, run_options, kept="files")
