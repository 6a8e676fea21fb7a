"""The plan that waits already: a new one takes its place, and it is gone without having been applied."""

import time
from collections.abc import Iterator

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.header import StreamKind, read_header
from qa2pack.manifest.format.stream import StreamError, peek_stream
from qa2pack.manifest.heading import user_name
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.request import PlanRequest


def replaced_plan(request: PlanRequest) -> Iterator[Problem]:
    """Yield a warning if the waiting plan is somebody else's, or of another origin; to plan again is no news."""
    try:
        waiting = read_header(peek_stream(Package(request.package).plan), StreamKind.PLAN)
    except (StreamError, FileNotFoundError):
        return
    if (waiting.user, waiting.origin) != (user_name(), request.origin):
        when = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(waiting.scanned_ns / 1e9))
        is_own = waiting.user == user_name()
        whose = "your own" if is_own else f"that of {shown(waiting.user)} on {shown(waiting.host)}"
        yield Problem(Code.W_PLAN_REPLACED, waiting.origin, found=f"{whose} of {when}, mode {waiting.mode}")
