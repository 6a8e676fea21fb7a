"""Lets `python -m pack` do what `pack` does."""

import sys

from pack.cli import main

if __name__ == "__main__":
    sys.exit(main())
