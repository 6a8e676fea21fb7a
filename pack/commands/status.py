"""`pack status`: state of a package, and what to do next."""

from qa2pack.pack.commands.options import JsonOption, PackageArgument


def status(package: PackageArgument, json: JsonOption = False) -> None:
    """Show whether an apply is planned, running, interrupted or finished, and what to do next.

    Example: pack status 2011.0.00229.S
    """
    from qa2pack.pack.commands.run import run
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import status as job
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.status import status_view

    target = target_of(package)
    run(
        Attempt("status", target),
        lambda: status_view(job.status(target.package, target.opened), target),
        is_json=json,
        is_output_all=True,
    )
