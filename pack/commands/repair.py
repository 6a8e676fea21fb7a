"""`pack repair`: take what is damaged from the origin or from other copies."""

from typing import Annotated

import typer

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.pack.commands.options import (
    KeepPreviousOption,
    MemberOption,
    PackageArgument,
    RunOptions,
    SignersOptions,
    TrustOptions,
    WaitOption,
)

From = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="FOLDER",
        help="Another copy of the package, unpacked tars, or a delivery: the folder, or an address as of --to. "
        "Repeatable.",
    ),
]
Extra = Annotated[bool, typer.Option("--remove-extra", help="Leave out files that the manifest does not know.")]


def repair(  # noqa: PLR0913 - one parameter per option
    package: PackageArgument,
    *,
    from_: From = None,
    member: MemberOption = "",
    remove_extra: Extra = False,
    keep_previous: KeepPreviousOption = KeepPrevious.AUTO,
    wait: WaitOption = 0,
    trust: TrustOptions,
    signers: SignersOptions,
    run_options: RunOptions,
) -> None:
    """Replace what is damaged or missing in PACKAGE.

    What `pack verify` finds is replaced by files of the same content. They are taken from the folders of --from, from
    the origin, wherever they are there, or at last from deliveries and stores. What cannot be had is listed. What was
    is kept until the next apply where that takes little space: `pack rollback` brings it back. With --allowed-signers
    it is shown who signed the deliveries; with --require-signature nothing is changed unless known signers did.

    Example: pack repair 2011.0.00229.S --from /backup/2011.0.00229.S
    """
    import os

    from qa2pack.executor.apply import ApplyOptions
    from qa2pack.manifest.path import is_address
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import repair as job
    from qa2pack.pack.jobs.engines import Workers
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.repair import repair_view
    from qa2pack.pack.views.view import View

    target, wanted = target_of(package), signers.trust()
    options = ApplyOptions(keep_previous=keep_previous)
    places = [os.fsencode(place if is_address(place) else os.path.abspath(place)) for place in from_ or ()]

    def work(workers: Workers) -> View:
        name = os.fsencode(member)
        done = job.repair(target, name, places, workers, options, removes_extra=remove_extra, trust=wanted)
        return repair_view(done, target, wanted)

    run_with_workers(Attempt("repair", target), work, run_options, trusted=trust.users(), wait_seconds=wait)
