"""Casacore hosts of the tests: all share one, and what a test has started besides ends with it.

A host belongs to a user, to limits and to a search path. A test that changes one of them gets another host, and the
next test as well: without an end to them every such test left a process behind, and loaded casacore twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from qa2pack.executor.casa.child_process import _Host, _hosts, start_host


@contextmanager
def hosts_as_before() -> Iterator[None]:
    """End the hosts that the block starts; the first of all is started anew after it, under what holds for all."""
    before = list(_hosts)
    yield
    started = [host for host in _hosts if host not in before]
    for host in started:
        _end(host)
    if started and not _hosts:
        start_host()


def end_hosts() -> None:
    """End all hosts of this process."""
    for host in list(_hosts):
        _end(host)


def _end(host: _Host) -> None:
    """Kill it: processes that were forked meanwhile may keep it from ending by itself."""
    _hosts.remove(host)
    host.control.close()
    host.process.kill()
    host.process.wait()
