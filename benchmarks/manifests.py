"""Packages whose manifest says that they hold millions of files. Run as `python -m benchmarks.manifests DIR COUNT`.

Most of the files do not exist: this is for jobs that read manifests alone. Needs `PYTHONPATH=tests`.
"""

import sys
from pathlib import Path

from support.large_manifests import FILES_PER_FOLDER, write_large_manifest


def main() -> None:
    """Make the package that is named on the command line."""
    folder, count = sys.argv[1:]
    write_large_manifest(Path(folder), int(count) // FILES_PER_FOLDER)


if __name__ == "__main__":
    main()
