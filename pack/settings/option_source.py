"""Source of an option's value (settings file or environment variable), and the error of a settings file.

Small, because every command imports it.
"""

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.path import shown


@dataclass(frozen=True, slots=True)
class Default:
    """An option that was not typed on the command line.

    Attributes:
        source: path of the file, or name of the environment variable, as shown.
    """

    option: str
    source: str


class SettingsError(ValueError):
    """A `pack.toml` that cannot be read or parsed.

    Attributes:
        path: the file.
        reason: what is wrong, with the key.
    """

    def __init__(self, path: bytes, reason: str) -> None:
        super().__init__(f"in {shown(path)}: {reason}")
        self.path = path
        self.reason = reason
