"""Writing the report page of a package."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the report."""

    output: bytes | None
    delivery: bytes | None
    has_full_verify: bool
