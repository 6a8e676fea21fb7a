"""`pack adopt`: manifests for members that have none."""

from qa2pack.pack.commands.options import JobsOption, JsonOption, PackageArgument, QuietOption, TrustOwnerOption


def adopt(
    package: PackageArgument,
    trust_owner: TrustOwnerOption = None,
    jobs: JobsOption = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write manifests for members of PACKAGE that have none, as the old script left them.

    What is on disk now counts as right from then on: `pack verify` finds what changes later.

    Example: pack adopt 2011.0.00229.S
    """
    from qa2pack.pack.commands.run import run
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs.workers import RunOptions
    from qa2pack.pack.settings.trusted_owners import trusted_users
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.adopt import adopt_and_print

    run_options = RunOptions(jobs, is_quiet=quiet, is_json=json, trusted=trusted_users(trust_owner))
    attempt = Attempt("adopt", target_of(package))
    run(attempt, lambda: adopt_and_print(attempt, run_options), is_json=json)
