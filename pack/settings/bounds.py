"""Bounds of the numbers among the options, and parsing of sizes and rates. Beyond them is a mistake, as a wrong unit.

They hold for command line, environment and `pack.toml` alike, and are far from what any machine can use.
"""

import typer

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


def parse_rate(text: str | int) -> int:
    """Return bytes per second from a text like 200MB, 1.5GiB/s or 0 (unlimited).

    Raises:
        typer.BadParameter: the text is not a rate.
    """
    from qa2pack.manifest.quantity import parse_size

    if isinstance(text, int):
        return text  # a default goes through here as well
    try:
        rate = parse_size(text.strip().removesuffix("/s"))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a rate; write bytes per second, as in 200MB or 1GiB") from error
    if rate == 0 and any(digit in text for digit in "123456789"):
        raise typer.BadParameter(f"{text!r} is less than a byte per second; 0 means unlimited")
    if rate > MOST_RATE:
        raise typer.BadParameter(f"{text!r} is more than 1000TB per second; 0 means unlimited")
    return rate
