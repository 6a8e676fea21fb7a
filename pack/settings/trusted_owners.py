"""Parsing of --trust-owner: other users whose control folders are accepted as one's own."""

import pwd
from collections.abc import Iterable

import typer

from qa2pack.manifest.path import shown


def trusted_users(names: Iterable[str] | None) -> frozenset[int]:
    """Return the user ids of users given by name or id.

    Raises:
        typer.BadParameter: there is no such user.
    """
    return frozenset(map(_number, names or ()))


def _number(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError) as error:
        if name.isascii() and name.isdigit():
            return int(name)
        raise typer.BadParameter(f"there is no user {shown(name)}", param_hint="--trust-owner") from error
