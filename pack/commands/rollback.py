"""`pack rollback`: roll back the unfinished apply, or the last finished one."""

from typing import Annotated

import typer

from qa2pack.pack.commands.options import PackageArgument, RunOptions, TrustOptions, WaitOption

FurtherOption = Annotated[
    bool, typer.Option("--further", help="Roll back one apply further. Refused by default right after a rollback.")
]


def rollback(
    package: PackageArgument,
    *,
    further: FurtherOption = False,
    wait: WaitOption = 0,
    trust: TrustOptions,
    run_options: RunOptions,
) -> None:
    """Roll back a stopped apply, or else the last finished one.

    A replaced package comes back only if it was kept (--keep-previous of pack apply). A second rollback in a row
    needs --further as well. If a rollback is not possible, nothing is changed and the reason is shown.

    Example: pack rollback 2011.0.00229.S
    """
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.delivery.at_apply import delivering_again
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import rollback as job
    from qa2pack.pack.jobs.read import followed
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.rollback import rollback_view

    target = followed(target_of(package))
    run_with_workers(
        Attempt("rollback", target),
        delivering_again(
            target,
            lambda workers: rollback_view(
                job.rollback(target.package, workers, target.opened, further=further), target
            ),
        ),
        run_options,
        trusted=trust.users(),
        wait_seconds=wait,
    )
