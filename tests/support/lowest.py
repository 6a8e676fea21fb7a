"""The lowest version that pyproject.toml allows of every dependency, as a constraints file for pip.

`python tests/support/lowest.py` prints it; `make test-lowest` runs the tests with it. A bound that nobody tries is a
guess.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"
_BOUND = re.compile(r"([\w.-]+)(?:\[\w+\])?>=([\w.]+)(?:,<[\w.]+)?")


def lowest_versions() -> Iterator[str]:
    """Yield `name==version` for every dependency, also those of tests and of clusters, each once.

    Raises:
        ValueError: one has no lower bound.
    """
    project = tomllib.loads(_PROJECT.read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in sorted({requirement for group in groups for requirement in group}):
        bound = _BOUND.fullmatch(requirement)
        if bound is None:
            raise ValueError(f"{requirement} has no lower bound")
        yield f"{bound[1]}=={bound[2]}"


if __name__ == "__main__":
    print("\n".join(lowest_versions()))
