"""Paths of the command line: parsing of PACKAGE and ORIGIN, and shell quoting for commands in messages.

Any bytes, a trailing slash and relative paths are accepted. Symlinks in the path of a package are resolved, also one
that is the package itself: the control folder is beside the real package, not beside the symlink.
"""

import errno
import os
import re
import shlex
from dataclasses import field

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.fs import presence
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.path import is_address, join, shown

_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """The package of a command, and the path by which the user named it.

    Attributes:
        typed: the path as it was typed, without trailing slashes.
        is_link: the typed path is a symlink; the package is its target.
        opened: the plans and manifests of the package that the command has opened.
    """

    package: Package
    typed: bytes
    is_link: bool = False
    opened: OpenedFiles = field(default_factory=OpenedFiles, compare=False, repr=False)

    @property
    def quoted(self) -> str:
        """The path as typed, quoted for a shell."""
        return quoted(self.typed)

    def link_lines(self, noun: str) -> tuple[str, ...]:
        """Return the line that reports a symlink and its target; none if there is no symlink."""
        return (f"{self.quoted} is a link; the {noun} is {shown(self.package.path)}",) if self.is_link else ()


def target_of(text: str) -> Target:
    """Return the package at a path, symlinks resolved; `.` and `..` are resolved to the folders that they name.

    The address of a store is no path: what is there is a delivery, and nothing of it is looked at here.
    """
    typed = _stripped(os.fsencode(text))
    if is_address(text):
        return Target(Package(typed), typed)
    parent, name = os.path.split(typed)
    is_link = _is_link(typed)
    is_name = name not in (b"", b".", b"..") and not is_link
    path = join(real_path(parent or b"."), name) if is_name else real_path(typed)
    return Target(Package(path.replace(b"//", b"/")), typed, is_link)


def _is_link(path: bytes) -> bool:
    try:
        return presence.is_link(path)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False  # which the plan refuses, with the reason


def origin_of(text: str) -> bytes:
    """Return the absolute path of an origin, symlinks resolved."""
    return real_path(os.fsencode(text))


def quoted(path: bytes) -> str:
    """Return the path quoted for a shell, in printable ASCII."""
    if path.startswith(b"-"):
        path = b"./" + path  # else it would be parsed as an option
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return _escaped(path)
    if _PLAIN.fullmatch(text):
        return text
    return shlex.quote(text) if text.isprintable() else _escaped(path)


def _escaped(path: bytes) -> str:
    """Return the path in the ANSI-C quotes ($'...') of bash and zsh."""
    return "$'" + "".join(chr(b) if 32 <= b < 127 and b not in b"'\\" else f"\\x{b:02x}" for b in path) + "'"


def _stripped(path: bytes) -> bytes:
    return path.rstrip(b"/") or path[:1]
