"""Where the values of options are from that were not typed, and what is wrong where they cannot be understood.

Small, because every command loads it.
"""

from dataclasses import dataclass

from qa2pack.manifest.path import shown


@dataclass(frozen=True, slots=True)
class Default:
    """An option that was not typed.

    Attributes:
        source: path of a file, or name of an environment variable, as it is shown.
    """

    option: str
    source: str


class SettingsError(ValueError):
    """A `pack.toml` that is not understood.

    Attributes:
        path: the file.
        reason: what is wrong with it, and with which key.
    """

    def __init__(self, path: bytes, reason: str) -> None:
        super().__init__(f"in {shown(path)}: {reason}")
        self.path = path
        self.reason = reason
