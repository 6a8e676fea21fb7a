"""Times as people and machines read them."""

import time


def local_time(at_ns: int) -> str:
    """Return a time, ns since the epoch, on the clock of this machine: `2012-06-20 14:03:55 +0200`."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at_ns / 1e9))


def utc_time(at_ns: int) -> str:
    """Return a time, ns since the epoch, as ISO 8601 in UTC: `2012-06-20T12:03:55Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ns / 1e9))
