"""The legacy import: `from QA2_Packaging_module import *` provides the legacy call `QA_Packager`, in every Python.

This file is understood by every Python that CASA came with (2.7 and all of 3). Where this Python is too old for the
program, or does not have it, the call runs the program `pack` as a child process and raises what that reports. The
file may be copied to where scripts are: it needs no other file beside it.
"""

import collections
import json
import os
import signal
import subprocess
import sys
import tempfile

MYPY = False  # Python 2.7 has no typing; a type checker takes this name for true
if MYPY:
    from typing import Any  # noqa: F401 - in comments

__all__ = ["QA_Packager"]

_OLDEST = (3, 11)
_MINE = os.path.dirname(os.path.abspath(__file__))
# Set by CASA for its own Python and libraries, with which the other Python would not start.
_OF_CASA = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "LD_LIBRARY_PATH", "LD_PRELOAD", "__PYVENV_LAUNCHER__")
_INSTALL = """\
This Python (%s) cannot run the packaging itself: Python %d.%d or newer with qa2pack is needed beside it. Once, in the
folder of qa2pack that holds its README.md and pyproject.toml:
  python3 -m venv ~/qa2pack
  ~/qa2pack/bin/pip install .
It is found on the PATH, beside %s, or where QA2PACK says:
  export QA2PACK=~/qa2pack/bin/pack"""

Problem = collections.namedtuple("Problem", "code path expected found")


class _PackagingError(Exception):
    """The package could not be made; the text says why, what state it is in and what to do.

    Attributes:
        problems: what stands against it, where that is known; each has code, path, expected and found.
    """

    def __init__(self, text, problems=()):  # type: (str, Any) -> None
        Exception.__init__(self, text)
        self.problems = problems


def _run_packager(  # noqa: PLR0913, PLR0917 - the parameters of the old script
    origpath, readme, packpath, append="", mode="fake", style=None, PIscript=None, noms=False, manimgonly=False
):
    # type: (Any, Any, Any, str, str, Any, Any, bool, bool) -> None
    """Package the reduction at `origpath` as `packpath`, by running `pack`.

    Args:
        origpath: the folder of one scheduling block, or of one execution block.
        readme: file with the header of the README; empty or None takes the template.
        packpath: the destination; its name is the project code.
        append: `''` replaces what is at the destination, `'group'` adds the next group, `'member'` the next member.
        mode: `fake`, `copy`, `hard`, `move` or `ticket`.
        style: the style of the delivery, as `cycle8-nopipe`; empty or None takes the layout of the settings.
        PIscript: file with the script that restores the data; empty or None for none.
        noms: no measurement sets are packaged.
        manimgonly: images that were made by hand alone are packaged, with their scripts.

    Raises:
        PackagingError: it is refused or failed; the text says what state the package is in and what to do.
        KeyboardInterrupt: it was interrupted; `pack apply` goes on.
    """
    program = _program()
    fd, outcome = tempfile.mkstemp(prefix="qa2pack-call-")
    os.close(fd)
    try:
        words = [_word(value) for value in (origpath, readme or "", packpath, append, mode)]
        newer = [style or "", PIscript or "", "noms" if noms else "", "manimgonly" if manimgonly else ""]
        while newer and not newer[-1]:  # a program that is older knows only the first of them, or none
            newer.pop()
        if newer:
            words += [_word(value) for value in newer + [""] * (3 - len(newer))]
        code = _wait([program, "legacy-call", outcome] + words)
        with open(outcome) as file:
            text = file.read()
    finally:
        os.unlink(outcome)
    if not text and code == -signal.SIGINT:  # it was interrupted before it began
        raise KeyboardInterrupt
    if not text:
        raise PackagingError("%s ended with exit code %d and said nothing." % (program, code))
    _raise_failure(json.loads(text))


def _word(value):  # type: (Any) -> Any
    """Return a path or word of the call as an argument of a process; what is neither is refused by its name there."""
    value = getattr(value, "__fspath__", lambda: value)()
    return value if hasattr(value, "encode") or hasattr(value, "decode") else str(value)  # any kind of text


def _raise_failure(result):  # type: (dict[str, Any]) -> None
    if result["is_interrupted"]:
        raise KeyboardInterrupt(result["error"])
    if result["error"]:
        raise PackagingError(str(result["error"]), tuple(map(_problem, result["problems"])))


def _problem(fields):  # type: (Any) -> Any
    return Problem(*fields)


def _wait(command):  # type: (list[Any]) -> int
    """Run a command to its end, also where this process is interrupted: the other one is, too, and ends in order."""
    sys.stdout.flush()
    sys.stderr.flush()
    process = subprocess.Popen(
        command, env=_environment(), stdout=_descriptor(sys.stdout), stderr=subprocess.STDOUT if _is_own() else None
    )
    while True:
        try:
            if process.stdout is not None:
                _copy(process.stdout, sys.stdout)
            return process.wait()
        except KeyboardInterrupt:
            continue


def _is_own():  # type: () -> bool
    """Tell whether what is printed goes elsewhere than to the process's own stdout, as to CASA's log window."""
    return _descriptor(sys.stdout) == subprocess.PIPE


def _descriptor(stream):  # type: (Any) -> int
    try:
        return int(stream.fileno())
    except Exception:  # each replacement of sys.stdout has its own
        return subprocess.PIPE


def _copy(source, stream):  # type: (Any, Any) -> None
    for line in iter(source.readline, b""):
        stream.write(line.decode("utf-8", "replace") if sys.version_info >= (3,) else line)
        stream.flush()


def _environment():  # type: () -> dict[str, str]
    return {name: value for name, value in os.environ.items() if name not in _OF_CASA}


def _program():  # type: () -> str
    """Return the path of `pack`, of this program and no other of that name."""
    named = os.environ.get("QA2PACK", "")
    if named:
        places = [os.path.expanduser(named), os.path.join(os.path.expanduser(named), "pack")]
    else:
        beside = [
            os.path.join(_MINE, *way) for way in (("pack",), ("bin", "pack"), ("..", "..", "..", "bin", "pack"))
        ]
        places = beside + [os.path.join(folder, "pack") for folder in os.environ.get("PATH", "").split(os.pathsep)]
    for place in places:
        if os.access(place, os.X_OK) and _is_ours(place):
            return os.path.abspath(place)
    said = "QA2PACK=%s leads to no such program.\n" % named if named else ""
    raise PackagingError(said + _INSTALL % ((sys.version.split()[0],) + _OLDEST + (os.path.join(_MINE, "pack"),)))


def _is_ours(place):  # type: (str) -> bool
    try:
        process = subprocess.Popen(
            [place, "--version"], env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError:
        return False
    return process.communicate()[0].startswith(b"qa2pack ")


try:
    if sys.version_info < _OLDEST:
        raise ImportError("too old", name="qa2pack") if sys.version_info >= (3, 3) else ImportError("qa2pack")
    from qa2pack.pack.dropin import PackagingError, QA_Packager
except ImportError as _error:
    # A folder that only has the name of the program, such as its environment, is `qa2pack` without `qa2pack.pack`.
    if (getattr(_error, "name", None) or "qa2pack") not in ("qa2pack", "qa2pack.pack"):
        raise  # it is installed here, but a part of it, or something that it needs, is not: that is to be seen
    PackagingError = _PackagingError  # type: ignore[assignment, misc]
    PackagingError.__name__ = "PackagingError"
    QA_Packager = _run_packager
    QA_Packager.__name__ = "QA_Packager"
