"""`pack status`: how a package stands, and what to do next."""

from qa2pack.pack.commands.options import JsonOption, PackageArgument


def status(package: PackageArgument, json: JsonOption = False) -> None:
    """Say whether something is planned, running, interrupted or finished, and what comes next.

    Example: pack status 2011.0.00229.S
    """
    from qa2pack.pack.commands.run import run
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.status import print_status

    attempt = Attempt("status", target_of(package))
    run(attempt, lambda: print_status(attempt, is_json=json), is_json=json, is_output_all=True)
