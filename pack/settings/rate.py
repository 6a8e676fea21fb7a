"""Parsing of the rate of --bandwidth: bytes per second, with or without a unit."""

import typer


def parse_rate(text: str | int) -> int:
    """Return bytes per second from a text like 200MB, 1.5GiB/s or 0 (unlimited).

    Raises:
        typer.BadParameter: the text is not a rate.
    """
    from qa2pack.manifest.quantity import parse_size
    from qa2pack.pack.settings.bounds import MOST_RATE

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
