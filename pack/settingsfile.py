"""Where defaults of options come from: a `pack.toml` beside the origin, and one in the user's configuration folder.

Beside means in the folder that holds the origin, where the other scheduling blocks of the project lie: one file
serves all of them, and none is part of a reduction.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from qa2pack.manifest.opening import SMALL_BYTES, read_control
from qa2pack.manifest.path import join
from qa2pack.pack.defaults import SettingsError

if TYPE_CHECKING:
    from qa2pack.pack.settings import Settings

NAME = b"pack.toml"


def find_settings(folder: bytes, environment: Mapping[str, str]) -> "tuple[Settings, ...]":
    """Return what the files that are there say; the one that counts more first.

    Args:
        folder: the folder that holds the origin, or the package where no origin is named.

    Raises:
        SettingsError: a file cannot be read, or something in it is not understood.
    """
    own = own_settings_path(environment)
    beside = join(folder, NAME)
    paths = [own] if own and beside == os.path.realpath(own) else [beside, own]
    found = (_read(path, own) for path in paths if path)
    return tuple(settings for settings in found if settings is not None)


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


def _read(path: bytes, own: bytes) -> "Settings | None":
    # The user's own may be a link into a collection of such files; one that lies in a shared folder may not.
    place = os.path.realpath(path) if path == own else path
    try:
        data = read_control(place, limit_bytes=SMALL_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError(path, f"it cannot be read ({error.strerror})") from error
    return _parsed(path, data, own)


def _parsed(path: bytes, data: bytes, own: bytes) -> "Settings":
    # Only here, because most commands find no file: what takes one apart takes time to load.
    import tomllib

    from qa2pack.pack.settings import read_settings

    try:
        table = tomllib.loads(data.decode())
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingsError(path, f"it is not valid TOML ({error})") from error
    return read_settings(table, path, own=own)
