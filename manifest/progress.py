"""Progress: the interface through which bulk work reports files and bytes done; silent by default."""

from typing import Protocol


class Progress(Protocol):
    """Receives phases and what was done in them; called once per batch, so it must be cheap."""

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Begin a phase; a total is 0 where it is not known."""
        ...

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Count files and bytes as done in the phase."""
        ...


class Silent:
    """Reports nothing."""

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Ignore it."""

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Ignore it."""
