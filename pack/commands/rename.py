"""`pack rename`: another project code for a package."""

from typing import Annotated

import typer

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.pack.commands.options import KeepPreviousOption, PackageArgument, RunOptions, TrustOptions, WaitOption

NewCode = Annotated[
    str, typer.Argument(metavar="NEW_CODE", help="The new project code: a name, not a path.", show_default=False)
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse a name that is no project code.")]


def rename(
    package: PackageArgument,
    new_code: NewCode,
    *,
    strict: Strict = False,
    keep_previous: KeepPreviousOption = KeepPrevious.AUTO,
    wait: WaitOption = 0,
    trust: TrustOptions,
    run_options: RunOptions,
) -> None:
    """Give PACKAGE another project code.

    Its folder, README files, manifests and ticket files get it, and the symlinks of a reduction that was moved lead
    to the new name. The old package is kept until the next apply where that takes little space: `pack rollback`
    brings it back.

    Example: pack rename 2011.0.00229.S 2012.1.00001.S
    """
    import os

    from qa2pack.executor.apply import ApplyOptions
    from qa2pack.manifest.path import UnsafePathError, check_name
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.delivery.at_apply import telling_old_delivery
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import rename as job
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.rename import rename_view, renamed_target

    target, code = target_of(package), os.fsencode(new_code)
    try:
        check_name(code)
    except UnsafePathError as error:
        raise typer.BadParameter(f"{new_code!r} is not a name.") from error
    if code == target.package.project:
        raise typer.BadParameter(f"{new_code!r} is the name that the package has.")
    options, new = ApplyOptions(keep_previous=keep_previous), renamed_target(target, code)
    run_with_workers(
        Attempt("rename", target),
        telling_old_delivery(
            target,
            lambda workers: rename_view(*job.rename(target, code, workers, options, strict=strict), new),
            new,
        ),
        run_options,
        trusted=trust.users(),
        wait_seconds=wait,
    )
