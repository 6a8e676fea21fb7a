"""`--again`: the origin, and the member that is replaced, are taken from the package."""

import os
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from qa2pack.pack.commands.base import Command

if TYPE_CHECKING:
    from qa2pack.manifest.problem import PackError
    from qa2pack.pack.target import Target

_FLAG = "--again"
_TARGET = "qa2pack.pack.commands.again.target"


class AgainCommand(Command):
    """A command on ORIGIN and PACKAGE that is given only PACKAGE with `--again`, and perhaps `--member`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; with `--again` the origin is still empty afterwards."""
        return super().parse_args(ctx, ["", *args] if _FLAG in args else args)

    def invoke(self, ctx: Any) -> Any:
        """Fill in what the package knows, and run."""
        member = ctx.params["member"]
        if ctx.params["again"]:
            _fill_in(ctx, member)
        elif member:
            raise typer.BadParameter("it says what is made --again; to replace a member, --replace-member NAME", ctx)
        return super().invoke(ctx)


def target_for(context: typer.Context, package: str) -> "Target":
    """Return the package of the command, with the manifests that `--again` has opened."""
    from qa2pack.pack.target import target_of

    target: Target | None = context.meta.get(_TARGET)
    return target or target_of(package)


def _fill_in(ctx: Any, member: str) -> None:
    from qa2pack.manifest.problem import PackError
    from qa2pack.pack.commands.run import run
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs.again import made_again
    from qa2pack.pack.target import target_of

    target = ctx.meta[_TARGET] = target_of(ctx.params["package"])
    try:
        again = made_again(target.package, os.fsencode(member), target.opened, verb=ctx.info_name)
    except PackError as error:
        run(Attempt(ctx.info_name, target), partial(_refuse, error), is_json=ctx.params["json"])
    ctx.params["origin"] = os.fsdecode(again.origin)
    ctx.params["replace_member"] = os.fsdecode(again.replaced)


def _refuse(error: "PackError") -> NoReturn:
    raise error
