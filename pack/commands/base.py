"""Base class of all commands: defaults from environment and `pack.toml`, and the log file.

Precedence: command line, environment, the `pack.toml` beside the origin, the user's own. Lists (`--include`,
`--exclude`) are collected from all of these.
"""

import os
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.manifest.alma.member_ids import tidy_name
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.path import shown
from qa2pack.pack import PROGRAM
from qa2pack.pack.commands.completion import use_own_zsh
from qa2pack.pack.commands.options import KEEP_PREVIOUS, EveryOptions
from qa2pack.pack.exit_codes import Exit, exit_code_lines
from qa2pack.pack.settings.option_source import Default, SettingsError
from qa2pack.pack.terminal.choices import Color, LogFormat, ProgressForm
from qa2pack.pack.terminal.output_streams import report_os_error
from qa2pack.pack.terminal.style import coloured

if TYPE_CHECKING:
    from qa2pack.manifest.problem import Problem
    from qa2pack.pack.settings.keys import Settings

# typer's command-line parser has had two module names, so its classes are not imported by name.
_Context = Any
UsageFault: Any = typer.BadParameter.__bases__[0]

_DEFAULTS = "qa2pack.pack.settings.option_source"
_ARGUMENTS = "pack.arguments"
_TYPED = "pack.typed"
_EVERY = "pack.every"
_CHOICES = [[choice.value] for choice in KeepPrevious]
_MEMBERS = {"member": "--member", "replace_member": "--replace-member"}
_PATHS = frozenset(
    {"origin", "package", "check", "chunks", "delivery", "manifest", "metrics", "output", "readme", "report", "roots"}
)


def typed_options(ctx: typer.Context) -> frozenset[str]:
    """Return the names of the options that were typed on the command line."""
    return frozenset(_shown_name(each) for each in ctx.command.params if _source(ctx, each.name) == "COMMANDLINE")


def defaults_of(context: typer.Context) -> tuple[Default, ...]:
    """Return the options of the running command whose value is from a file or the environment."""
    found: tuple[Default, ...] = context.meta.get(_DEFAULTS, ())
    return found


def typed_lists(context: typer.Context) -> tuple[str, ...]:
    """Return the typed values of list options."""
    found: tuple[str, ...] = context.meta.get(_TYPED, ())
    return found


def words_for_each(context: typer.Context, names: Container[str]) -> tuple[str, ...]:
    """Return the options of these names that were typed, and those of every command, as words for another command."""
    every: EveryOptions = context.meta[_EVERY]
    words = ["--no-settings"] if every.no_settings else []
    words += [f"--log={every.log}"] if every.log else []
    for option in context.command.params:
        if option.name in names and _source(context, option.name) == "COMMANDLINE":
            words += option_words(option, context.params[str(option.name)])
    return tuple(words)


def option_words(option: Any, value: object) -> list[str]:
    """Return an option with its value as words of a command line."""
    name = max(option.opts, key=len)
    if option.is_flag:
        return [name] if value else []
    return [f"{name}={part}" for part in (value if isinstance(value, list | tuple) else [value])]


def is_without_settings(context: typer.Context) -> bool:
    """Return whether the running command takes no defaults from files."""
    every: EveryOptions = context.meta[_EVERY]
    return every.no_settings


def unused_settings_of(context: typer.Context) -> tuple[bytes, ...]:
    """Return each `pack.toml` of the current folder and the package's that does not count; none with --no-settings.

    A reader of the plan may think that it counts.
    """
    from qa2pack.pack.settings.files import unused_settings
    from qa2pack.pack.target import target_of

    if is_without_settings(context):
        return ()
    folders = (*_current_folder(), *(target_of(package).package.parent for package in _packages(context.params)))
    return unused_settings(folders, _folder(context), os.environ)


def _current_folder() -> tuple[bytes, ...]:
    """Return the path of the current folder; nothing if it was removed, which keeps nobody from working elsewhere."""
    try:
        return (os.getcwdb(),)
    except FileNotFoundError:
        return ()


