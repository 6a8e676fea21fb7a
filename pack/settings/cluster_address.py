"""Which addresses of a cluster are taken: what its workers send back is unpickled here, which runs what it says.

So whoever can write into the connection can run anything as the user. With TLS these are the holders of a
certificate, on the loopback the users of this machine; anywhere else it is everybody on the way.
"""

import ipaddress

from qa2pack.manifest.path import shown
from qa2pack.pack.refused import Refused

_SAFE = ("tls", "wss", "inproc")  # inproc never leaves the process


def check_address(address: str, *, is_insecure: bool) -> None:
    """Refuse a plain connection to another machine.

    Args:
        is_insecure: the user said that everybody who can reach that network may act as they do.

    Raises:
        Refused: it is one.
    """
    scheme, is_named, place = address.rpartition("://")
    if is_insecure or (is_named and scheme in _SAFE) or _is_loopback(place):
        return
    raise Refused(
        f"the connection to {shown(address)} is not encrypted, and whoever can write into it can run programs as you",
        "start the cluster with certificates and give tls://HOST:PORT; or, in a network that only people use whom "
        "you trust with your account, add --insecure-cluster",
    )


def _is_loopback(place: str) -> bool:
    host, _, port = place.rpartition(":")
    if not port.isdigit():
        host = place
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
