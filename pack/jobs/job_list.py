"""Reading a list of jobs: TOML with a table `[[job]]` for each, or CSV with a line for each and the keys on top.

A list is a file that the user names: a link to one is followed, and the pipe of a shell is read. What the values of
the keys mean is checked by the command that they are options of (`pack.commands.batch_rows`).
"""

import csv
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from io import StringIO

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.control_file import SMALL_BYTES, ControlFileError, is_shell_pipe, read_named
from qa2pack.manifest.fs.presence import is_link, real_path
from qa2pack.manifest.fs.toml_text import parse_toml
from qa2pack.manifest.humanize import human_bytes
from qa2pack.manifest.layout.toml_lines import table_lines
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy

_JOB = "job"
_MOST = Remedy(
    f"Name a file that holds the list, of at most {human_bytes(SMALL_BYTES)}; what is longer, as several lists."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One job as it is written.

    Attributes:
        place: where it is in the list, for messages: `line 3`; `job 3` where the line is not known.
        values: from key to value; of CSV all values are texts, and empty cells are left out.
    """

    place: str
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class JobList:
    """The rows of a list, and what is wrong with it.

    Attributes:
        faults: each begins with its place.
        folder: to which paths in the list are relative: where the file lies; empty for the current one.
    """

    rows: tuple[Row, ...]
    faults: tuple[str, ...] = ()
    folder: bytes = b""


def list_problem(path: bytes, fault: str) -> Problem:
    """Return the problem of a fault in a list."""
    return Problem(Code.LIST_UNUSABLE, path, found=fault)


def read_job_list(path: bytes, keys: Collection[str]) -> JobList:
    """Return the rows of a list; unknown keys are faults, and not in the rows.

    What comes out of a pipe has no ending that tells its form: it is TOML if a line of it begins with `[[job]]`.

    Args:
        path: of a file, or of a link to one: then the list is what it leads to; or of the pipe of `<(command)`.
        keys: the known keys.

    Raises:
        Refused: it is not a list at all, not a regular file, or too large.
        OSError: it cannot be read.
    """
    text, is_pipe = _read_text(path), is_shell_pipe(path)
    file = real_path(path) if is_link(path) else path
    try:
        found = _toml_list(text, keys) if _is_toml(text, path, file, is_pipe=is_pipe) else _csv_list(text, keys)
    except (ValueError, csv.Error) as error:
        raise Refused(list_problem(path, str(error))) from error
    return found if is_pipe else replace(found, folder=os.path.dirname(file))


def _is_toml(text: str, *names: bytes, is_pipe: bool) -> bool:
    """Tell whether a list is TOML, not CSV.

    Raises:
        ValueError: it cannot be known.
    """
    if is_pipe:
        return any(line.startswith(f"[[{_JOB}]]") for line in text.splitlines())
    endings = {name.rpartition(b".")[2] for name in names}
    if endings.isdisjoint((b"toml", b"csv")):
        raise ValueError("its name ends neither in .toml nor in .csv")
    return b"toml" in endings


def _read_text(path: bytes) -> str:
    try:
        return read_named(path, limit_bytes=SMALL_BYTES).decode("utf-8-sig")
    except ControlFileError as error:
        raise Refused(list_problem(path, str(error.strerror)), remedies=(_MOST,)) from error
    except ValueError as error:
        raise Refused(list_problem(path, str(error))) from error


def _toml_list(text: str, keys: Collection[str]) -> JobList:
    table = parse_toml(text.encode())
    jobs = table.pop(_JOB, [])
    if not isinstance(jobs, list) or not all(isinstance(job, dict) for job in jobs):
        raise ValueError(f"{_JOB} must be written as tables, [[{_JOB}]]")
    faults = [f"there is no key {shown(key)} outside of [[{_JOB}]]" for key in table]
    lines = table_lines(text, _JOB, len(jobs))
    rows = []
    for number, job in enumerate(jobs):
        place = f"line {lines[number]}" if lines else f"{_JOB} {number + 1}"
        faults += _unknown(place, job, keys)
        rows.append(Row(place, {key: value for key, value in job.items() if key in keys}))
    return _filled(rows, faults)


def _csv_list(text: str, keys: Collection[str]) -> JobList:
    lines = _csv_lines(text)
    top_line, names = next(lines, (1, []))
    faults = list(_unknown(f"line {top_line}", names, keys))
    faults += [f"line {top_line}: {name} is there twice" for name in keys if names.count(name) > 1]
    rows = []
    try:
        for line, cells in lines:
            if len(cells) > len(names):
                faults.append(f"line {line}: {len(cells)} cells, but line {top_line} has {len(names)} names")
            pairs = zip(names, cells, strict=False)
            rows.append(Row(f"line {line}", {name: cell for name, cell in pairs if cell and name in keys}))
    except csv.Error as error:  # what follows cannot be taken apart
        faults.append(str(error))
    return _filled(rows, faults)


def _csv_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the cells, without empty lines and comments.

    Raises:
        csv.Error: with the line in its text.
    """
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped) and not stripped[0].startswith("#"):
                yield line, stripped
            line = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(f"line {line}: {error}") from error


def _unknown(place: str, names: Collection[str], keys: Collection[str]) -> Iterator[str]:
    from difflib import get_close_matches

    for name in names:
        if name not in keys:
            near = get_close_matches(name, keys, n=1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(keys)}"
            yield f"{place}: there is no key {shown(name)}; {meant}"


def _filled(rows: list[Row], faults: list[str]) -> JobList:
    return JobList(tuple(rows), tuple(faults) if rows or faults else ("it holds no job",))
