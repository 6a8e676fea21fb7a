"""`pack layout`: print the rules of a layout."""

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(metavar="[NAME]", help="A layout that comes with the program.")]


def layout(name: Name = "cycle0") -> None:
    """Print the rules of a layout: a TOML file that explains itself.

    For rules of your own, edit a copy and give it as --layout FILE when you plan.

    Example: pack layout > ours.toml; pack plan IRC10216_setup3_b6 2011.0.00229.S --layout ours.toml
    """
    from qa2pack.manifest.problem import Refused
    from qa2pack.pack.commands.run import print_view
    from qa2pack.pack.jobs import layout as job
    from qa2pack.pack.views.layout import layout_view

    try:
        text = job.layout(name)
    except Refused as error:
        known = error.problems[0].expected
        raise typer.BadParameter(f"there is no layout {name}; there are: {known}", param_hint="NAME") from error
    print_view(layout_view(text), "layout", is_json=False)
