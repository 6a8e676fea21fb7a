"""`pack config`: the settings that count, and where each comes from."""

import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.main import get_command

from qa2pack.pack.commands.base import Command, UsageFault, is_without_settings, unused_settings_of
from qa2pack.pack.commands.options import JsonOption, spread

if TYPE_CHECKING:
    from qa2pack.pack.settings.keys import Value


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
    """Show every setting with its value and its source.

    That is a pack.toml with the line, a variable, or the default. Also what would be refused when it is used, which
    pack.toml does not count, and why. What a member was made with counts before these for its next plan; `pack plan`
    shows it.

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
    from qa2pack.pack.audit.outputs import default_catalogue
    from qa2pack.pack.commands.apply import apply
    from qa2pack.pack.commands.audit import audit
    from qa2pack.pack.commands.deliver import deliver
    from qa2pack.pack.commands.plan import plan
    from qa2pack.pack.commands.tarsplit import tarsplit
    from qa2pack.pack.jobs.config import Option
    from qa2pack.pack.settings.keys import KEYS, key_of

    program = typer.Typer()
    for function in (plan, apply, audit, deliver, tarsplit):
        program.command(function.__name__, cls=Command)(spread(function))
    commands: Any = get_command(program)
    for name, command in commands.commands.items():
        for param in command.params:
            key = key_of(name, str(param.name))
            if key in KEYS and param.envvar:
                context = command.context_class(command, info_name=name)
                # The help tells how the path is found, this the path itself.
                default = os.fsdecode(default_catalogue(os.environ)) if key == "catalogue" else param.default
                yield Option(key, param.envvar, _as_value(default), partial(_fault_of, key, param, context))


def _fault_of(key: str, param: Any, context: Any, value: "Value", values: "Mapping[str, Value | None]") -> str:
    """Return why a command refuses a value: by its option, by where the value leads, or by the other settings."""
    from qa2pack.manifest.problem import Refused
    from qa2pack.pack.settings.use import check_together, check_use

    try:
        param.process_value(context, value)
        check_use(key, value)
        check_together(key, value, values)
    except UsageFault as error:
        return str(error.message)
    except Refused as error:
        return "; ".join(map(str, error.problems))
    except OSError as error:
        return f"{error.strerror}"
    return ""


def _as_value(default: object) -> "Value | None":
    """Return the default of an option as a value of a setting; None where there is none."""
    if isinstance(default, bool | int):
        return default
    return str(default) if default else None
