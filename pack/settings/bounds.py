"""Bounds of the numbers among the options: a number beyond them is a mistake, such as a wrong unit.

They hold for command line, environment and `pack.toml` alike, and are far from what any machine can use.
"""

MOST_JOBS = 10_000
MOST_WAIT_SECONDS = 31_536_000  # a year
MOST_DURATION_SECONDS = 100 * 31_536_000
MOST_RATE = 10**15  # bytes per second
MOST_TAR_BYTES = 10**15


def parse_tar_size(text: str) -> int:
    """Return the largest size of a tar in bytes.

    Raises:
        ValueError: the text is not a size, or beyond the bound.
    """
    from qa2pack.manifest.quantity import parse_size

    size = parse_size(text)
    if size > MOST_TAR_BYTES:
        raise ValueError(f"{text!r} is more than 1000TB")
    return size
