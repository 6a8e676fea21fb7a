"""Includes: `--include GLOB=role`, globs with a role that override the layout."""

from collections.abc import Iterable
from dataclasses import dataclass

from qa2pack.manifest.alma.role import ROLES, Role
from qa2pack.manifest.layout.globs import first_match
from qa2pack.manifest.problem import Code, Problem, Refused


@dataclass(frozen=True, slots=True)
class Include:
    """`--include GLOB=role`."""

    glob: str
    role: Role


def parse_include(text: str) -> Include:
    """Read `GLOB=role`; the glob itself may hold `=`.

    Raises:
        Refused: the glob is missing, or the role is not known.
    """
    glob, _, role = text.rpartition("=")
    if not glob.rstrip("/") or role not in ROLES:
        path = text.encode("utf-8", "surrogateescape")
        expected = f"GLOB=role with one of {', '.join(ROLES)}"
        raise Refused(Problem(Code.UNKNOWN_ROLE, path, expected=expected))
    return Include(glob, Role(role))


def spelt_out(includes: Iterable[Include]) -> tuple[Include, ...]:
    """Return the includes without a wildcard: only they may include files of other programs."""
    return tuple(include for include in includes if not set("*?[{").intersection(include.glob))


def included_folder(path: bytes, includes: Iterable[Include]) -> str:
    """Return the folder of the first include that matches the path; empty if none does."""
    return next((include.role.value for include in includes if first_match(path, (include.glob,))), "")
