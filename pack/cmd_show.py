"""`pack show`: what is in a package."""

from pack.options import JsonOption, PackageArgument


def show(package: PackageArgument, json: JsonOption = False) -> None:
    """Show members, roles, files and bytes of PACKAGE, and where they came from.

    Example: pack show 2011.0.00229.S
    """
    from pack.failure import Attempt
    from pack.running import run
    from pack.showing import shown_package
    from pack.target import target_of

    attempt = Attempt("show", target_of(package))
    run(attempt, lambda: shown_package(attempt, is_json=json), is_json=json)
