"""The documents of the project, and bringing what they show up to date: `make pages`.

With --check pages are only compared.

Where a command prints something else than its page shows, the page gets what was printed. What a page shows with `…`
is written out whole then, to be shortened again by hand.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from make_reduction import make_reductions

from support.pages import steps_of
from support.stories import SHELL, Printed, exit_faults, run_steps

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")))
# A page with this mounts something: in a view of its own, which ends with the story, whatever happens.
HAS_MOUNTS = "<!-- own mounts -->"
UNSHARED = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--mount", "--map-root-user")


@contextmanager
def story_folder(reductions: Path) -> Iterator[Path]:
    """Yield a folder with copies of the reductions, for one story; it is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="qa2pack-story-") as above:
        yield Path(shutil.copytree(reductions, Path(above) / "data"))


def story_of(text: str, folder: Path) -> list[Printed]:
    """Tell the story of a page in a folder."""
    return run_steps(steps_of(text), folder, (*UNSHARED, *SHELL) if HAS_MOUNTS in text else SHELL)


def main(words: list[str]) -> int:
    """Run the stories of these pages, or of all, and rewrite them; return 1 if one cannot be run.

    After --check as the first word, pages stay as they are; 1 is returned also if one shows something else.
    """
    is_check = words[:1] == ["--check"]
    names = words[1:] if is_check else words
    with tempfile.TemporaryDirectory(prefix="qa2pack-reductions-") as folder:
        reductions = Path(folder)
        make_reductions(reductions)
        each_page = _differs if is_check else _bring_up_to_date
        return max([each_page(ROOT / name, reductions) for name in names or PAGES])


def _differs(page: Path, reductions: Path) -> int:
    with story_folder(reductions) as folder:
        reported = story_of(page.read_text(), folder)
    others = [each for each in reported if not each.is_as_shown]
    for each in others:
        print(f"{page.relative_to(ROOT)}:{each.command.line}: $ {each.command.text}", *each.printed, sep="\n")
    faults = exit_faults(reported)
    print(*faults, f"{page.relative_to(ROOT)}: {len(reported)} commands, {len(others)} with other output", sep="\n")
    return 1 if others or faults or not reported else 0


def _bring_up_to_date(page: Path, reductions: Path) -> int:
    text = page.read_text()
    with story_folder(reductions) as folder:
        reported = story_of(text, folder)
    lines = text.splitlines()
    for each in reversed([each for each in reported if not each.is_as_shown]):
        print(f"{page.relative_to(ROOT)}:{each.command.line}: $ {each.command.text}")
        start = each.command.shown_line - 1
        lines[start : start + len(each.command.shown)] = each.printed
    page.write_text("\n".join(lines) + "\n")
    faults = exit_faults(reported)
    for fault in faults:
        print(f"{page.relative_to(ROOT)}: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
