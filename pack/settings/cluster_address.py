"""Check of the cluster address: an unencrypted connection to another machine is refused.

Results of workers are unpickled here, so anyone who can write into the connection can run code as the user. With TLS
that is a holder of a certificate, on the loopback a user of this machine; otherwise anyone on the network path.
"""

import ipaddress

from qa2pack.manifest.problem import Code, Problem, Refused

_SAFE = ("tls", "wss", "inproc")  # inproc never leaves the process


def check_address(address: str, *, is_insecure: bool) -> None:
    """Refuse an unencrypted connection to another machine.

    Args:
        is_insecure: the user accepts that everybody who can reach that network can act as the user.

    Raises:
        Refused: the address is such a connection.
    """
    scheme, is_named, place = address.rpartition("://")
    if is_insecure or (is_named and scheme in _SAFE) or _is_loopback(place):
        return
    raise Refused(Problem(Code.NOT_ENCRYPTED, address.encode("utf-8", "surrogateescape")))


def _is_loopback(place: str) -> bool:
    host, _, port = place.rpartition(":")
    if not port.isdigit():
        host = place
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
