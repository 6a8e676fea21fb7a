"""`pack status`: state of a package, and what to do next."""

from qa2pack.pack.commands.options import JsonOption, KnownSignersOptions, PackagesArgument


def status(package: PackagesArgument = None, json: JsonOption = False, *, signers: KnownSignersOptions) -> None:
    """Show the state of PACKAGE, and what to do next.

    Whether an apply is planned, running, interrupted or finished. Of several packages a line for each is
    shown; without PACKAGE, of those below the current folder.

    Example: pack status 2011.0.00229.S
    """
    from qa2pack.pack.commands.several import run_packages
    from qa2pack.pack.jobs import status as job
    from qa2pack.pack.jobs.signatures import signatures
    from qa2pack.pack.target import Target
    from qa2pack.pack.views.status import status_view
    from qa2pack.pack.views.view import View

    trust = signers.trust()

    def view_of(target: Target) -> View:
        found = job.status(target.package, target.opened)
        signed = [each.signed for each in signatures(target.package, trust)] if found.is_quiet else []
        return status_view(found, target, signed, trust)

    run_packages("status", package, view_of, is_json=json, is_output_all=True)
