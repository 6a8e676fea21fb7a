"""Includes: `--include GLOB=role`, globs with a role that override the layout."""

from collections.abc import Iterable

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.globs import first_match
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.role import Role, names_of


@dataclass(frozen=True, slots=True)
class Include:
    """`--include GLOB=role`."""

    glob: str
    role: str


def parse_include(text: str) -> Include:
    """Read `GLOB=role`; the glob itself may hold `=`.

    Raises:
        Refused: glob or role is missing.
    """
    glob, _, role = text.rpartition("=")
    if not glob.rstrip("/") or not role:
        raise Refused(Problem(Code.UNKNOWN_ROLE, _bytes(text), expected="GLOB=role"))
    return Include(glob, role)


def check_includes(includes: Iterable[Include], roles: Iterable[Role]) -> None:
    """Refuse includes whose role the layout does not have.

    Raises:
        Refused: with all of them.
    """
    known = tuple(roles)
    expected = f"GLOB=role with one of {names_of(known)}" if known else "no --include: the layout has no [[folder]]"
    unknown = [one for one in includes if one.role not in [role.name for role in known]]
    if unknown:
        raise Refused(*(Problem(Code.UNKNOWN_ROLE, _bytes(f"{one.glob}={one.role}"), expected) for one in unknown))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def spelt_out(includes: Iterable[Include]) -> tuple[Include, ...]:
    """Return the includes without a wildcard: only they may include files of other programs."""
    return tuple(include for include in includes if not set("*?[{").intersection(include.glob))


def included_folder(path: bytes, includes: Iterable[Include]) -> str:
    """Return the folder of the first include that matches the path; empty if none does."""
    return next((include.role for include in includes if first_match(path, (include.glob,))), "")
