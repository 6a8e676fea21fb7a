"""What a release needs in the files of the project, and what is missing: the first check of `make release-check`.

A version that ends with `.dev0` is none that is published, so nothing is wrong with it.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from qa2pack.pack import __version__

_ROOT = Path(__file__).parents[2]
_ADDRESSES = ("Homepage", "Documentation", "Issues")


def missing_for_release(version: str, *, project: str, citation: str, changelog: str) -> Iterator[str]:
    """Yield what is missing, with the file where it belongs.

    Args:
        project, citation, changelog: content of pyproject.toml, CITATION.cff and CHANGELOG.md.
    """
    if ".dev" in version:
        return
    urls = tomllib.loads(project)["project"].get("urls", {})
    for name in _ADDRESSES:
        if not urls.get(name, "").startswith("https://"):
            yield f"pyproject.toml: {name} in [project.urls], where the program is published"
    wanted = {"version": re.escape(version), "date-released": r"\d{4}-\d\d-\d\d", "repository-code": r"https://\S+"}
    for key, value in wanted.items():
        if not re.search(rf"^{key}: [\"']?{value}[\"']?$", citation, re.MULTILINE):
            yield f"CITATION.cff: {key} of {version}"
    if not re.search(rf"^## {re.escape(version)}\b", changelog, re.MULTILINE):
        yield f"CHANGELOG.md: a section {version}, in place of Unreleased"


def main() -> int:
    """Print what is missing; return 1 if anything is."""
    missing = list(
        missing_for_release(
            __version__,
            project=(_ROOT / "pyproject.toml").read_text(),
            citation=(_ROOT / "CITATION.cff").read_text(),
            changelog=(_ROOT / "CHANGELOG.md").read_text(),
        )
    )
    for line in missing:
        print(line, file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
