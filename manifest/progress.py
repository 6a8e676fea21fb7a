"""What bulk work tells about how far it is; silent unless somebody listens."""

from typing import Protocol


class Progress(Protocol):
    """Told about phases and what was done in them; must be cheap, is called once per batch."""

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Begin a phase; totals are 0 where they are not known."""
        ...

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Count files and bytes as done in the phase."""
        ...


class Silent:
    """Says nothing."""

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Ignore it."""

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Ignore it."""
