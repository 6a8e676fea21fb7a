"""Completeness checks as data: what a complete reduction has, and what belongs to another kind of delivery.

A layout file has them as `[[check]]` tables. `manifest.layout.completeness` compares an origin with them. Nothing is
refused by a check: whether something is missing or was never made, only the reducer knows.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Needs:
    """A folder in which every member has something; `what` are its usual names and where they are, for messages."""

    folder: bytes
    what: str


@dataclass(frozen=True, slots=True)
class Alike:
    """Something that every marked place has if one of them has it.

    Attributes:
        folder: of the member, into which it goes.
        what: what it is, in the singular or plural, for messages.
        globs: its names in the origin; one of them is enough.
    """

    folder: bytes
    what: str
    globs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """Names of the origin by which another kind of delivery is known.

    Attributes:
        what: the other kind, for messages.
        globs: with a `/` of whole paths relative to the origin, else of names at any depth that the survey enters.
    """

    what: str
    globs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProjectCode:
    """Forms of a project code, as globs; the name of the package has one of them."""

    globs: tuple[str, ...]


Check = Needs | Alike | Absent | ProjectCode
