"""`pack sign`: sign the members of a package by an SSH key."""

import os
from typing import Annotated

import typer

from qa2pack.pack.commands.options import ClusterRunOptions, MemberOption, PackageArgument, TrustOptions, WaitOption

Key = Annotated[
    str,
    typer.Option(
        metavar="KEY",
        help="An SSH key: its private file, or its public one if an agent holds it.",
        show_default=False,
    ),
]
Replace = Annotated[bool, typer.Option("--replace", help="Sign also what has a signature already, in its place.")]


def sign(
    package: PackageArgument,
    *,
    key: Key,
    member: MemberOption = "",
    replace: Replace = False,
    wait: WaitOption = 0,
    trust: TrustOptions,
    run_options: ClusterRunOptions,
) -> None:
    """Sign PACKAGE with an SSH key.

    Each member that is not signed yet is read once, and compared with its manifest: what is signed is a list of the
    sha256 of all its files. `pack verify PACKAGE --allowed-signers FILE` tells who signed, and compares them. A
    change of a member takes its signature away, and a rollback brings it back.

    Example: pack sign 2011.0.00229.S --key ~/.ssh/id_ed25519
    """
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import sign as job
    from qa2pack.pack.jobs.engines import Workers
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.sign import sign_view
    from qa2pack.pack.views.view import View

    target = target_of(package)

    def work(workers: Workers) -> View:
        wanted = os.fsencode(member)
        return sign_view(job.sign(target, os.fsencode(key), workers, wanted=wanted, is_replacing=replace), target)

    run_with_workers(Attempt("sign", target), work, run_options, trusted=trust.users(), wait_seconds=wait)
