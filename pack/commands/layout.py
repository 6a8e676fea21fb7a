"""`pack layout`: print the rules of a layout, list the layouts, or try one on an origin."""

import os
from typing import Annotated

import typer

from qa2pack.pack.commands.options import JsonOption, SetOption

Name = Annotated[str, typer.Argument(metavar="[LAYOUT]", help="Its name; with --check also the path of a file.")]
Origin = Annotated[
    str | None, typer.Argument(metavar="[ORIGIN]", help="With --check: the folder to try it on.", show_default=False)
]
Check = Annotated[bool, typer.Option("--check", help="Check the layout, and show what its rules take of ORIGIN.")]
List = Annotated[bool, typer.Option("--list", help="List the layouts that come with the program.")]
All = Annotated[bool, typer.Option("--all", help="With --check: show every name, not only the first 20.")]


def layout(
    name: Name = "cycle0",
    origin: Origin = None,
    *,
    is_check: Check = False,
    is_list: List = False,
    set: SetOption = None,
    all: All = False,
    json: JsonOption = False,
) -> None:
    """Print the rules of a layout: a TOML file that explains itself.

    For rules of your own, edit a copy, check it, and give it as --layout FILE when you plan. --check needs no package
    and changes nothing: it loads the layout and shows which rule takes how much of ORIGIN, and what no rule takes.

    Example: pack layout > ours.toml; pack layout --check ours.toml IRC10216_setup3_b6
    """
    from qa2pack.manifest.alma.package import Package
    from qa2pack.manifest.layout.given import parse_value
    from qa2pack.pack.commands.run import print_view, run
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import layout as job
    from qa2pack.pack.target import Target, origin_of, quoted
    from qa2pack.pack.views.layout import layout_view, layouts_view
    from qa2pack.pack.views.layout_check import check_view
    from qa2pack.pack.views.view import View

    if (origin or all) and not is_check:
        raise typer.BadParameter("it is only for --check", param_hint="ORIGIN" if origin else "--all")
    if is_check and is_list:
        raise typer.BadParameter("give one of --check and --list", param_hint="--list")
    if is_list:
        print_view(layouts_view(job.layouts()), "layout", is_json=json)
        return
    if not is_check:
        print_view(layout_view(_known_text(name)), "layout", is_json=json)
        return
    folder = origin_of(origin) if origin else b""
    # Remedies are for a package that is not named here.
    target = Target(Package(os.path.abspath(os.fsencode(name))), b"PACKAGE")
    typed = quoted(os.fsencode(origin)) if origin else ""

    def work() -> View:
        checked = job.check(name, folder, tuple(map(parse_value, set or ())))
        return check_view(checked, target, origin=typed, shows_all=all)

    attempt = Attempt("layout", target, typed, noun="layout", shows_all=all)
    run(attempt, work, is_json=json, is_output_all=True)


def _known_text(name: str) -> str:
    from qa2pack.manifest.problem import Refused
    from qa2pack.pack.jobs import layout as job

    try:
        return job.layout(name)
    except Refused as error:
        known = error.problems[0].expected
        raise typer.BadParameter(f"there is no layout {name}; there are: {known}", param_hint="NAME") from error