def print_version(is_wanted: bool) -> None:
    """Print the version and exit, if requested."""
    if is_wanted:
        print(PROGRAM)
        raise typer.Exit


def run_program(command: Any, words: Sequence[str] | None, name: str) -> int:
    """Run a command, or a group of commands, called by this name, and return its exit code.

    Args:
        command: as typer makes it.
        words: the command line; None is that of the process.
    """
    typed = sys.argv[1:] if words is None else list(words)
    use_own_zsh(command)
    try:
        code = command(args=typed, prog_name=name, standalone_mode=False)
    except UsageFault as error:
        error.show()
        if "--json" in typed:
            _print_usage_fields(_verb(typed, name), error.format_message())
        return Exit.USAGE
    except typer.Abort:
        return Exit.FAILED
    except OSError as error:  # help or version could not be written, or a path not be followed
        return _report_os_error(typed, name, error)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else Exit.FAILED
    return code if isinstance(code, int) else Exit.DONE


def _report_os_error(typed: Sequence[str], name: str, error: OSError) -> Exit:
    from qa2pack.pack.errors.system_error import removed_folder_text

    if message := removed_folder_text(error):
        print(f"{name}: {message}", file=sys.stderr)
    else:
        report_os_error(name, error)
        message = f"{error.strerror}: {shown(error.filename)}" if error.filename else ""  # without: of stdout itself
    if "--json" in typed and message:
        _print_fields(_verb(typed, name), Exit.FAILED, message)
    return Exit.FAILED


def _print_usage_fields(verb: str, message: str) -> None:
    """Print the JSON of a command line that is not understood, so its package is not known either."""
    from qa2pack.manifest.problem import Code, Problem

    _print_fields(verb, Exit.USAGE, message, Problem(Code.USAGE, b"", found=message))


def _print_fields(verb: str, code: Exit, message: str, *problems: "Problem") -> None:
    """Print the JSON of a failure from before the command ran."""
    from qa2pack.pack.views.json_fields import print_fields, problem_fields

    fields = {"command": verb, "exit_code": code, "package": None, "error": message}
    print_fields({**fields, "problems": problem_fields(problems)})


def _verb(typed: Sequence[str], name: str) -> str:
    return typed[0] if name == "pack" and not typed[0].startswith("-") else name


