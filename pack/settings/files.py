"""Find and read settings files: the `pack.toml` beside the origin, and the user's own one.

Beside means in the folder that holds the origin, with the other scheduling blocks of the project: one file serves all
of them, and is not part of a reduction. It decides which files of the user are packaged, so a file that belongs
neither to the user nor to root is used only if the user's own file lists it as trusted.

HOME may be that of another user, as after `sudo -u`: a file in a folder of theirs that is closed to the user is not
the user's own, and is left aside too.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from qa2pack.manifest.alma.control_folder_owner import is_foreign
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.control_file import SMALL_BYTES, opened_control, read_bounded
from qa2pack.manifest.fs.presence import is_there, real_path
from qa2pack.manifest.fs.toml_text import parse_toml
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.quantity import Owner, owner_named
from qa2pack.pack.settings.option_source import SettingsError

if TYPE_CHECKING:
    from qa2pack.pack.settings.keys import Settings

NAME = b"pack.toml"


@dataclass(frozen=True, slots=True)
class Ignored:
    """A file that is left aside because of its owner.

    Attributes:
        owner: of the file, or of `closed`.
        closed: the folder in which it would be looked for, if that is closed to the user.
    """

    path: bytes
    owner: Owner
    closed: bytes = b""

    @property
    def reason(self) -> str:
        """Why it is left aside, in words."""
        if self.closed:
            return f"in {shown(self.closed)}, which belongs to {self.owner} and is closed to you"
        return f"which belongs to {self.owner}"


@dataclass(frozen=True, slots=True)
class FoundSettings:
    """The files that were found.

    Attributes:
        files: those that count, the one with precedence first.
        own: path of the user's own file, which need not exist; empty if there is no configuration folder, or it
            is closed to the user.
    """

    files: "tuple[Settings, ...]"
    ignored: tuple[Ignored, ...]
    own: bytes


_TRUSTED = "trusted"
_WAYS_OUT = "chmod u+rx, or set XDG_CONFIG_HOME, or PACK_NO_SETTINGS=1"


def find_settings(folder: bytes, environment: Mapping[str, str]) -> "tuple[Settings, ...]":
    """Return the settings of all existing files, the one with precedence first; report those that are left aside.

    Args:
        folder: the folder that holds the origin, or the package if no origin is given.

    Raises:
        SettingsError: a file cannot be read or parsed.
    """
    found = look_for_settings(folder, environment)
    for each in found.ignored:
        _report_ignored(each, found.own)
    return found.files


def look_for_settings(folder: bytes, environment: Mapping[str, str]) -> FoundSettings:
    """Return all files that exist; as `find_settings`, and reports nothing."""
    ignored: list[Ignored] = []
    own_path = _open_to_us(own_settings_path(environment), ignored)
    own = _table_at(own_path, own_path, ignored) if own_path else None
    trusted = _trusted(own, own_path, environment)
    beside = join(folder, NAME)
    near = None if own_path and beside == real_path(own_path) else _table_at(beside, own_path, ignored, trusted)
    files = tuple(
        _settings(table, path, own_path) for table, path in ((near, beside), (own, own_path)) if table is not None
    )
    return FoundSettings(files, tuple(ignored), own_path)


def key_lines(path: bytes) -> dict[str, int]:
    """Return the line in which each key of a file begins, counted from 1; the file was read before.

    A key is in the first piece of the file that is valid and has it; pieces end with a line. So it begins behind the
    valid piece before: comments and blank lines make valid pieces, and a value of several lines makes none in it.
    """
    with opened_control(real_path(path)) as file:
        lines = read_bounded(file, path, limit_bytes=SMALL_BYTES).splitlines(keepends=True)
    found: dict[str, int] = {}
    valid = 0
    for count in range(1, len(lines) + 1):
        try:
            table = parse_toml(b"".join(lines[:count]))
        except ValueError:
            continue
        for name, value in table.items():
            for key in (f"{name}.{part}" for part in value) if isinstance(value, dict) else (name,):
                found.setdefault(key, valid + 1)
        valid = count
    return found


def unused_settings(folders: Iterable[bytes], used: bytes, environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return the files called `pack.toml` in the folders, sorted, without those that count.

    Args:
        used: the folder whose file counts.
    """
    own = _open_to_us(own_settings_path(environment), [])
    counting = {join(used, NAME), own, real_path(own)}
    return tuple(sorted(path for path in {join(folder, NAME) for folder in folders} - counting if is_there(path)))


