"""Paths as people type them, and commands that they can type again.

Any bytes are taken; a trailing slash and a relative path are fine. Links in the way to a package are resolved, its
own last part is kept, because the control folder stands beside that name.
"""

import os
import re
import shlex
from dataclasses import dataclass

from qa2pack.manifest.package import Package
from qa2pack.manifest.path import join

_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """A package, and how the user calls it.

    Attributes:
        typed: the path as it was typed, without trailing slashes.
    """

    package: Package
    typed: bytes

    @property
    def quoted(self) -> str:
        """The path for a command that is shown to the user."""
        return quoted(self.typed)


def target_of(text: str) -> Target:
    """Return the package at a path; the current folder and its parents are named by `.` and `..`."""
    typed = _stripped(os.fsencode(text))
    parent, name = os.path.split(typed)
    path = os.path.realpath(typed) if name in (b"", b".", b"..") else join(os.path.realpath(parent or b"."), name)
    return Target(Package(path.replace(b"//", b"/")), typed)


def origin_of(text: str) -> bytes:
    """Return the absolute path of an origin, without links."""
    return os.path.realpath(os.fsencode(text))


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
