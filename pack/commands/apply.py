"""`pack apply`: apply the plan, or finish an apply that was stopped."""

import os
from string import hexdigits
from typing import Annotated

import typer

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.pack.commands.options import (
    ClusterRunOptions,
    KeepPreviousOption,
    PackageArgument,
    RehashOption,
    TrustOptions,
    WaitOption,
)
from qa2pack.pack.views.plan_digest import FEWEST_DIGITS, LENGTH


def _digest_of(text: str) -> str:
    """Return the value of --expect; an empty one, as of an unset variable, would expect nothing."""
    digits = text.lower()
    if not FEWEST_DIGITS <= len(digits) <= LENGTH or set(digits) - set(hexdigits):
        raise typer.BadParameter(f"{text!r} is not {FEWEST_DIGITS} to {LENGTH} hexadecimal digits.")
    return digits


Expect = Annotated[
    str | None,
    typer.Option(
        metavar="DIGEST",
        parser=_digest_of,
        help="Refuse any plan but the one with this digest, as `pack plan` shows it; 8 digits or more.",
        show_default=False,
    ),
]
Sign = Annotated[
    str,
    typer.Option(metavar="KEY", help="Sign what is made with this SSH key, as pack sign does.", show_default=False),
]


def apply(
    package: PackageArgument,
    *,
    keep_previous: KeepPreviousOption = KeepPrevious.AUTO,
    rehash: RehashOption = False,
    expect: Expect = None,
    sign: Sign = "",
    wait: WaitOption = 0,
    trust: TrustOptions,
    run_options: ClusterRunOptions,
) -> None:
    """Apply the plan, or finish an apply that was stopped.

    The path shows the whole old package or the whole new one. However it was stopped, the same command goes on.

    Example: pack apply 2011.0.00229.S
    """
    import sys

    from qa2pack.executor.apply import Applied, AppliedPlan, ApplyOptions
    from qa2pack.manifest.signature.ssh_keygen import check_key
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.delivery.at_apply import deliver_applied, with_delivery
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import apply as job
    from qa2pack.pack.jobs.engines import Workers
    from qa2pack.pack.jobs.read import followed
    from qa2pack.pack.jobs.signing import Signing
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.apply import apply_view, plan_announced, resume_lines
    from qa2pack.pack.views.view import View

    target = followed(target_of(package))

    def announce(plan: AppliedPlan) -> None:
        for line in plan_announced(plan):
            print(line, file=sys.stderr)

    def signing(applied: Applied, key: bytes, workers: Workers) -> Signing:
        from qa2pack.pack.jobs.sign import sign_applied  # imports what makes a plan

        return sign_applied(applied, target, key, workers)

    options = ApplyOptions(keep_previous=keep_previous, rehash=rehash, expected=expect or "", announce=announce)

    def work(workers: Workers) -> View:
        for line in resume_lines(target):
            print(line, file=sys.stderr)
        key = os.fsencode(sign)
        if key:
            check_key(key)
        applied = job.apply(target.package, options, workers, target.opened)
        view = apply_view(applied, target, signing(applied, key, workers) if key else None)
        return with_delivery(view, deliver_applied(applied, target, workers))

    run_with_workers(Attempt("apply", target), work, run_options, trusted=trust.users(), wait_seconds=wait)
