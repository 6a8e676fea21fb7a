"""How each command of the command line is set up: defaults from `pack.toml`, and a log, which all of them have.

What is typed counts most, then the environment, then the `pack.toml` beside the origin, then the user's own. Lists
(`--include`, `--exclude`) are gathered from all of these.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperOption

from qa2pack.manifest.path import shown
from qa2pack.pack import __version__
from qa2pack.pack.exit_codes import Exit, exit_code_lines
from qa2pack.pack.settings.option_source import Default, SettingsError

if TYPE_CHECKING:
    from qa2pack.pack.settings.keys import Settings

# What parses the command line is a part of typer that has had two names; typer.Context is what commands see of it.
_Context = Any
_UsageError: Any = typer.BadParameter.__bases__[0]

_DEFAULTS = "qa2pack.pack.settings.option_source"
_ARGUMENTS = "pack.arguments"
_TYPED = "pack.typed"
_PATHS = frozenset({"origin", "package", "check", "chunks", "delivery", "manifest", "output", "readme"})


def defaults_of(context: typer.Context) -> tuple[Default, ...]:
    """Return the options of the running command that were not typed, and have no value of the program's own."""
    found: tuple[Default, ...] = context.meta.get(_DEFAULTS, ())
    return found


def typed_lists(context: typer.Context) -> tuple[str, ...]:
    """Return what was typed of the options that are lists."""
    found: tuple[str, ...] = context.meta.get(_TYPED, ())
    return found


def print_version(is_wanted: bool) -> None:
    """Print the version and exit, if that is wanted."""
    if is_wanted:
        print(f"qa2pack {__version__}")
        raise typer.Exit


def run_program(program: typer.Typer, words: Sequence[str] | None, name: str) -> int:
    """Run a program of one or more commands, called by this name, and return its exit code.

    Args:
        words: the command line; None is that of the process.
    """
    try:
        program(args=words, prog_name=name)
    except OSError as error:  # help or version could not be written
        print(f"{name}: {error.strerror}", file=sys.stderr)
        return Exit.FAILED
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else Exit.FAILED
    return Exit.DONE


