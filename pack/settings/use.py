"""Checks of a setting against what it leads to: files, layouts, users. The form of a value is checked by `keys`."""

import os
from collections.abc import Iterable

from qa2pack.manifest.fs.presence import is_file
from qa2pack.manifest.layout.given import parse_value
from qa2pack.manifest.layout.include import parse_include
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack.settings.keys import Value
from qa2pack.pack.settings.trusted_owners import trusted_users


def check_use(key: str, value: Value) -> None:
    """Refuse a value that cannot be used as things are now; the value itself has the form of its key.

    Raises:
        Refused, typer.BadParameter: nothing that it needs is there.
        OSError: what is there cannot be known.
    """
    items = value if isinstance(value, tuple) else (str(value),)
    match key:
        case "readme" | "allowed-signers":
            _check_files(items)
        case "layout":
            load_layout(*items)
        case "include":
            list(map(parse_include, items))
        case "set":
            list(map(parse_value, items))
        case "trust-owner":
            trusted_users(items)


def _check_files(paths: Iterable[str]) -> None:
    for path in map(os.fsencode, paths):
        if not is_file(path):
            raise Refused(Problem(Code.PATH_MISSING, path, "a file"))
