"""Generator of the manual pages, one for each command, from the text of `--help`.

`python -m qa2pack.pack.man_pages FOLDER` writes them; those in docs/man are installed with the wheel.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from typer.main import get_group

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.output_file import write_output
from qa2pack.pack.cli import COMMANDS
from qa2pack.pack.command_tree import application
from qa2pack.pack.exit_codes import EXIT_WORDS
from qa2pack.pack.reference_page import argument_words, has_shown_default


def man_pages() -> Mapping[str, str]:
    """Return the pages by their file names."""
    group = get_group(application(COMMANDS))
    commands = group.commands
    pages = {f"pack-{name}.1": _command_page(f"pack-{name}", f"pack {name}", each) for name, each in commands.items()}
    tarsplit = _command_page("tarsplit", "tarsplit", commands["tarsplit"])
    return {"pack.1": _top_page(group), "tarsplit.1": tarsplit, **pages}


def _top_page(group: Any) -> str:
    title, *paragraphs = _paragraphs(group.help)
    lines = [*_head("pack", title), ".SH SYNOPSIS", f".B pack\n{roff_text('COMMAND [ARGUMENTS] [OPTIONS]')}"]
    lines += _described(paragraphs)
    lines.append(".SH COMMANDS")
    for name, command in group.commands.items():
        lines += [".TP", f"\\fBpack\\-{roff_text(name)}\\fR(1)", roff_text(_paragraphs(command.help)[0])]
    return _page(
        [
            *lines,
            *_exit_status(),
            ".SH SEE ALSO",
            ", ".join(f"\\fBpack\\-{roff_text(n)}\\fR(1)" for n in group.commands),
        ]
    )


def _command_page(name: str, called: str, command: Any) -> str:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option"]
    title, *paragraphs = _paragraphs(command.help)
    examples = [each.removeprefix("Example: ") for each in paragraphs if each.startswith("Example: ")]
    usage = " ".join((*map(argument_words, arguments), "[OPTIONS]"))
    lines = [*_head(name, title), ".SH SYNOPSIS", f".B {roff_text(called)}\n{roff_text(usage)}"]
    lines += _described([each for each in paragraphs if not each.startswith("Example: ")])
    lines.append(".SH OPTIONS")
    for argument in arguments:
        lines += [".TP", f"\\fI{roff_text(argument.metavar.strip('[]'))}\\fR", roff_text(argument.help)]
    for option in options:
        lines += _option_lines(option)
    if examples:
        lines += [".SH EXAMPLES", ".nf", *map(roff_text, examples), ".fi"]
    see_also = ".SH SEE ALSO\n\\fBpack\\fR(1)"
    return _page([*lines, *_exit_status(), see_also])


def _option_lines(option: Any) -> Iterator[str]:
    names = ", ".join(f"\\fB{roff_text(name)}\\fR" for name in sorted(option.opts, key=len))
    default = f" [default: {option.default}]" if has_shown_default(option) else ""
    variable = f" Variable: {option.envvar}." if option.envvar else ""
    yield ".TP"
    yield names if option.is_flag else f"{names} \\fI{roff_text(option.metavar)}\\fR"
    yield roff_text(option.help + default + variable)


def _head(name: str, title: str) -> Iterator[str]:
    yield f'.TH "{roff_text(name.upper())}" 1 "" "qa2pack" "qa2pack"'
    yield ".SH NAME"
    yield f"{roff_text(name)} \\- {roff_text(title.rstrip('.'))}"


def _described(paragraphs: Sequence[str]) -> Iterator[str]:
    if paragraphs:
        yield ".SH DESCRIPTION"
        yield "\n.PP\n".join(map(roff_text, paragraphs))


def _exit_status() -> Iterator[str]:
    yield ".SH EXIT STATUS"
    for code, words in EXIT_WORDS.items():
        yield f".TP\n{code.value}\n{roff_text(words)}"


def _paragraphs(text: str) -> list[str]:
    return [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")]


def roff_text(text: str) -> str:
    """Return text as roff takes it: no escape of its own, no hyphen for a minus, no request at its start."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _page(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def main(folder: str) -> None:
    """Write the pages into a folder."""
    for name, text in man_pages().items():
        path = os.path.join(os.path.abspath(os.fsencode(folder)), name.encode())
        write_output(Disk(), path, [text.encode()], is_replacing=True)


if __name__ == "__main__":
    main(sys.argv[1])
