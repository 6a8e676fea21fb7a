"""Found texts: files of an adopted member in place of those that its layout makes of templates. Pure."""

import re
from collections.abc import Iterable, Iterator

from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.layout.template import Template


def found_texts(layout: Layout, paths: Iterable[bytes], beside: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the paths that may be those of a text that the layout makes of a template.

    With which values a path was filled is not known, so any fits. A text that is not made of a template is the same
    each time, and no such one.

    Args:
        paths: in the member.
        beside: names of the files beside the package; they are returned as `../NAME`.
    """
    made = [write for write in layout.writes if write.template is not None]
    return (
        *_fitting(paths, [write.to for write in made if not write.is_beside]),
        *(b"../" + name for name in sorted(_fitting(beside, [write.to for write in made if write.is_beside]))),
    )


def _fitting(paths: Iterable[bytes], targets: list[Template]) -> Iterator[bytes]:
    texts = [b"[^/]+".join(re.escape(part.encode()) for part in to.parts[::2]) for to in targets]
    expression = re.compile(b"|".join(b"(?:%b)" % text for text in texts))
    return (path for path in paths if expression.fullmatch(path)) if targets else iter(())
