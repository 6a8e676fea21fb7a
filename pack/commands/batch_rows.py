"""Jobs of a list: each row is parsed by the options of `pack plan`, as if it were typed.

So a row takes whatever `pack plan` takes, and its defaults are from the same variables and `pack.toml` files. There
is no second list of options.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import cache
from typing import Any

import typer
from typer.main import get_command

from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.given import given_values
from qa2pack.manifest.layout.include import check_includes
from qa2pack.manifest.layout.load import is_layout_path, load_layout
from qa2pack.manifest.problem import Refused, Remedy
from qa2pack.pack.commands.base import Command, UsageFault, defaults_of, option_words
from qa2pack.pack.commands.options import (
    EveryOptions,
    OriginArgument,
    PackageArgument,
    RuleOptions,
    TableOptions,
    spread,
)
from qa2pack.pack.commands.plan_options import PlanOptions, check_options, request_of
from qa2pack.pack.jobs.batch import Job, all_earlier, is_by_values
from qa2pack.pack.jobs.job_list import Row, list_problem, read_job_list
from qa2pack.pack.jobs.readme_source import is_pipe
from qa2pack.pack.target import quoted, target_of

_PATHS = ("origin", "package")
_NO_LIST = (Remedy("Correct --each, --package or the options:", ("pack batch --help",)),)
_TO_ADD = 'to add a member: append = "member", or for all jobs --append member'
_TRUTHS = {"true": True, "false": False}


class _RowCommand(Command):
    """The options of a row; the log of the whole run is open already."""

    def _logged(self, ctx: Any, every: EveryOptions) -> AbstractContextManager[None]:
        return nullcontext()


def _job(
    context: typer.Context,
    origin: OriginArgument,
    package: PackageArgument,
    *,
    options: PlanOptions,
    rules: RuleOptions,
    tables: TableOptions,
) -> Job:
    """Return the job that a row describes; its place is not known here."""
    check_options(options)
    target = target_of(package)
    request = request_of(context, origin, target, options, rules, tables)
    return Job("", request, target, quoted(os.fsencode(origin)), defaults_of(context))


@cache
def _row_command() -> Any:
    program = typer.Typer(add_completion=False)
    program.command("plan", cls=_RowCommand)(spread(_job))
    return get_command(program)


@cache
def row_options() -> Mapping[str, Any]:
    """Return the options that a row may have, by their keys."""
    known = {name for group in (PlanOptions, RuleOptions, TableOptions) for name in group._fields}
    return {option.name.replace("_", "-"): option for option in _row_command().params if option.name in known}


@dataclass(frozen=True, slots=True)
class Rows:
    """Jobs as they are given, not parsed yet.

    Attributes:
        path: of the list, or of the folder that holds the origins.
        faults: what is known to be wrong already.
        base: the folder to which paths in the rows are relative; empty for the current one.
        remedies: what to do where something is wrong; empty for what is said of a list.
    """

    path: bytes
    rows: tuple[Row, ...]
    faults: tuple[str, ...]
    base: bytes = b""
    remedies: tuple[Remedy, ...] = ()


def rows_of_list(path: bytes) -> Rows:
    """Return the rows of a list.

    Raises:
        Refused, OSError: as `read_job_list`.
    """
    found = read_job_list(path, (*_PATHS, *row_options()))
    return Rows(path, found.rows, found.faults, found.folder)


def rows_of_folders(folder: bytes, glob: str, package: str) -> Rows:
    """Return a row for each folder that matches, sorted by path; neither for packages nor for control folders.

    Args:
        glob: relative to the folder.
        package: the path of the package, in which `{name}` is the name of the origin's folder.
    """
    rows = tuple(_folder_rows(folder, glob, package))
    return Rows(folder, rows, () if rows else (f"no folder matches {glob}",), remedies=_NO_LIST)


def values_of(given: Rows) -> Iterator[Mapping[str, object]]:
    """Yield the values of each row, paths as the job has them; a value that is wrong is left out."""
    yield from (dict(_given(row, given.base)) for row in given.rows)


def _given(row: Row, base: bytes) -> Iterator[tuple[str, object]]:
    for key, value in row.values.items():
        with suppress(ValueError):
            is_path = key in _PATHS
            yield key, _beside(base, _text(key, value)) if is_path else _value(row_options()[key], key, value, base)


def _folder_rows(folder: bytes, glob: str, package: str) -> list[Row]:
    from glob import glob as matching

    from qa2pack.manifest.fs.presence import is_folder
    from qa2pack.pack.jobs.packages_below import is_control

    names = sorted(matching(os.fsencode(glob), root_dir=folder))
    paths = [os.path.join(folder, name.rstrip(b"/")).removeprefix(b"./") for name in names]
    # The packages may be made beside the origins, and must not be packaged by the next run.
    folders = [path for path in paths if is_folder(path) and not (is_control(path) or is_control(path + b".pack"))]
    origins = [os.fsdecode(path) for path in folders]
    return [
        Row(origin, {"origin": origin, "package": package.replace("{name}", os.path.basename(origin))})
        for origin in origins
    ]


def jobs_of(given: Rows, words: Sequence[str]) -> tuple[Job, ...]:
    """Return the jobs of the rows.

    Args:
        words: options of every job; what a row says of the same option goes before.

    Raises:
        Refused: with all that is wrong in the rows, each with its place; or two jobs want the same one.
    """
    faults, jobs = list(given.faults), list[Job]()
    for row in given.rows:
        job, found = _read_row(row, given.base, words)
        faults += (f"{row.place}: {fault}" for fault in found)
        if job and not found:
            jobs.append(_placed(job, row.place, jobs))
    faults += _clashes(jobs)
    if faults:
        raise Refused(*(list_problem(given.path, fault) for fault in faults), remedies=given.remedies)
    return tuple(jobs)


def _read_row(row: Row, base: bytes, words: Sequence[str]) -> tuple[Job | None, list[str]]:
    """Return the job of a row, and all that is wrong with it: a job that is wrong is read without its wrong options.

    Args:
        words: options of every job.
    """
    own, faults = _own_words(row, base)
    paths, path_faults = _path_words(row, base)
    job, parse_faults = _parsed([*words, *own, *paths])
    if parse_faults:
        each = {word: _parsed([word, *paths])[1] for word in own}
        # Only together wrong: options that exclude each other, or those of every job.
        parse_faults = [fault for found in each.values() for fault in found] or parse_faults
        job, _ = _parsed([*words, *(word for word in own if not each[word]), *paths])
    return job, [*path_faults, *faults, *parse_faults, *((*_layout_faults(job), *_readme_faults(job)) if job else ())]


def _parsed(words: Sequence[str]) -> tuple[Job | None, list[str]]:
    command = _row_command()
    try:
        # `main` would take an interrupt for the end of a program, and return an exit code in place of a job.
        with command.make_context("pack plan", list(words)) as context:
            return command.invoke(context), []
    except UsageFault as error:
        return None, [" ".join(error.format_message().split())]
    except Refused as error:
        return None, [str(problem) for problem in error.problems]
    except ValueError as error:  # a path that none can be
        return None, [str(error)]


def _layout_faults(job: Job) -> Iterator[str]:
    """Yield why the layout of a job cannot be used, or does not know the roles and variables that are typed."""
    request = job.request
    try:
        layout = load_layout(request.layout)
    except Refused as error:
        yield from map(str, error.problems)
        return
    project = os.path.basename(request.package)
    for check in (
        lambda: check_includes(request.include, layout.roles),
        lambda: given_values(request.values, layout, given_as=request.layout, project=project),
    ):
        try:
            check()
        except Refused as error:
            yield from map(str, error.problems)


def _readme_faults(job: Job) -> Iterator[str]:
    """Yield why the header cannot be that of a job: it is compared each time that the list is given."""
    if job.request.readme is not None and is_pipe(job.request.readme):
        yield "readme must be a file: a pipe can be read only once, not for each job"


def _placed(job: Job, place: str, jobs: Sequence[Job]) -> Job:
    """Return the job with its place and the one before it of the same package; both share what is opened."""
    same = [each for each in jobs if each.request.package == job.request.package]
    if not same:
        return replace(job, place=place)
    earlier = same[-1]
    return replace(job, place=place, earlier=earlier, target=replace(job.target, opened=earlier.target.opened))


def _own_words(row: Row, base: bytes) -> tuple[list[str], list[str]]:
    """Return the options of a row as words of a command line, and what is wrong with their values."""
    options, words, faults = row_options(), list[str](), list[str]()
    for key, value in row.values.items():
        try:
            words += () if key in _PATHS else option_words(options[key], _value(options[key], key, value, base))
        except ValueError as error:
            faults.append(str(error))
    return words, faults


def _path_words(row: Row, base: bytes) -> tuple[list[str], list[str]]:
    """Return origin and package as words of a command line, and what is wrong with them; `.` is for one that is."""
    words, faults = ["--"], list[str]()
    for key in _PATHS:
        try:
            words.append(_beside(base, _text(key, row.values[key])) if row.values.get(key) else ".")
        except ValueError as error:
            words.append(".")
            faults.append(str(error))
    missing = [key for key in _PATHS if not row.values.get(key)]
    return words, faults + ([f"{' and '.join(missing)} missing"] if missing else [])


def _value(option: Any, key: str, value: object, base: bytes) -> object:
    """Return a value as the option has it; CSV has only texts.

    Raises:
        ValueError: it is of another kind.
    """
    if option.is_flag:
        truth = _TRUTHS.get(value.lower()) if isinstance(value, str) else value
        if not isinstance(truth, bool):
            raise ValueError(f"{key} must be true or false")
        return truth
    if option.multiple:
        parts = value.split() if isinstance(value, str) else value
        if not isinstance(parts, list):
            raise ValueError(f"{key} must be a list of texts")
        return [_text(key, part) for part in parts]
    text = _text(key, value)
    return _beside(base, text) if key == "readme" or (key == "layout" and is_layout_path(text)) else text


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{key} must be a text")
    return value


def _beside(base: bytes, text: str) -> str:
    """Return a path of a row."""
    return os.fsdecode(os.path.join(base, os.path.expanduser(os.fsencode(text))))


def _clashes(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield what cannot be meant: one job would replace what another made, or could never be seen as done."""
    for job in jobs:
        yield from (f"{job.place}: {clash}" for clash in list(_clash(job, tuple(all_earlier(job))))[:1])


def _clash(job: Job, others: Sequence[Job]) -> Iterator[str]:
    request = job.request
    is_replacing = request.append is Append.NOTHING and bool(others) and not is_by_values(request)
    for other in others:
        if (request.origin, request.values) == (other.request.origin, other.request.values):
            yield f"the same origin and package as in {other.place}"
        if is_replacing:
            yield f"it would replace the package of {other.place}; {_TO_ADD}"
        if (request.append is Append.REPLACE) != (other.request.append is Append.REPLACE):
            yield f"it would replace a member of a package that {other.place} makes or adds to"
        if request.append is Append.REPLACE and request.replaced == other.request.replaced:
            yield f"it replaces the same member as {other.place}"
