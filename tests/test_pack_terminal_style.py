"""Lines fit the terminal: drawings are cut, running text is folded, and a path stays whole."""

import io
import re
import sys

import pytest

from qa2pack.pack.terminal.choices import Color
from qa2pack.pack.terminal.style import Style, coloured, style_for, unbroken
from support.in_process import UID, Delivery, add_measurement_sets, make_reduction, write
from support.terminals import printed_on_terminal


def test_drawing_gives_way_in_its_middle() -> None:
    assert Style(columns=9).fitted("0123456789") == "012...789"
    assert Style(columns=10).fitted("0123456789") == "0123456789"


def test_nothing_is_cut_where_there_is_no_terminal() -> None:
    assert Style().fitted("x" * 1000) == "x" * 1000


def test_sentence_is_folded_on_a_terminal_alone() -> None:
    text = f"{unbroken('the file /data/a b')} cannot be packaged, {'because ' * 9}of its name"
    lines = list(Style(columns=80).sentence(text, indent=2))
    assert len(lines) == 2
    assert max(map(len, lines)) < 80
    assert list(Style().sentence(text, indent=2)) == ["  " + " ".join(line.strip() for line in lines)]


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    """A package of deep folders with long names, of which some files have changed since."""
    folder = tmp_path_factory.mktemp("deep")
    delivery = Delivery(make_reduction(folder / "sb1"), folder / "2011.0.00229.S")
    add_measurement_sets(delivery.origin)
    plots = delivery.origin / "X8c" / f"{UID}.ms.split.phase_int.plots" / "/".join(["spectral_window"] * 9)
    for antenna in range(3):
        write(plots / f"phase.of.every.scan.{antenna}.png", b"x" * 5000)
    delivery.make()
    (plots / "phase.of.every.scan.0.png").unlink()
    write(plots / f"phase.of.every.scan.and.more.{'x' * 60}.png", b"y" * 3000)
    return delivery


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "sb1", "2011.0.00229.S", "--tree", "-q"],
        ["show", "2011.0.00229.S", "--files"],
        ["diff", "sb1", "2011.0.00229.S", "-q"],
        ["log", "2011.0.00229.S"],
        ["tarsplit", "2011.0.00229.S", "-n", "2012-06-20", "--dry-run", "-q"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_only_a_path_on_a_line_of_its_own_is_wider_than_the_terminal(
    deep: Delivery, arguments: list[str], columns: int
) -> None:
    command = [sys.executable, "-m", "qa2pack.pack", *arguments]
    printed = printed_on_terminal(command, columns=columns, cwd=deep.path.parent)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", printed).splitlines()
    assert lines
    assert [line for line in lines if len(line) > columns and not re.fullmatch(r" *(?:[+~-] )?\S+", line)] == []


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("choice", "environment", "on_terminal", "elsewhere"),
    [
        ("auto", {}, True, False),
        ("auto", {"NO_COLOR": "1"}, False, False),
        ("auto", {"NO_COLOR": ""}, True, False),
        ("auto", {"TERM": "dumb"}, False, False),
        ("auto", {"FORCE_COLOR": "1"}, True, True),
        ("auto", {"CLICOLOR_FORCE": "1"}, True, True),
        ("auto", {"CLICOLOR_FORCE": "0"}, True, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ("always", {"NO_COLOR": "1"}, True, True),
        ("never", {"FORCE_COLOR": "1"}, False, False),
    ],
)
def test_colours_are_as_chosen_then_as_the_environment_has_it(
    choice: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, *, on_terminal: bool, elsewhere: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    with coloured(Color(choice)):
        assert style_for(_Terminal()).is_coloured is on_terminal
        assert style_for(io.StringIO()).is_coloured is elsewhere
