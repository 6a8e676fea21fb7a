"""A package that is verified, with its signatures; for `pack verify` and `pack batch verify`."""

from contextlib import ExitStack, closing

from qa2pack.manifest.signature.signature import Trust, Verifier
from qa2pack.pack.jobs import verify as job
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.target import Target
from qa2pack.pack.views.verify import verify_view
from qa2pack.pack.views.view import View


def verified_view(target: Target, workers: Workers, trust: Trust, *, is_quick: bool, shows_all: bool) -> View:
    """Verify a package and return the view of it; raises as `jobs.read.existing_package` and `jobs.verify`."""
    state = existing_package(target)
    with ExitStack() as stack:
        verifier = stack.enter_context(closing(Verifier(trust)))
        found = job.verify_signed(target.package, workers, target.opened, verifier, is_quick=is_quick)
        close = stack.pop_all().close  # the view still reads manifests
    return verify_view(found, target, state, is_quick=is_quick, shows_all=shows_all, trust=trust, close=close)
