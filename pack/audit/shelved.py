"""Values of the catalogue: a package of a shelf, and the result of its last verification."""

from collections.abc import Mapping
from enum import StrEnum

from qa2pack.manifest.dataclass import dataclass

MOST_FINDINGS = 20  # kept of one package; verifying it shows all


class Standing(StrEnum):
    """What is known of a package; the last three are wrong.

    UNVERIFIED: not verified since it came or was changed. FAILED: it could not be verified.
    """

    GOOD = "good"
    UNVERIFIED = "unverified"
    PROBLEMS = "problems"
    FAILED = "failed"
    GONE = "gone"

    @property
    def is_wrong(self) -> bool:
        """Return whether somebody should look."""
        return self not in (Standing.GOOD, Standing.UNVERIFIED)


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a package, as text."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verification came to.

    Attributes:
        result: GOOD, PROBLEMS or FAILED.
        findings: the first of them.
    """

    result: Standing
    seconds: float
    problem_count: int = 0
    warning_count: int = 0
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of a shelf.

    Attributes:
        counts: packages by what is known of them; has every standing.
        file_count, byte_count: of those that are not gone.
        oldest_ns: the verification that is longest ago, of those that are good; None without one.
    """

    counts: Mapping[Standing, int]
    file_count: int
    byte_count: int
    oldest_ns: int | None

    @property
    def package_count(self) -> int:
        """All packages, also those that are gone."""
        return sum(self.counts.values())

    @property
    def wrong_count(self) -> int:
        """Packages that somebody should look at."""
        return sum(count for standing, count in self.counts.items() if standing.is_wrong)


@dataclass(frozen=True, slots=True)
class Maker:
    """Who made a package: of its newest member."""

    user: str
    host: str
    program: str
    made_ns: int


@dataclass(frozen=True, slots=True)
class Shelved:
    """A package in the catalogue.

    Attributes:
        number: by which it is claimed.
        looked: see `facts.look_of`.
        gone_ns: since when it is not there; None while it is.
        verified_ns: when all of it was compared last; None if it never was since it came or was changed.
        result: of the last verification; None if there was none since.
        seconds: that one took; None if there was none.
        maker: None if no manifest of it can be used.
    """

    number: int
    path: bytes
    identity: bytes
    looked: bytes
    file_count: int
    byte_count: int
    member_count: int
    gone_ns: int | None
    verified_ns: int | None
    result: str | None
    problem_count: int
    warning_count: int
    seconds: float | None
    maker: Maker | None

    @property
    def standing(self) -> Standing:
        """What is known of it."""
        if self.gone_ns is not None:
            return Standing.GONE
        return Standing(self.result) if self.result else Standing.UNVERIFIED
