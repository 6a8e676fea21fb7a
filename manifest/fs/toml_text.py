"""Reading TOML that others may have written: settings and layouts.

What is nested beyond all measure, or has names of thousands of parts, for which the parser takes hours, is no TOML of
these files. Names do not go over the end of a line, so dots in a line bound their parts.
"""

_MOST_DOTS = 200  # in a line; a list of a hundred globs


def parse_toml(data: bytes) -> dict[str, object]:
    """Return what the text of a file says.

    Raises:
        ValueError: it is no TOML in UTF-8, or asks for more than any such file does; str() says what.
    """
    # Only here, because most commands find no file: what takes one apart takes time to load.
    import tomllib

    for number, line in enumerate(data.split(b"\n"), 1):
        if line.count(b".") > _MOST_DOTS:
            raise ValueError(f"a line with more than {_MOST_DOTS} dots (at line {number})")
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        at = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"bytes that are not UTF-8 (at line {at})") from error
    except RecursionError as error:
        raise ValueError(f"nested too deeply ({error})") from error
