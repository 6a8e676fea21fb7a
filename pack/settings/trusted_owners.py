"""Parsing of --trust-owner: other users whose control folders are accepted as one's own."""

import pwd
from collections.abc import Iterable
from dataclasses import replace

import typer

from qa2pack.manifest.path import shown
from qa2pack.pack.jobs.workers import RunOptions


def trusting(names: Iterable[str] | None, conduct: RunOptions) -> RunOptions:
    """Return the conduct of a command that acts on control folders of these users, too; raises as `trusted_users`."""
    return replace(conduct, trusted=trusted_users(names))


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
