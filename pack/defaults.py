"""Where the value of an option is from, when it was not typed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Default:
    """An option that was not typed.

    Attributes:
        source: path of a file, or name of an environment variable, as it is shown.
    """

    option: str
    source: str
