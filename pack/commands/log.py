"""`pack log`: history of a package, the finished applies."""

from qa2pack.pack.commands.options import JsonOption, PackageArgument


def log(package: PackageArgument, json: JsonOption = False) -> None:
    """Show the finished applies of PACKAGE, the last one first.

    When, who, in which mode, what. An apply that was rolled back is not listed.

    Example: pack log 2011.0.00229.S
    """
    from qa2pack.pack.commands.run import run
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import log as job
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.log import log_view

    target = target_of(package)
    run(Attempt("log", target), lambda: log_view(job.log(target), target), is_json=json, is_output_all=True)
