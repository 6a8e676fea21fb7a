"""`pack show`: what is in a package."""

import os
from typing import Annotated

import typer

from manifest.role import Role
from pack.options import JsonOption, MemberOption, PackageArgument

OneRole = Annotated[
    Role | None, typer.Option("--role", metavar="ROLE", help="Only this folder: raw, qa, ...", show_default=False)
]
Files = Annotated[bool, typer.Option("--files", help="List every file with its size in bytes.")]


def show(
    package: PackageArgument,
    member: MemberOption = "",
    role: OneRole = None,
    files: Files = False,
    json: JsonOption = False,
) -> None:
    """Show members, roles, files and bytes of PACKAGE, and where they came from.

    Example: pack show 2011.0.00229.S --role qa --files
    """
    from pack.attempt import Attempt
    from pack.running import run
    from pack.showing import Shown, shown_package
    from pack.target import target_of

    attempt = Attempt("show", target_of(package))
    what = Shown(os.fsencode(member), role, files)
    run(attempt, lambda: shown_package(attempt, what, is_json=json), is_json=json, is_output_all=True)
