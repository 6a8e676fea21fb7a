"""Written files of a layout: `[[write]]`, texts that the program puts into a member itself.

The text is in the layout, or made from a template, or that of a file elsewhere. Values only;
`manifest.layout.read_writes` reads the tables, and `manifest.plan.written` makes the texts.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.template import NoPathError, NoValueError, Template
from qa2pack.manifest.layout.text_template import FACTS, TextTemplate


@dataclass(frozen=True, slots=True)
class Write:
    """One written file.

    Attributes:
        to: path in the member.
        text: its bytes; None if they come from the template or the file.
        template: what its text is made of; None for the other two.
        source: the variable whose value is the path of a file that has the text; empty for the other two.
        is_needed: without a value for `source` the plan is refused; otherwise the file is left out.
        if_missing: only where no file of the origin goes to that path; otherwise the two are refused.
        is_beside: `to` is the name of a file beside the package.
        newline: line end of a text that is made from a template.
        line: where it begins in the layout file, for messages; 0 if that is not known.
    """

    to: Template
    text: bytes | None = None
    template: TextTemplate | None = None
    source: str = ""
    is_needed: bool = False
    if_missing: bool = False
    is_beside: bool = False
    newline: str = "\n"
    line: int = 0

    def is_given(self, values: Mapping[str, bytes]) -> bool:
        """Return whether its text is there, or must be: of a file elsewhere only where the path is given."""
        return not self.source or self.is_needed or self.source in values

    @property
    def path(self) -> str:
        """Its path as it is in the layout."""
        return f"../{self.to.text}" if self.is_beside else self.to.text

    @property
    def needs(self) -> frozenset[str]:
        """The variables that must have a value."""
        used = self.template.variables - FACTS if self.template else frozenset()
        return self.to.variables | used | ({self.source} if self.source and self.is_needed else frozenset())


def written_paths(writes: Iterable[Write], values: Mapping[str, bytes], taken: Collection[bytes]) -> Iterator[bytes]:
    """Yield the paths in the member of what is written, as far as the values tell them.

    Args:
        taken: the paths of what comes from the origin.
    """
    for write in writes:
        try:
            path = write.to.fill(values.get)
        except (NoValueError, NoPathError):
            continue  # the plan is refused
        if not write.is_beside and write.is_given(values) and not (write.if_missing and path in taken):
            yield path
