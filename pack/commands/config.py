"""`pack config`: the settings that count, and where each comes from."""

import inspect
import os
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from qa2pack.pack.commands.base import is_without_settings, unused_settings_of
from qa2pack.pack.commands.options import JsonOption, spread


class Step(StrEnum):
    """What is done with the settings."""

    SHOW = "show"


StepArgument = Annotated[Step, typer.Argument(metavar="show", help="Show them.", show_default=False)]
OriginArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[PATH]",
        help="An origin, or a package without one: the pack.toml beside it counts. [default: that of this folder]",
        show_default=False,
    ),
]


def config(
    context: typer.Context, step: StepArgument, origin: OriginArgument = None, *, json: JsonOption = False
) -> None:
    """Show every setting with its value, and where it comes from: pack.toml, variable or default.

    Also which pack.toml does not count, and why. What a member was made with counts before these for its next plan;
    `pack plan` shows it.

    Example: pack config show IRC10216_setup3_b6_run_x2
    """
    from qa2pack.pack.commands.run import run
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import config as job
    from qa2pack.pack.target import origin_of, target_of
    from qa2pack.pack.views.config import config_view

    folder = os.path.dirname(origin_of(origin)) if origin else os.getcwdb()

    def work() -> Any:
        options = {option.key: option for option in _options()}
        found = job.config(folder, options, os.environ, has_files=not is_without_settings(context))
        return config_view(found, unused_settings_of(context))

    run(Attempt("config", target_of(origin or "."), noun="folder"), work, is_json=json, is_output_all=True)


def _options() -> "Iterator[Any]":
    """Yield the options that have a setting: of the commands that have them all together."""
    from qa2pack.pack.commands.apply import apply
    from qa2pack.pack.commands.audit import audit
    from qa2pack.pack.commands.deliver import deliver
    from qa2pack.pack.commands.plan import plan
    from qa2pack.pack.commands.tarsplit import tarsplit

    for command in (plan, apply, audit, deliver, tarsplit):
        yield from _options_of(command)


def _options_of(command: Callable[..., None]) -> "Iterator[Any]":
    from qa2pack.pack.jobs.config import Option
    from qa2pack.pack.settings.keys import KEYS, key_of

    for name, parameter in inspect.signature(spread(command)).parameters.items():
        key = key_of(command.__name__, name)
        for info in getattr(parameter.annotation, "__metadata__", ()):
            if key in KEYS and info.envvar:
                yield Option(key, str(info.envvar), _as_value(parameter.default))


def _as_value(default: object) -> str | int | bool | tuple[str, ...] | None:
    """Return the default of an option as a value of a setting; None where there is none."""
    if isinstance(default, bool | int):
        return default
    return str(default) if default else None