class Command(TyperCommand):
    """A command with its defaults, its log, and the exit codes in its help."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "epilog": options.get("epilog") or exit_code_lines()})
        self.params += [
            TyperOption(
                param_decls=["--log"],
                metavar="FILE",
                envvar="PACK_LOG",
                show_envvar=True,
                help="Add a full log of this run to FILE, which must be outside package and origin.",
            ),
            TyperOption(
                param_decls=["--no-settings"],
                is_flag=True,
                default=False,
                envvar="PACK_NO_SETTINGS",
                show_envvar=True,
                help="Take no defaults from a pack.toml.",
            ),
        ]

    def collect_usage_pieces(self, ctx: _Context) -> list[str]:
        """Return the words of the usage line; an argument that must be there stands as itself, not in braces."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def parse_args(self, ctx: _Context, args: list[str]) -> list[str]:
        """Parse; a bad value is told with the option or the variable that it is from."""
        ctx.meta[_ARGUMENTS] = tuple(args)
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if error.param and error.param.envvar:  # else both would be named
                is_typed = _source(ctx, error.param.name) != "ENVIRONMENT"
                error.param_hint = error.param.opts if is_typed else f"the environment variable {error.param.envvar}"
            raise
        except _UsageError as error:
            path = next((word for word in ctx.meta[_ARGUMENTS] if word.startswith("-") and os.path.lexists(word)), "")
            error.message += f". To name the path, write {shown(os.path.join('.', path))}" if path else ""
            raise

    def invoke(self, ctx: _Context) -> Any:
        """Fill in defaults, open the log, run."""
        self._check_paths(ctx)
        is_unsettled = ctx.params.pop("no_settings")
        ctx.meta[_TYPED] = tuple(self._typed(ctx))
        with _settings_checked():
            files = () if is_unsettled else _settings(ctx)
            ctx.meta[_DEFAULTS] = (*self._from_environment(ctx), *self._from_files(ctx, files))
        log = ctx.params.pop("log")
        with self._logged(ctx, log) if log else nullcontext():
            return super().invoke(ctx)

    def _check_paths(self, ctx: _Context) -> None:
        """Refuse an empty path, as of a variable that is not set: it would mean the current folder."""
        for param in self.params:
            if param.name in _PATHS and ctx.params.get(param.name) == "":
                raise typer.BadParameter("the path is empty", ctx=ctx, param=param)

    def _typed(self, ctx: _Context) -> Iterator[str]:
        for option in self.params:
            if option.name in ("include", "exclude") and _source(ctx, option.name) == "COMMANDLINE":
                yield from ctx.params[option.name]

    def _from_environment(self, ctx: _Context) -> Iterator[Default]:
        """Tell what is from there; click takes single values from it, but a list only where nothing was typed."""
        for option in self.params:
            source = _source(ctx, option.name)
            if source == "COMMANDLINE" and option.multiple and (parts := option.value_from_envvar(ctx)):
                _take(ctx, option, tuple(parts))
            elif source != "ENVIRONMENT":
                continue
            yield Default(_shown_name(option), str(option.envvar))

    def _from_files(self, ctx: _Context, files: "tuple[Settings, ...]") -> Iterator[Default]:
        """Put what the files say where nothing was typed."""
        if not files:
            return
        from qa2pack.pack.settings.keys import key_of, values_of

        for option in self.params:
            for value, settings in values_of(files, key_of(str(ctx.info_name), str(option.name))):
                if _take(ctx, option, value):
                    yield Default(_shown_name(option), shown(settings.path))

    def _logged(self, ctx: _Context, path: str) -> Any:
        import shlex

        from qa2pack.pack.commands.run_log import check_log_place, run_logged
        from qa2pack.pack.refused import Refused
        from qa2pack.pack.target import origin_of, target_of

        origin, package = ctx.params.get("origin"), ctx.params.get("package")
        log = os.path.abspath(os.fsencode(path))
        try:
            check_log_place(
                log,
                origin=origin_of(origin) if origin else None,
                package=target_of(package).package if package else None,
            )
        except Refused as error:
            raise typer.BadParameter(str(error), ctx=ctx, param_hint="--log") from error
        line = f"{ctx.command_path} {shlex.join(ctx.meta[_ARGUMENTS])}"
        return run_logged(log, str(ctx.info_name), line)


def _take(ctx: _Context, option: Any, value: object) -> bool:
    """Give the option a value from a file, unless it has another; lists grow. Return whether that was done."""
    if isinstance(value, tuple):
        ctx.params[option.name] = [*(ctx.params[option.name] or ()), *value]
    elif _source(ctx, option.name) == "DEFAULT":
        ctx.params[option.name] = option.type_cast_value(ctx, value)
    else:
        return False
    return True


def _settings(ctx: _Context) -> "tuple[Settings, ...]":
    from qa2pack.pack.settings.files import find_settings

    return find_settings(_folder(ctx), os.environ)


@contextmanager
def _settings_checked() -> Iterator[None]:
    """Tell of a file that is not understood, or refused, as of a mistake in the command line."""
    try:
        yield
    except SettingsError as error:
        from qa2pack.pack.terminal.style import folded

        # Without the context, which would put the usage of the command before it: the command line is right.
        raise _UsageError("\n".join((f"in {shown(error.path)}:", *folded(error.reason, indent=2)))) from error


def _shown_name(option: Any) -> str:
    return str(option.name).replace("_", "-")


def _source(ctx: _Context, name: str | None) -> str:
    """Return where a value is from, by the name that click gives it."""
    source = ctx.get_parameter_source(name or "")
    return source.name if source else ""


def _folder(ctx: _Context) -> bytes:
    """Return the folder that holds what the command is about: the origin, or the package where there is none."""
    from qa2pack.pack.target import origin_of, target_of

    if origin := ctx.params.get("origin"):
        return os.path.dirname(origin_of(origin))
    package = ctx.params.get("package") or ctx.params.get("check") or "."
    return target_of(package).package.parent
