"""`pack legacy-call`: `QA_Packager` for a Python that cannot run this program; `QA2_Packaging_module.py` starts it.

It is no command for people and in no help. What the call raises goes into a file: no exit code could hold it.
"""

import json
import os
from collections.abc import Sequence

from qa2pack.executor.stop_signals import ended_by_keyboard
from qa2pack.pack.dropin import PackagingError, QA_Packager
from qa2pack.pack.exit_codes import Exit


def main(arguments: Sequence[str]) -> int:
    """Run `QA_Packager`, write what it raises as JSON, and return the exit code.

    Args:
        arguments: path of the file for the outcome, which exists; then origpath, readme, packpath, append and mode,
            and style, PIscript, noms and manimgonly (empty for no) if one of these is given.
    """
    outcome, origpath, readme, packpath, append, mode, *newer = arguments
    # A copy of the module may be older, and knows fewer of them.
    style, piscript, noms, manimgonly = (*newer, "", "", "", "")[:4]
    error, problems, is_interrupted = "", [], False
    try:
        with ended_by_keyboard():
            QA_Packager(origpath, readme, packpath, append, mode, style, piscript, bool(noms), bool(manimgonly))
    except KeyboardInterrupt as interrupt:
        error, is_interrupted = str(interrupt), True
    except PackagingError as raised:
        error = str(raised)
        problems = [
            (each.code, os.fsdecode(each.path), str(each.expected), str(each.found)) for each in raised.problems
        ]
    with open(outcome, "w", encoding="ascii") as file:
        json.dump({"error": error, "problems": problems, "is_interrupted": is_interrupted}, file)
    return Exit.FAILED if error else Exit.DONE
