"""`pack tarsplit`: cut a package into the tar files of a delivery, or check a delivery."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from qa2pack.manifest.path import is_address
from qa2pack.pack.commands.base import defaults_of
from qa2pack.pack.commands.options import ClusterRunOptions, SignersOptions
from qa2pack.pack.settings.bounds import parse_tar_size
from qa2pack.tarsplit.naming import parse_checksums, parse_day
from qa2pack.tarsplit.packing.partition import Fill

if TYPE_CHECKING:
    from qa2pack.pack.delivery.make import DeliveryOptions


def checked(parse: Callable[[str], object]) -> Callable[[str | None], str | None]:
    """Return a callback that checks a value, so that an error is reported with its option or variable."""

    def check(text: str | None) -> str | None:
        try:
            if text is not None:
                parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        return text

    return check


def checksum_option(variable: str) -> Any:
    """Return the option for checksum files, with the variable that gives its default."""
    return typer.Option(
        metavar="LIST",
        envvar=variable,
        help="Checksum files: md5, sha256, xxh128, or none.",
        callback=checked(parse_checksums),
    )


def checked_address(address: str) -> str:
    """Return the address of a store.

    Raises:
        BadParameter: it is the path of a folder.
    """
    if address and not is_address(address):
        raise typer.BadParameter("give the address of a store, as s3://BUCKET/FOLDER; for a folder there is --output")
    return address


def run_delivery(
    verb: str, package: str, options: "DeliveryOptions", run_options: ClusterRunOptions, *, kept: str
) -> NoReturn:
    """Write the delivery, or only plan it, and end the command.

    Args:
        kept: what an earlier run has finished, for messages.

    Raises:
        BadParameter: workers of a cluster would send it.
    """
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.delivery.make import write_delivery
    from qa2pack.pack.delivery.view import delivery_view
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.target import target_of

    if options.address and run_options.cluster:
        raise typer.BadParameter(
            "what is sent to a store is made on this machine, without --cluster", param_hint="--to"
        )
    target = target_of(package)
    run_with_workers(
        Attempt(verb, target, kept=f"Finished {kept} are kept: the next run goes on from there."),
        lambda workers: delivery_view(write_delivery(target, options, workers)),
        run_options,
    )


Package = Annotated[
    str | None,
    typer.Argument(metavar="PACKAGE", help="The package; its name is the project code.", show_default=False),
]
Day = Annotated[
    str | None,
    typer.Option(
        "-n",
        "--name",
        metavar="DATE",
        help="Date of the delivery, as in 2012-06-20.",
        show_default=False,
        callback=checked(parse_day),
    ),
]
Size = Annotated[
    str,
    typer.Option(
        metavar="SIZE",
        envvar="PACK_TARSPLIT_SIZE",
        help="Largest tar: bytes, or with a unit as in 6GiB or 2GB.",
        callback=checked(parse_tar_size),
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR",
        envvar="PACK_TARSPLIT_OUTPUT",
        help="Where the tars go; made if it does not exist.",
    ),
]
To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="ADDRESS",
        help="Send it there as it is made: s3://BUCKET/FOLDER, sftp://HOST/FOLDER, or what else fsspec knows.",
        show_default=False,
        callback=checked_address,
    ),
]
Member = Annotated[str, typer.Option(metavar="NAME", help="Deliver only this member.", show_default=False)]
Label = Annotated[
    bool,
    typer.Option(
        "--label-member",
        envvar="PACK_TARSPLIT_LABEL_MEMBER",
        help="Put the date in place of the number in the name of the member, in the tar.",
    ),
]
FillOption = Annotated[
    Fill,
    typer.Option(
        metavar="order|tight",
        envvar="PACK_TARSPLIT_FILL",
        help="Fill the tars in path order, or make as few as possible.",
    ),
]
Checksum = Annotated[str, checksum_option("PACK_TARSPLIT_CHECKSUM")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the tars with their exact sizes; write nothing.")]
Dummies = Annotated[bool, typer.Option("--allow-dummies", help="Cut a package made in mode fake or ticket, too.")]
Replace = Annotated[bool, typer.Option("--replace", help="Remove another delivery of that name from DIR first.")]
Sign = Annotated[
    str,
    typer.Option(
        metavar="KEY",
        help="Sign the delivery with this SSH key, a private or public key file; adds sha256 to the checksums.",
        show_default=False,
    ),
]
TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="With --to: go on with what another run was sending. Only if that has ended.",
    ),
]
Check = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Check the delivery in DIR, or at an ADDRESS as of --to; with PACKAGE, also that it is of that.",
        show_default=False,
    ),
]


def tarsplit(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    package: Package = None,
    *,
    name: Day = None,
    size: Size = "6GiB",
    output: Output = ".",
    to: To = "",
    member: Member = "",
    label_member: Label = False,
    fill: FillOption = Fill.ORDER,
    checksum: Checksum = "md5",
    dry_run: DryRun = False,
    allow_dummies: Dummies = False,
    replace: Replace = False,
    sign: Sign = "",
    take_over: TakeOver = False,
    check: Check = None,
    signers: SignersOptions,
    run_options: ClusterRunOptions,
) -> None:
    """Cut PACKAGE into tar files, or check them with --check.

    The tars are planned by the sizes in the manifests. Finished tars of an earlier run are kept. The package
    is only read.

    Example: pack tarsplit -n 2012-06-20 2011.01234.S
    """
    if check is not None:
        if sign:
            raise typer.BadParameter("--sign and --check are two runs: sign when the tars are written")
        signers.check_on_this_machine(run_options.cluster)
        trust = signers.trust()
        from qa2pack.pack.commands.run import run_with_workers
        from qa2pack.pack.delivery.check import check_deliveries
        from qa2pack.pack.delivery.check_view import check_view
        from qa2pack.pack.errors.attempt import Attempt
        from qa2pack.pack.target import target_of

        run_with_workers(
            Attempt("tarsplit --check", target_of(package or check), noun="package" if package else "delivery"),
            lambda workers: check_view(check_deliveries(check, package, workers, trust), trust),
            run_options,
        )
    from qa2pack.pack.delivery.make import DeliveryOptions

    if package is None:
        raise typer.BadParameter("name the package to cut, or --check DIR", param_hint="PACKAGE")
    if name is None:
        raise typer.BadParameter("give the date of the delivery, as in -n 2012-06-20", param_hint="-n")
    options = DeliveryOptions(
        address=to,
        day=name,
        limit_bytes=parse_tar_size(size),
        checksums=parse_checksums(checksum),
        output=output,
        member=member,
        fill=fill,
        is_labelled=label_member,
        is_dry=dry_run,
        allow_dummies=allow_dummies,
        is_replacing=replace,
        key=os.fsencode(sign),
        is_taking_over=take_over,
        defaults=defaults_of(context),
    )
    run_delivery("tarsplit", package, options, run_options, kept="tars")
