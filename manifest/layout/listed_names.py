"""Listed names: the names of files that an XML file, such as the manifest of a pipeline, holds in some elements.

Pure. The file may be anybody's: it is parsed as a stream, no tree is built, an entity that it declares is refused
before it can be expanded, and nothing outside of it is loaded.
"""

from collections.abc import Collection
from xml.parsers.expat import ExpatError, ParserCreate

_MOST_NAMES = 1_000_000
_NAMESPACE_END = "}"  # between a namespace and a name; neither holds it


class ListError(ValueError):
    """It is no list of names that can be read; the text says why."""


def listed_names(data: bytes, elements: Collection[str], attribute: str) -> tuple[bytes, ...]:
    """Return the names, each once, in the order of the file; of one that is a path, the last part.

    Args:
        elements: the elements that hold names, without their namespaces.
        attribute: the attribute that is the name; empty where the text of the element is it.

    Raises:
        ListError: it is not XML, declares an entity, or has more names than anybody would list.
    """
    found = _Names(frozenset(elements), attribute)
    parser = ParserCreate(namespace_separator=_NAMESPACE_END)
    parser.buffer_text = True
    parser.StartElementHandler = found.start
    parser.EndElementHandler = found.end
    parser.CharacterDataHandler = found.text
    parser.EntityDeclHandler = _refuse_entity
    try:
        parser.Parse(data, True)
    except ListError:
        raise
    except (ExpatError, ValueError, LookupError) as error:  # the last two: of its encoding
        raise ListError(f"it is not XML: {error}") from error
    return tuple(found.names)


def _refuse_entity(*_: object) -> None:
    raise ListError("it declares an entity")


class _Names:
    """Collects the names while the file is parsed."""

    def __init__(self, elements: frozenset[str], attribute: str) -> None:
        self._elements = elements
        self._attribute = attribute
        self._open: list[list[str]] = []
        self.names: dict[bytes, None] = {}

    def start(self, element: str, attributes: dict[str, str]) -> None:
        if not self._is_wanted(element):
            return
        if self._attribute:
            self._add(attributes.get(self._attribute, ""))
        else:
            self._open.append([])

    def end(self, element: str) -> None:
        if not self._attribute and self._is_wanted(element):
            self._add("".join(self._open.pop()))

    def text(self, text: str) -> None:
        if self._open:
            self._open[-1].append(text)

    def _is_wanted(self, element: str) -> bool:
        return element.rpartition(_NAMESPACE_END)[2] in self._elements

    def _add(self, text: str) -> None:
        name = text.strip().rpartition("/")[2].encode()
        if name:
            self.names[name] = None
        if len(self.names) > _MOST_NAMES:
            raise ListError(f"it has more than {_MOST_NAMES:,} names")
