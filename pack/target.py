"""Paths as people type them, and commands that they can type again.

Any bytes are taken; a trailing slash and a relative path are fine. Links in the way to a package are resolved, and a
package that is itself a link is the one that the link leads to: what belongs to a package stands beside it, not
beside a link that was left where it was.
"""

import os
import re
import shlex
from dataclasses import dataclass

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.fs import presence
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.path import join, shown

_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """A package, and how the user calls it.

    Attributes:
        typed: the path as it was typed, without trailing slashes.
        is_link: what was typed is a link; the package is what it leads to.
    """

    package: Package
    typed: bytes
    is_link: bool = False

    @property
    def quoted(self) -> str:
        """The path for a command that is shown to the user."""
        return quoted(self.typed)

    def link_lines(self, noun: str) -> tuple[str, ...]:
        """Return the line that tells of a link and where it leads to; none if there is no link."""
        return (f"{self.quoted} is a link; the {noun} is {shown(self.package.path)}",) if self.is_link else ()


def target_of(text: str) -> Target:
    """Return the package at a path, or where a link there leads to; `.` and `..` name the folders that they are."""
    typed = _stripped(os.fsencode(text))
    parent, name = os.path.split(typed)
    is_link = presence.is_link(typed)
    is_name = name not in (b"", b".", b"..") and not is_link
    path = join(real_path(parent or b"."), name) if is_name else real_path(typed)
    return Target(Package(path.replace(b"//", b"/")), typed, is_link)


def origin_of(text: str) -> bytes:
    """Return the absolute path of an origin, without links."""
    return real_path(os.fsencode(text))


def quoted(path: bytes) -> str:
    """Return the path as a shell takes it, in characters that any terminal shows as they are."""
    if path.startswith(b"-"):
        path = b"./" + path  # else it would read as an option
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return _escaped(path)
    if _PLAIN.fullmatch(text):
        return text
    return shlex.quote(text) if text.isprintable() else _escaped(path)


def _escaped(path: bytes) -> str:
    """Return the path in the quotes of bash and zsh that know escapes."""
    return "$'" + "".join(chr(b) if 32 <= b < 127 and b not in b"'\\" else f"\\x{b:02x}" for b in path) + "'"


def _stripped(path: bytes) -> bytes:
    return path.rstrip(b"/") or path[:1]
