"""`pack receive`: take the members of a delivery into a package."""

from typing import Annotated, NamedTuple

import typer

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.pack.commands.adopt import AdoptedLayout
from qa2pack.pack.commands.options import (
    ClusterRunOptions,
    KeepPreviousOption,
    PackageArgument,
    RehashOption,
    SignersOptions,
    TrustOptions,
    WaitOption,
)

DeliveryArgument = Annotated[
    str,
    typer.Argument(
        metavar="DELIVERY",
        help="The folder with the tars and their manifest, or that manifest; also at an address as of --to.",
        show_default=False,
    ),
]
ReceivedMember = Annotated[
    str,
    typer.Option("--member", metavar="NAME", help="Only this member of the delivery.", show_default=False),
]
Replacing = Annotated[
    bool,
    typer.Option("--replace", help="Replace a member that the package has with other content; the others stay."),
]


class MemberOptions(NamedTuple):
    """Which members are received, as what, and in place of what."""

    member: ReceivedMember = ""
    layout: AdoptedLayout = ""
    replace: Replacing = False
    keep_previous: KeepPreviousOption = KeepPrevious.AUTO


def receive(
    delivery: DeliveryArgument,
    package: PackageArgument,
    *,
    members: MemberOptions,
    rehash: RehashOption = False,
    wait: WaitOption = 0,
    trust: TrustOptions,
    signers: SignersOptions,
    run_options: ClusterRunOptions,
) -> None:
    """Take the members of a delivery of tars into PACKAGE.

    There need be no package yet. Each tar is read once, and compared with the manifest of the delivery while its
    files are written. Nothing is seen of them before all are right and on the disk. However it was stopped, the same
    command goes on. A member that the package has with the same content is left as it is, and the sets of a member
    that come one by one add up; one that differs is refused, or replaced with --replace: `pack rollback` brings back
    what was there. With --allowed-signers it is shown who signed the delivery; with --require-signature nothing is
    written unless a known signer did, and the delivery has sha256, and what is there already is compared with it.

    Example: pack receive deliveries/2012-06-20 2011.01234.S
    """
    import os

    from qa2pack.executor.apply import ApplyOptions
    from qa2pack.manifest.layout.load import is_layout_path
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.delivery.at_apply import delivering_again
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import receive as job
    from qa2pack.pack.jobs.engines import Workers
    from qa2pack.pack.jobs.plan_delivery import ReceiveOptions
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.receive import receive_view
    from qa2pack.pack.views.view import View

    signers.check_on_this_machine(run_options.cluster)
    target = target_of(package)
    layout = os.path.abspath(members.layout) if is_layout_path(members.layout) else members.layout
    wanted = ReceiveOptions(layout, signers.trust(), os.fsencode(members.member), members.replace)

    def work(workers: Workers) -> View:
        options = ApplyOptions(keep_previous=members.keep_previous, rehash=rehash)
        arrived = job.receive(target, os.fsencode(delivery), workers, options, wanted)
        return receive_view(arrived, target, wanted.trust)

    again = delivering_again(target, work)
    run_with_workers(Attempt("receive", target), again, run_options, trusted=trust.users(), wait_seconds=wait)
