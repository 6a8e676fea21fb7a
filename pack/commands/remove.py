"""`pack remove`: take one member out of a package."""

from typing import Annotated

import typer

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.pack.commands.completion import offered_members
from qa2pack.pack.commands.options import KeepPreviousOption, PackageArgument, RunOptions, TrustOptions, WaitOption

Removed = Annotated[
    str,
    typer.Option(
        "--member",
        metavar="NAME",
        autocompletion=offered_members,
        help="The member, as pack show names it.",
        show_default=False,
    ),
]

Forced = Annotated[
    bool, typer.Option("--force", help="Remove also files that are gone from the origin, or that no manifest knows.")
]


def remove(
    package: PackageArgument,
    *,
    member: Removed,
    force: Forced = False,
    keep_previous: KeepPreviousOption = KeepPrevious.AUTO,
    wait: WaitOption = 0,
    trust: TrustOptions,
    run_options: RunOptions,
) -> None:
    """Remove one member of PACKAGE; the others stay.

    The member is kept until the next apply where that takes little space: `pack rollback` brings it back.

    Example: pack remove 2011.0.00229.S --member member_ouss_id2
    """
    import os

    from qa2pack.executor.apply import ApplyOptions
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.delivery.at_apply import delivering_again
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import remove as job
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.remove import remove_view

    target = target_of(package)
    options = ApplyOptions(keep_previous=keep_previous)
    run_with_workers(
        Attempt("remove", target),
        delivering_again(
            target,
            lambda workers: remove_view(
                job.remove(target, os.fsencode(member), workers, options, force=force), target
            ),
        ),
        run_options,
        trusted=trust.users(),
        wait_seconds=wait,
    )
