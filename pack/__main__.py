"""Entry point of `python -m qa2pack.pack`, the same as the command `pack`."""

import sys

from qa2pack.pack.cli import main

if __name__ == "__main__":
    sys.exit(main())