class Command(TyperCommand):
    """A command with its defaults, its log, its colours, and the exit codes in its help.

    Its function has `EveryOptions`, as `spread` gives them.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "epilog": options.get("epilog") or exit_code_lines()})
        for param in self.params:
            if param.type.name == "int range":
                param.type.name = "whole number"  # as messages call it: "'two' is not a valid int range"

    def collect_usage_pieces(self, ctx: _Context) -> list[str]:
        """Return the words of the usage line; required arguments are not in braces, of several there are dots."""
        several = {param.metavar for param in self.params if param.nargs == -1}
        pieces = (piece.strip("{}") for piece in super().collect_usage_pieces(ctx))
        return [f"{piece}..." if piece.strip("[]") in several else piece for piece in pieces]

    def parse_args(self, ctx: _Context, args: list[str]) -> list[str]:
        """Parse; a bad value is reported with its option or variable."""
        ctx.meta[_ARGUMENTS] = tuple(args)
        try:
            rest = super().parse_args(ctx, _with_values(args))
            _tidy_members(ctx, args)
            return rest
        except typer.BadParameter as error:
            if error.param and error.param.envvar:  # else both would be named
                is_typed = _source(ctx, error.param.name) != "ENVIRONMENT"
                error.param_hint = error.param.opts if is_typed else f"the environment variable {error.param.envvar}"
            raise
        except UsageFault as error:
            path = next((word for word in ctx.meta[_ARGUMENTS] if word.startswith("-") and _is_path(word)), "")
            error.message += f"; to name the path, write {shown(os.path.join('.', path))}" if path else ""
            raise

    def invoke(self, ctx: _Context) -> Any:
        """Fill in defaults, open the log, run."""
        self._check_paths(ctx)
        ctx.meta[_TYPED] = tuple(self._typed(ctx))
        with _settings_checked():
            files = () if ctx.params["no_settings"] else _settings(ctx)
            ctx.meta[_DEFAULTS] = (*self._from_environment(ctx), *self._from_files(ctx, files))
        every = ctx.meta[_EVERY] = EveryOptions(*(ctx.params.pop(name) for name in EveryOptions._fields))
        if every.verbose or (every.debug and not every.log):
            _give_way(ctx)
        with coloured(Color(every.color)), self._logged(ctx, every):
            return super().invoke(ctx)

    def _check_paths(self, ctx: _Context) -> None:
        """Refuse an empty path, such as an unset shell variable, which would mean the current folder, and stdout.

        What `pack export` writes to stdout has no path any more.
        """
        for param in self.params:
            value = ctx.params.get(param.name) if param.name in _PATHS else None
            if value == "" or (isinstance(value, list | tuple) and "" in value):
                raise typer.BadParameter("the path is empty", ctx=ctx, param=param)
            if param.name in ("output", "log") and ctx.params.get(param.name) == "-":
                text = "this cannot go to stdout; write ./- for something that is called -"
                raise typer.BadParameter(text, ctx=ctx, param=param)

    def _typed(self, ctx: _Context) -> Iterator[str]:
        for option in self.params:
            if option.name in ("include", "exclude") and _source(ctx, option.name) == "COMMANDLINE":
                yield from ctx.params[option.name]

    def _from_environment(self, ctx: _Context) -> Iterator[Default]:
        """Yield options from the environment; click reads single values, but lists only if nothing was typed."""
        for option in self.params:
            source = _source(ctx, option.name)
            if source == "COMMANDLINE" and option.multiple and (parts := option.value_from_envvar(ctx)):
                _take(ctx, option, tuple(parts))
            elif source != "ENVIRONMENT":
                continue
            yield Default(_shown_name(option), str(option.envvar))

    def _from_files(self, ctx: _Context, files: "tuple[Settings, ...]") -> Iterator[Default]:
        """Set options from the files if they were not typed."""
        if not files:
            return
        from qa2pack.pack.settings.keys import key_of, values_of

        for option in self.params:
            for value, settings in values_of(files, key_of(str(ctx.info_name), str(option.name))):
                if _take(ctx, option, value):
                    yield Default(_shown_name(option), shown(settings.path))

    def _logged(self, ctx: _Context, every: EveryOptions) -> AbstractContextManager[None]:
        if not (every.log or every.verbose or every.debug):
            return nullcontext()
        import shlex

        from qa2pack.pack.commands.run_log import LogChoice, run_logged

        line = f"{ctx.command_path} {shlex.join(ctx.meta[_ARGUMENTS])}"
        log = self._checked_log(ctx, every.log) if every.log else b""
        choice = LogChoice(log, LogFormat(every.log_format), every.verbose, every.debug)
        return run_logged(choice, str(ctx.info_name), line)

    def given(self, ctx: _Context) -> Iterator[Mapping[str, Any]]:
        """Yield the values of the options; a command that is given those of several jobs yields these as well."""
        yield ctx.params

    def _checked_log(self, ctx: _Context, path: str) -> bytes:
        """Return the absolute path of the log: in no package and no origin, and nothing else that is given."""
        from qa2pack.manifest.problem import Refused
        from qa2pack.pack.commands.run_log import check_log_apart, check_log_place
        from qa2pack.pack.target import origin_of, target_of

        log = os.path.abspath(os.fsencode(path))
        try:
            for values in self.given(ctx):
                origin = values.get("origin")
                for package in _packages(values) or (None,):
                    check_log_place(
                        log,
                        origin=origin_of(origin) if origin else None,
                        package=target_of(package).package if package else None,
                    )
                check_log_apart(log, _texts(values))
        except Refused as error:
            raise typer.BadParameter(str(error), ctx=ctx, param_hint="--log") from error
        return log


def _texts(values: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield each text that may be a path, with the name of its option; of NAME=VALUE also the value alone."""
    for name, value in values.items():
        for text in value if isinstance(value, list | tuple) else (value,):
            if isinstance(text, str) and text:
                shown_name = name.rstrip("_").replace("_", "-")
                yield from ((shown_name, os.fsencode(part)) for part in {text, text.partition("=")[2]} - {""})


