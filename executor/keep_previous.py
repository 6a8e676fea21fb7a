"""Keep previous: whether a package that is replaced, or a member that is removed, is kept for a rollback.

The choice is the user's. What AUTO becomes is decided once, before the commit, and recorded with it: a later run must
not keep a tree of which an earlier one removed a part.
"""

from enum import StrEnum

# What a README, ticket files and rewritten parts of tables take; far less than a copy of a reduction.
KEEP_LIMIT_BYTES = 64 * 2**20


class KeepPrevious(StrEnum):
    """Whether what is replaced is kept until the next apply."""

    YES = "yes"
    NO = "no"
    AUTO = "auto"  # if it takes little space, because most of its files have other hard links


_FLAGS = {
    **dict.fromkeys(("1", "true", "on", "y", "t"), KeepPrevious.YES),
    **dict.fromkeys(("0", "false", "off", "n", "f"), KeepPrevious.NO),
}


def keep_previous_of(text: str) -> KeepPrevious:
    """Return the choice of this name, or of a flag as variables and files have it.

    Raises:
        ValueError: it is none.
    """
    word = text.strip().lower()
    return _FLAGS.get(word) or KeepPrevious(word)
