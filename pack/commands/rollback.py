"""`pack rollback`: roll back the unfinished apply, or the last finished one."""

from typing import Annotated

import typer

from qa2pack.pack.commands.options import JobsOption, JsonOption, PackageArgument, QuietOption, TrustOwnerOption

FurtherOption = Annotated[
    bool, typer.Option("--further", help="Roll back one apply further. Refused by default right after a rollback.")
]


def rollback(
    package: PackageArgument,
    further: FurtherOption = False,
    trust_owner: TrustOwnerOption = None,
    jobs: JobsOption = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Roll back an apply that was stopped, or else the last finished one.

    A replaced package comes back only if it was kept (pack apply --keep-previous). A second rollback in a row needs
    --further as well. If a rollback is not possible, nothing is changed and the reason is shown.

    Example: pack rollback 2011.0.00229.S
    """
    from qa2pack.pack.commands.run import run
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs.workers import RunOptions
    from qa2pack.pack.settings.trusted_owners import trusted_users
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.rollback import roll_back_and_print

    run_options = RunOptions(jobs, is_quiet=quiet, is_json=json, trusted=trusted_users(trust_owner))
    attempt = Attempt("rollback", target_of(package))
    run(attempt, lambda: roll_back_and_print(attempt, run_options, may_reach_back=further), is_json=json)
