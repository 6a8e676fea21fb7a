"""Result of signing: values of `pack.jobs.sign`, apart from it, because every apply shows one and few sign."""

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.signature.signature import Signature


@dataclass(frozen=True, slots=True)
class SignedMember:
    """A member whose manifest is signed.

    Attributes:
        is_new: this run signed it; else a signature that fits was there.
    """

    member: bytes
    signature: Signature
    is_new: bool


@dataclass(frozen=True, slots=True)
class Signing:
    """Result of signing what an apply made.

    Attributes:
        members: those that are signed.
        problems: why they are not; the package is applied.
    """

    members: tuple[SignedMember, ...] = ()
    problems: tuple[Problem, ...] = ()
