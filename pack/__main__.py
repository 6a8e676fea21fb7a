"""Lets `python -m qa2pack.pack` do what `pack` does."""

import sys

from qa2pack.pack.cli import main

if __name__ == "__main__":
    sys.exit(main())
