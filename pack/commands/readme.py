"""`pack readme`: another README for a member."""

from typing import Annotated

import typer

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.pack.commands.options import (
    KeepPreviousOption,
    MemberOption,
    PackageArgument,
    RunOptions,
    TrustOptions,
    WaitOption,
)

Header = Annotated[
    str, typer.Option("--header", metavar="FILE", help="The new header, above the tree.", show_default=False)
]
Field = Annotated[
    list[str] | None,
    typer.Option("--set-field", metavar="NAME=TEXT", help="Fill in a field of the header. Repeatable."),
]
Taken = Annotated[
    bool, typer.Option("--take-changes", help="Take over what was changed by hand in the README of the package.")
]


def readme(  # noqa: PLR0913 - one parameter per option
    package: PackageArgument,
    *,
    member: MemberOption = "",
    header: Header = "",
    set_field: Field = None,
    take_changes: Taken = False,
    keep_previous: KeepPreviousOption = KeepPrevious.AUTO,
    wait: WaitOption = 0,
    trust: TrustOptions,
    run_options: RunOptions,
) -> None:
    """Give a member of PACKAGE another README.

    Its manifest and the ticket files change with it, in one transaction.

    Example: pack readme 2011.0.00229.S --set-field 'PI name=A. Person'
    """
    import os

    from qa2pack.executor.apply import ApplyOptions
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.delivery.at_apply import delivering_again
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import readme as job
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.readme import readme_view

    if not (header or set_field or take_changes) or (header and take_changes):
        raise typer.BadParameter(
            "give --header FILE or --take-changes, or --set-field NAME=TEXT, which goes with both"
        )
    fields = tuple(_field(text) for text in set_field or ())
    target = target_of(package)
    options = ApplyOptions(keep_previous=keep_previous)
    asked = job.ReadmeChange(os.path.abspath(os.fsencode(header)) if header else b"", fields, take_changes)
    run_with_workers(
        Attempt("readme", target),
        delivering_again(
            target,
            lambda workers: readme_view(
                job.change_readme(target, os.fsencode(member), asked, workers, options), target
            ),
        ),
        run_options,
        trusted=trust.users(),
        wait_seconds=wait,
    )


def _field(text: str) -> tuple[bytes, bytes]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise typer.BadParameter(f"{text!r} is not NAME=TEXT.")
    return name.strip().encode(), value.strip().encode()
