"""Find and read settings files: the `pack.toml` beside the origin, and the user's own one.

Beside means in the folder that holds the origin, with the other scheduling blocks of the project: one file serves all
of them, and is not part of a reduction. It decides which files of the user are packaged, so a file that belongs
neither to the user nor to root is used only if the user's own file lists it as trusted.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from qa2pack.manifest.alma.control_folder_owner import is_foreign
from qa2pack.manifest.fs.control_file import SMALL_BYTES, opened_control, read_bounded
from qa2pack.manifest.fs.presence import is_there, real_path
from qa2pack.manifest.fs.toml_text import parse_toml
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.quantity import Owner, owner_named
from qa2pack.pack.settings.option_source import SettingsError

if TYPE_CHECKING:
    from qa2pack.pack.settings.keys import Settings

NAME = b"pack.toml"
_TRUSTED = "trusted"


def find_settings(folder: bytes, environment: Mapping[str, str]) -> "tuple[Settings, ...]":
    """Return the settings of all existing files, the one with precedence first.

    Args:
        folder: the folder that holds the origin, or the package if no origin is given.

    Raises:
        SettingsError: a file cannot be read or parsed.
    """
    own_path = own_settings_path(environment)
    own = _table_at(own_path, own_path) if own_path else None
    trusted = _trusted(own, own_path, environment)
    beside = join(folder, NAME)
    near = None if own_path and beside == real_path(own_path) else _table_at(beside, own_path, trusted)
    return tuple(
        _settings(table, path, own_path) for table, path in ((near, beside), (own, own_path)) if table is not None
    )


def unused_settings(folders: Iterable[bytes], used: bytes, environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """Return the files called `pack.toml` in the folders, sorted, without those that count.

    Args:
        used: the folder whose file counts.
    """
    own = own_settings_path(environment)
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


def _table_at(path: bytes, own: bytes, trusted: frozenset[bytes] = frozenset()) -> dict[str, object] | None:
    """Return the table of a file; None if there is none, or it is ignored because of its owner."""
    # The user's own file may be a symlink, for instance into a dotfiles folder; one in a shared folder may not.
    place = real_path(path) if path == own else path
    try:
        with opened_control(place) as file:
            uid = os.fstat(file.fileno()).st_uid
            if is_foreign(uid) and path not in trusted:
                _report_ignored(path, owner_named(uid), own)
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


def _report_ignored(path: bytes, owner: Owner, own: bytes) -> None:
    how = f' To trust it, add to {shown(own)}: {_TRUSTED} = ["{shown(path)}"]' if own not in (b"", path) else ""
    print(f"Ignored: {shown(path)}, which belongs to {owner}.{how}", file=sys.stderr)


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
