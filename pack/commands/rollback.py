"""`pack rollback`: undo the apply that is unfinished, or the last one."""

from typing import Annotated

import typer

from qa2pack.pack.commands.options import JobsOption, JsonOption, PackageArgument, QuietOption, TrustOwnerOption

FurtherOption = Annotated[
    bool, typer.Option("--further", help="Undo the last finished apply although a plan waits, as after an undoing.")
]


def rollback(
    package: PackageArgument,
    further: FurtherOption = False,
    trust_owner: TrustOwnerOption = None,
    jobs: JobsOption = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Undo an apply that was stopped, or else the last one that was finished.

    A replaced package comes back only if it was kept (pack apply --keep-previous). Given twice, it does not undo
    twice: to go further back takes --further. When undoing is not possible, it
    says why and changes nothing.

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
