"""Exit codes of all commands; stable, so that scripts may rely on them."""

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PROBLEMS = 3
    RESUMABLE = 4
    LOCKED = 6


EXIT_WORDS = {
    Exit.DONE: "done",
    Exit.FAILED: "failed or refused; nothing that was visible has changed",
    Exit.USAGE: "the command line, a variable or a pack.toml is not understood",
    Exit.PROBLEMS: "finished, and problems were found",
    Exit.RESUMABLE: "interrupted or failed on the way; give the same command again",
    Exit.LOCKED: "the package is locked by another run",
}


def exit_code_lines() -> str:
    """Return the list of exit codes for the help; the leading backspace keeps click from joining its lines."""
    return "\b\nExit codes:\n" + "\n".join(f"  {code.value}  {words}" for code, words in EXIT_WORDS.items())
