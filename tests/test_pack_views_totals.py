"""Totals: files directly in a member are called README where they are it, and `.` where they are not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.format.header import Total
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.totals import named_totals, totals_lines
from support.commands import run_here
from support.in_process import Delivery, write

Capsys = pytest.CaptureFixture[str]
LAYOUT = """
{readme}
[[place]]
name = "top"
[[folder]]
name = "script"
[[rule]]
match = "*.py"
to = "script/{{name}}"
[[rule]]
match = "*"
to = "{{name}}"
"""


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    for name in ("a.py", "b.txt", "c.txt"):
        write(tmp_path / "run" / name, name.encode())
    return Delivery(tmp_path / "run", tmp_path / "package")


def plan_words(delivery: Delivery, readme: str) -> tuple[str | Path, ...]:
    layout = write(delivery.origin.parent / "mine.toml", LAYOUT.format(readme=readme).encode())
    return ("plan", delivery.origin, delivery.path, "--layout", layout, "--mode", "copy")


def counts(fields: dict[str, dict[str, dict[str, int]]]) -> dict[str, tuple[int, int]]:
    return {name: (each["file_count"], each["byte_count"]) for name, each in fields["roles"].items()}


@pytest.mark.parametrize("readme", ["", "readme = false"])
def test_files_at_the_top_are_named_as_what_they_are(capsys: Capsys, delivery: Delivery, readme: str) -> None:
    words = plan_words(delivery, readme)
    planned = json.loads(run_here(capsys, *words, "--json").out)
    applied = json.loads(run_here(capsys, "apply", delivery.path, "--json").out)
    (shown,) = json.loads(run_here(capsys, "show", delivery.path, "--json").out)["members"]
    expected = {".": (2, 10), "script": (1, 4)}
    if not readme:
        expected["README"] = (1, (delivery.path / "README").stat().st_size)
    assert counts(planned) == counts(applied) == counts(shown) == expected
    assert sum(count for count, _ in expected.values()) == planned["file_count"]
    out = run_here(capsys, *words).out
    assert [line.split()[:2] for line in out.splitlines() if line.startswith(("  . ", "  README "))] == [
        *([] if readme else [["README", "1"]]),
        [".", "2"],
    ]
    run_here(capsys, "report", delivery.path)
    page = (delivery.path.parent / "package.report.html").read_text()
    rows = {name for name in (".", "README") if f'<th scope="row">{name}</th>' in page}
    assert rows == {".", "README"} & expected.keys()


def test_only_file_at_the_top_of_cycle_0_is_readme(delivery: Delivery, tmp_path: Path) -> None:
    origin = tmp_path / "sb"
    write(origin / "X1/uid___A002_X1_X1.ms.listobs", b"1")
    write(origin / "X1/uid___A002_X1_X1.ms.scriptForCalibration.py", b"1")
    header = replace(delivery, origin=origin).plan().header
    total = Total("", 1, len(header.readme))
    assert list(named_totals([total, Total("log", 1, 1)], header)) == [
        replace(total, role="README"),
        Total("log", 1, 1),
    ]
    lines = list(totals_lines([total], Style(), header))
    assert [line.split()[:2] for line in lines[-2:]] == [["README", "1"], ["total", "1"]]