def own_settings_path(environment: Mapping[str, str]) -> bytes:
    """Return the path of the user's own file; empty if there is no configuration folder.

    Follows the XDG base directory specification, https://specifications.freedesktop.org/basedir-spec/latest/: a
    relative path in the variable is ignored.
    """
    base = os.fsencode(environment.get("XDG_CONFIG_HOME", ""))
    if not base.startswith(b"/"):
        home = os.fsencode(environment.get("HOME", ""))
        base = join(home, b".config") if home.startswith(b"/") else b""
    return join(base, b"qa2pack/" + NAME) if base else b""


def _open_to_us(own: bytes, ignored: list[Ignored]) -> bytes:
    """Return the path of the user's own file; empty if a folder of another user hides it, which is noted.

    Raises:
        SettingsError: a folder of the user hides it.
    """
    try:
        real_path(own)
    except PermissionError as error:
        closed = os.path.dirname(error.filename)
        uid = os.stat(closed).st_uid
        if uid == os.geteuid():
            raise SettingsError(own, f"your folder {shown(closed)} is closed to yourself ({_WAYS_OUT})") from error
        ignored.append(Ignored(own, owner_named(uid), closed))
        return b""
    return own


def _table_at(
    path: bytes, own: bytes, ignored: list[Ignored], trusted: frozenset[bytes] = frozenset()
) -> dict[str, object] | None:
    """Return the table of a file; None if there is none, or it is ignored because of its owner, and is noted."""
    # The user's own file may be a symlink, for instance into a dotfiles folder; one in a shared folder may not.
    place = real_path(path) if path == own else path
    try:
        with opened_control(place) as file:
            uid = os.fstat(file.fileno()).st_uid
            if is_foreign(uid) and path not in trusted:
                ignored.append(Ignored(path, owner_named(uid)))
                return None
            return _parsed(path, read_bounded(file, place, limit_bytes=SMALL_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError(path, f"it cannot be read ({error.strerror})") from error


def _trusted(table: dict[str, object] | None, own: bytes, environment: Mapping[str, str]) -> frozenset[bytes]:
    """Return the paths of other users' files that the user's own file lists as trusted."""
    paths = [] if table is None else table.pop(_TRUSTED, [])
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise SettingsError(own, f"{_TRUSTED} must be a list of paths of pack.toml files")
    home = environment.get("HOME", "")
    written = (home + path[1:] if path.startswith("~/") else path for path in paths)
    return frozenset(real_path(os.fsencode(path)) for path in written)


def _report_ignored(ignored: Ignored, own: bytes) -> None:
    path = shown(ignored.path)
    how = ""
    if ignored.closed:
        how = " Set HOME or XDG_CONFIG_HOME to a folder of yours."
    elif own not in (b"", ignored.path):
        how = f' To trust it, add to {shown(own)}: {_TRUSTED} = ["{path}"]'
    print(f"Ignored: {path}, {ignored.reason}.{how}", file=sys.stderr)


def _parsed(path: bytes, data: bytes) -> dict[str, object]:
    try:
        return parse_toml(data)
    except ValueError as error:
        raise SettingsError(path, f"it is not valid TOML ({error})") from error


def _settings(table: Mapping[str, object], path: bytes, own: bytes) -> "Settings":
    from qa2pack.pack.settings.keys import read_settings

    if _TRUSTED in table:
        raise SettingsError(path, f"{_TRUSTED} is refused here: it counts only in your own file, {shown(own)}")
    return read_settings(table, path, own=own)
