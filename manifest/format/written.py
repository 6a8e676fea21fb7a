"""Written files of a member, as its plan and manifest record them: the texts that the program puts in itself."""

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.path import check_relative

# The line ends that a text may have.
NEWLINES = ("\n", "\r\n")


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that the program writes, besides the README with the header.

    Attributes:
        path: relative to the member.
        text: its content; empty for one that is late.
        template: what the text is made of, kept to make it again; empty where the text was given.
        values: of the variables of the template, each with its name.
        newline: line end of the lines of the template.
        digests: of each file, which the template names.
        is_late: the text lists files, so it is made from the staged member.
        has_project: the project code is a part of the path.
    """

    path: bytes
    text: bytes = b""
    template: str = ""
    values: tuple[tuple[str, bytes], ...] = ()
    newline: str = "\n"
    digests: tuple[str, ...] = ()
    is_late: bool = False
    has_project: bool = False


@dataclass(frozen=True, slots=True)
class BesideFile:
    """A file that the program writes beside the package.

    Attributes:
        file: how its text is made; the path is its name.
        size, digest: of the text; in plans 0 and empty, because it is made from what is staged.
    """

    file: WrittenFile
    size: int = 0
    digest: bytes = b""

    @property
    def name(self) -> bytes:
        """Its name in the folder that holds the package."""
        return self.file.path


def check_written(files: tuple[WrittenFile, ...]) -> None:
    """Refuse files that could lead out of the member, or that no layout can have.

    Raises:
        UnsafePathError: a path leads out of the member.
        ValueError: a line end is none.
    """
    for file in files:
        check_relative(file.path or b"//")
        if file.newline not in NEWLINES:
            raise ValueError(f"no line end: {file.newline!r}")