def _with_values(args: list[str]) -> list[str]:
    """Return the arguments with a value for a --keep-previous that has none: it was a flag once."""
    end = args.index("--") if "--" in args else len(args)
    return [
        f"{word}={KeepPrevious.YES}"
        if word == KEEP_PREVIOUS and at < end and args[at + 1 : at + 2] not in _CHOICES
        else word
        for at, word in enumerate(args)
    ]


def _give_way(ctx: _Context) -> None:
    """Let no bar be drawn among the lines of a log that is printed."""
    if ctx.params.get("progress") == ProgressForm.AUTO:
        ctx.params["progress"] = ProgressForm.LINES.value


def _tidy_members(ctx: _Context, args: Sequence[str]) -> None:
    """Set the name of a member as it was meant; refuse two different ones, of which the last would win silently."""
    for name, option in _MEMBERS.items():
        if not ctx.params.get(name):
            continue
        names = dict.fromkeys(_tidy_name(value) for value in (*_values(args, option), ctx.params[name]))
        if len(names) > 1:
            text = f"several members are named, and it takes one at a time: {', '.join(map(shown, names))}"
            raise typer.BadParameter(text, ctx=ctx, param_hint=option)
        (ctx.params[name],) = names


def _tidy_name(typed: str) -> str:
    return os.fsdecode(tidy_name(os.fsencode(typed)))


def _values(args: Sequence[str], option: str) -> Iterator[str]:
    """Yield each value that was typed for an option."""
    for at, word in enumerate(args):
        if word == "--":
            return
        if word == option:
            yield from args[at + 1 : at + 2]
        elif word.startswith(f"{option}="):
            yield word.removeprefix(f"{option}=")


def _is_path(word: str) -> bool:
    with suppress(OSError, ValueError):  # a word that cannot be looked at is none that was meant as a path
        return is_there(os.fsencode(word))
    return False


def _take(ctx: _Context, option: Any, value: object) -> bool:
    """Set the option to a value from a file unless it has one; lists are extended. Return whether it was set."""
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
    """Report a settings file that cannot be parsed, or is refused, as a usage error."""
    try:
        yield
    except SettingsError as error:
        from qa2pack.pack.terminal.style import folded

        # Without the context, which would print the usage of the command: the command line is right.
        raise UsageFault("\n".join((f"in {shown(error.path)}:", *folded(error.reason, indent=2)))) from error


def _shown_name(option: Any) -> str:
    return str(option.name).replace("_", "-")


def _source(ctx: _Context, name: str | None) -> str:
    """Return the source of a value, as click names it."""
    source = ctx.get_parameter_source(name or "")
    return source.name if source else ""


def _folder(ctx: _Context) -> bytes:
    """Return the folder that holds the origin, or the packages if there is no origin.

    Of a list of jobs, the folder of the list or of the origins. The current one if there is none of these, or there
    are packages in several folders.
    """
    from qa2pack.pack.target import origin_of, target_of

    if origin := ctx.params.get("origin"):
        return os.path.dirname(origin_of(origin))
    if source := ctx.params.get("source"):
        path = origin_of(source)
        return path if ctx.params["each"] else os.path.dirname(path)
    named = _packages(ctx.params) or tuple(filter(None, (ctx.params.get("check"),)))
    folders = {target_of(name).package.parent for name in named}
    return folders.pop() if len(folders) == 1 else os.getcwdb()


def _packages(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the packages that were typed; some commands take several."""
    typed = values.get("package") or ()
    return (typed,) if isinstance(typed, str) else tuple(typed)
