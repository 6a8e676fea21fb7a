"""The name of a member in headers and journals, where it is two fields: `group`, and `member`, the last part."""

from collections.abc import Mapping

from qa2pack.manifest.alma.member_ids import PACKAGE_ITSELF
from qa2pack.manifest.format.wire import WireError, read_value
from qa2pack.manifest.path import check_relative, join


def check_member(member: bytes) -> None:
    """Refuse a name of a member whose folder could be outside of the package; raises UnsafePathError."""
    if member != PACKAGE_ITSELF:
        check_relative(member)


def member_to_wire(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields with the two in place of `member`."""
    group, _, last = read_value(bytes, fields["member"]).rpartition(b"/")
    wire: dict[str, object] = {}
    for name, value in fields.items():
        wire |= {"group": group, "member": last} if name == "member" else {name: value}
    return wire


def member_from_wire(wire: Mapping[str, object]) -> dict[str, object]:
    """Return the fields with one `member` in place of the two.

    Raises:
        WireError: one of them is missing or no path.
        UnsafePathError: they could lead out of the package.
    """
    try:
        group, last = (read_value(bytes, wire[name]) for name in ("group", "member"))
    except KeyError as error:
        raise WireError(f"nothing of {error}") from error
    member = join(group, last)
    if not last or b"/" in last:
        raise WireError("a member without a name")
    check_member(member)
    return {name: value for name, value in wire.items() if name != "group"} | {"member": member}
