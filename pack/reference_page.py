"""Generator of docs/reference.md: every command with its arguments and options, from the text of `--help`.

`python -m qa2pack.pack.reference_page` prints the page.
"""

from collections.abc import Iterator
from typing import Any

from typer.main import get_group

from qa2pack.pack.cli import COMMANDS
from qa2pack.pack.command_tree import application
from qa2pack.pack.exit_codes import EXIT_WORDS


def reference_page() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# All commands and options"
    yield ""
    yield "What `pack COMMAND --help` shows, for every command. More on each is in [commands.md](commands.md), on"
    yield "variables and defaults in [configuration.md](configuration.md). This page is made by"
    yield "`python -m qa2pack.pack.reference_page`."
    commands = get_group(application(COMMANDS)).commands
    for name, command in commands.items():
        yield from _command_lines(name, command)
    yield ""
    yield "## Exit codes"
    yield ""
    yield "| code | meaning |"
    yield "|---|---|"
    yield from (f"| {code.value} | {words} |" for code, words in EXIT_WORDS.items())


def _command_lines(name: str, command: Any) -> Iterator[str]:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option"]
    usage = " ".join(("pack", name, *(argument_words(argument) for argument in arguments), "[OPTIONS]"))
    yield ""
    yield f"## pack {name}"
    yield ""
    yield f"`{usage}`"
    yield ""
    yield from _help_lines(command.help)
    yield ""
    yield "| argument or option | | variable |"
    yield "|---|---|---|"
    yield from (f"| `{argument.metavar.strip('[]')}` | {_cell(argument.help)} | |" for argument in arguments)
    yield from (_option_line(option) for option in options)


def argument_words(argument: Any) -> str:
    """Return an argument as it stands in a usage line."""
    name = argument.metavar.strip("[]")
    return (name if argument.required else f"[{name}]") + ("..." if argument.nargs != 1 else "")


def _help_lines(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text, the example as code."""
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        if number:
            yield ""
        line = " ".join(paragraph.split())
        yield f"Example: `{line.removeprefix('Example: ')}`" if line.startswith("Example: ") else line


def _option_line(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len))
    value = "" if option.is_flag else f" `{_cell(option.metavar)}`"
    default = f" [default: {option.default}]" if has_shown_default(option) else ""
    variable = f" `{option.envvar}`" if option.envvar else ""
    return f"| {names}{value} | {_cell(option.help + default)} |{variable} |"


def has_shown_default(option: Any) -> bool:
    """Return whether the default of an option is worth showing."""
    return bool(option.show_default) and not option.is_flag and option.default not in (None, "", ())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(reference_page(), end="")
