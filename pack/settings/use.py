"""Checks of a setting against what it leads to (files, layouts, users), and against the others.

The form of a value is checked by `keys`.
"""

import os
from collections.abc import Iterable, Mapping

from qa2pack.manifest.fs.presence import is_file
from qa2pack.manifest.layout.given import parse_value
from qa2pack.manifest.layout.include import parse_include
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.problem import Refused
from qa2pack.pack.named_path import path_problem
from qa2pack.pack.settings.cluster_address import check_address
from qa2pack.pack.settings.keys import Value
from qa2pack.pack.settings.known_signers import check_known
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


def check_together(key: str, value: Value, values: Mapping[str, Value | None]) -> None:
    """Refuse a value that the other settings do not allow.

    Args:
        values: of all settings, by key.

    Raises:
        Refused, typer.BadParameter: it is one.
    """
    match key:
        case "cluster":
            check_address(str(value), is_insecure=_is_on(values["insecure-cluster"]))
        case "require-signature":
            check_known(is_required=_is_on(value), signers=str(values["allowed-signers"] or ""))


def _is_on(value: Value | None) -> bool:
    """Return what a flag means: in a variable it is a text, as the command line takes it."""
    return str(value).lower() in ("true", "1", "yes", "on", "t", "y")


def _check_files(paths: Iterable[str]) -> None:
    for path in map(os.fsencode, paths):
        if not is_file(path):
            raise Refused(path_problem(path, "a file"))
