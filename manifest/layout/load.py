"""Loading of a layout: by its name, or from a TOML file.

Only loading reads a file. What makes rules, places and checks of it is imported when one is loaded: most commands
can load a layout, and do so only for members of old, or after a mistake.
"""

import os
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from qa2pack.manifest.fs.control_file import SMALL_BYTES, read_control
from qa2pack.manifest.fs.toml_text import parse_toml
from qa2pack.manifest.layout.table import Table, is_layout_path, refuse_layout
from qa2pack.manifest.problem import path_fault

if TYPE_CHECKING:
    from qa2pack.manifest.layout.rules import Layout
    from qa2pack.manifest.role import Role

__all__ = ["is_layout_path", "known_layouts", "layout_text", "layouts_folder", "load_layout", "load_roles"]


def known_layouts() -> tuple[str, ...]:
    """Return the names of the layouts that come with the program."""
    return tuple(sorted(file.name[:-5] for file in layouts_folder().iterdir() if file.name.endswith(".toml")))


def layouts_folder() -> Path:
    """Return the folder of the layouts that come with the program."""
    return Path(__file__).parents[1] / "layouts"


def layout_text(name: str) -> str:
    """Return the file of a layout that comes with the program, by its name."""
    return (layouts_folder() / f"{name}.toml").read_text(encoding="utf-8")


def load_layout(name: str) -> "Layout":
    """Load a layout by its name, or from a TOML file by its path (it holds a `/` or ends in `.toml`).

    Raises:
        Refused: there is no such layout, or it is not valid.
    """
    if is_layout_path(name):
        return _read(name)
    _check_known(name)
    return _of_program(layouts_folder(), name)


def load_roles(name: str) -> "tuple[Role, ...]":
    """Return the roles of a layout that comes with the program; its rules are not read.

    Raises:
        Refused: there is no such layout.
    """
    from qa2pack.manifest.layout.read_folders import read_folders

    _check_known(name)
    return read_folders(_table(name))


def _check_known(name: str) -> None:
    if name not in known_layouts():
        refuse_layout(name, expected=f"one of {', '.join(known_layouts())}, or the path of a .toml file")


@cache
def _of_program(folder: Path, name: str) -> "Layout":
    """Return a layout that comes with the program: the file does not change, and a list of jobs loads it for each.

    Args:
        folder: where such layouts are; tests have another one.
    """
    return _read(name)


def _read(name: str) -> "Layout":
    from qa2pack.manifest.layout.read_layout import read_layout

    return read_layout(_table(name), partial(_file_beside, name))


def _table(name: str) -> Table:
    try:
        data = _file_of(name)
        values = parse_toml(data)
    except OSError as error:
        refuse_layout(name, expected="a file that can be read", found=path_fault(error).lower())
    except ValueError as error:
        refuse_layout(name, expected="TOML", found=str(error))
    return Table(name, values, data.decode())


def _file_of(name: str) -> bytes:
    if is_layout_path(name):
        return read_control(os.fsencode(name), limit_bytes=SMALL_BYTES)
    return layout_text(name).encode()


def _file_beside(layout: str, name: str) -> bytes:
    """Return a file of the folder that holds the layout."""
    if is_layout_path(layout):
        return read_control(os.fsencode(os.path.join(os.path.dirname(layout), name)), limit_bytes=SMALL_BYTES)
    return (layouts_folder() / name).read_bytes()
