"""`pack log`: what was done to a package."""

from qa2pack.pack.commands.options import JsonOption, PackageArgument


def log(package: PackageArgument, json: JsonOption = False) -> None:
    """Show the finished applies of PACKAGE, the last one first: when, who, in which mode, what.

    An apply that was undone is not among them.

    Example: pack log 2011.0.00229.S
    """
    from qa2pack.pack.commands.run import run
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.log import print_log

    attempt = Attempt("log", target_of(package))
    run(attempt, lambda: print_log(attempt, is_json=json), is_json=json, is_output_all=True)
