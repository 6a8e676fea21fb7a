"""Where defaults of options come from: a `pack.toml` beside the origin, and one in the user's configuration folder.

Beside means in the folder that holds the origin, where the other scheduling blocks of the project lie: one file
serves all of them, and none is part of a reduction. It chooses which files of the user are packaged, and how; so one
that belongs to somebody else, neither the user nor root, counts only if the user's own file names it.
"""

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from qa2pack.manifest.alma.control_folder_owner import foreign_owner
from qa2pack.manifest.fs.untrusted import SMALL_BYTES, opened_control, read_bounded
from qa2pack.manifest.path import join, shown
from qa2pack.pack.settings.option_source import SettingsError

if TYPE_CHECKING:
    from qa2pack.pack.settings.keys import Settings

NAME = b"pack.toml"
_TRUSTED = "trusted"


def find_settings(folder: bytes, environment: Mapping[str, str]) -> "tuple[Settings, ...]":
    """Return what the files that are there say; the one that counts more first.

    Args:
        folder: the folder that holds the origin, or the package where no origin is named.

    Raises:
        SettingsError: a file cannot be read, or something in it is not understood.
    """
    own_path = own_settings_path(environment)
    own = _table_at(own_path, own_path) if own_path else None
    trusted = _trusted(own, own_path, environment)
    beside = join(folder, NAME)
    near = None if own_path and beside == os.path.realpath(own_path) else _table_at(beside, own_path, trusted)
    return tuple(
        _settings(table, path, own_path) for table, path in ((near, beside), (own, own_path)) if table is not None
    )


def own_settings_path(environment: Mapping[str, str]) -> bytes:
    """Return where the user's own file is; empty where no place is known.

    After the XDG base directory specification, https://specifications.freedesktop.org/basedir-spec/latest/: a
    relative path in the variable does not count.
    """
    base = os.fsencode(environment.get("XDG_CONFIG_HOME", ""))
    if not base.startswith(b"/"):
        home = os.fsencode(environment.get("HOME", ""))
        base = join(home, b".config") if home.startswith(b"/") else b""
    return join(base, b"qa2pack/" + NAME) if base else b""


def _table_at(path: bytes, own: bytes, trusted: frozenset[bytes] = frozenset()) -> dict[str, object] | None:
    """Return what a file says; None where there is none, or one that is left aside because of its owner."""
    # The user's own may be a link into a collection of such files; one that lies in a shared folder may not.
    place = os.path.realpath(path) if path == own else path
    try:
        with opened_control(place) as file:
            owner = foreign_owner(os.fstat(file.fileno()).st_uid)
            if owner and path not in trusted:
                _report_ignored(path, owner, own)
                return None
            return _parsed(path, read_bounded(file, place, limit_bytes=SMALL_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError(path, f"it cannot be read ({error.strerror})") from error


def _trusted(table: dict[str, object] | None, own: bytes, environment: Mapping[str, str]) -> frozenset[bytes]:
    """Take from the user's own file the paths of other people's that count, too."""
    paths = [] if table is None else table.pop(_TRUSTED, [])
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise SettingsError(own, f"{_TRUSTED} must be a list of paths of pack.toml files")
    home = environment.get("HOME", "")
    written = (home + path[1:] if path.startswith("~/") else path for path in paths)
    return frozenset(os.path.realpath(os.fsencode(path)) for path in written)


def _report_ignored(path: bytes, owner: str, own: bytes) -> None:
    how = (
        f' To let it count, write {_TRUSTED} = ["{shown(path)}"] into {shown(own)}.' if own not in (b"", path) else ""
    )
    print(f"Left aside: {shown(path)}, which belongs to {owner}.{how}", file=sys.stderr)


def _parsed(path: bytes, data: bytes) -> dict[str, object]:
    # Only here, because most commands find no file: what takes one apart takes time to load.
    import tomllib

    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or nested beyond all measure
        raise SettingsError(path, f"it is not valid TOML ({error})") from error


def _settings(table: Mapping[str, object], path: bytes, own: bytes) -> "Settings":
    from qa2pack.pack.settings.keys import read_settings

    if _TRUSTED in table:
        raise SettingsError(path, f"{_TRUSTED} is refused here: it counts only in your own file, {shown(own)}")
    return read_settings(table, path, own=own)
