"""Written files of a plan: which texts of the layout go where, and what the texts are.

A text that lists the packaged files is late: it is made when all others are staged, because sizes and digests are not
known before. What is known of it in the plan is how it will be made, and about how long it will be.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from qa2pack.manifest.alma.member_ids import folder_of
from qa2pack.manifest.alma.package import README
from qa2pack.manifest.alma.readme import filled_header, header_of, header_template, tree_lines
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import Header, LeftOut
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.format.spool import RecordSpool
from qa2pack.manifest.format.written import BesideFile, WrittenFile
from qa2pack.manifest.fs.control_file import SMALL_BYTES, read_control
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.layout.item import Item
from qa2pack.manifest.layout.names import NAME_LIMIT_BYTES
from qa2pack.manifest.layout.roles import roles_of
from qa2pack.manifest.layout.template import PROJECT, NoPathError, NoValueError
from qa2pack.manifest.layout.text_template import FACTS, FILES, TextTemplateError, render_text
from qa2pack.manifest.layout.write import Write
from qa2pack.manifest.path import is_within, join, shown
from qa2pack.manifest.problem import Code, Problem, Refused, path_fault

if TYPE_CHECKING:
    from qa2pack.manifest.layout.rules import Layout

# Of one text that a plan holds, and of all together: they are read whole, by every command.
TEXT_LIMIT_BYTES = SMALL_BYTES
_TEXTS_LIMIT_BYTES = 8 << 20
# Of a text that lists files, for each of them: twice the longest path, and more.
_LINE_LIMIT_BYTES = 10_000
# Of the digests that a template may name.
DIGEST_BYTES = {"md5": 16, "sha256": 32, "xxh128": 16}


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A packaged file as templates see it.

    Attributes:
        path: in the member; bytes that are not UTF-8 are surrogates.
        md5, sha256, xxh128: hexadecimal; empty where the template does not name them.
    """

    path: str
    size: int
    md5: str = ""
    sha256: str = ""
    xxh128: str = ""


@dataclass(frozen=True, slots=True)
class Writes:
    """The files that a layout writes, in the member and beside the package, and those that it would with a value."""

    written: tuple[WrittenFile, ...] = ()
    beside: tuple[BesideFile, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def choose_writes(layout: "Layout", values: Mapping[str, bytes], items: Iterable[Item]) -> Writes:
    """Return the files that the layout writes, and those that it would if they had a value; of templates no text yet.

    Args:
        values: of the variables.

    Raises:
        Refused: a variable has no value, a file cannot be read, or a file of the origin would be at the same path.
    """
    if not layout.writes:
        return Writes()
    items = tuple(items)
    taken = {item.path for item in items}
    written: list[WrittenFile] = []
    beside: list[BesideFile] = []
    left_out: list[LeftOut] = []
    problems: list[Problem] = []
    for write in layout.writes:
        try:
            path = write.to.fill(values.get)
            is_in_the_way = not write.is_beside and path in taken
            if is_in_the_way and (write.if_missing or not write.is_given(values)):
                continue
            if not write.is_given(values):
                reason = f"written only where its text is given: --set {write.source}=PATH"
                left_out.append(LeftOut(path, reason, False))
                continue
            file = replace(_written(write, path, values), has_project=PROJECT in write.to.variables)
            if write.is_beside:
                beside.append(BesideFile(file))
            else:
                written.append(file)
        except NoValueError as error:
            problems.append(Problem(Code.VARIABLE_MISSING, error.variable.encode(), "one value for the package"))
        except NoPathError as error:
            problems.append(Problem(Code.TEXT_FAILED, error.path, "a path in the member"))
        except Refused as error:
            problems += error.problems
    problems += _collisions(written, items, has_readme=layout.has_readme)
    problems += _collisions_beside(beside)
    if problems:
        raise Refused(*problems)
    return Writes(tuple(written), tuple(beside), tuple(left_out))


def _written(write: Write, path: bytes, values: Mapping[str, bytes]) -> WrittenFile:
    if write.template is None:
        return WrittenFile(path, text=_source_text(write, values) if write.text is None else write.text)
    used = sorted(write.template.variables - FACTS)
    for name in used:
        if name not in values:
            raise NoValueError(name)
    return WrittenFile(
        path,
        template=write.template.text,
        values=tuple((name, values[name]) for name in used),
        newline=write.newline,
        digests=write.template.digests,
        is_late=write.template.is_late,
    )


def _source_text(write: Write, values: Mapping[str, bytes]) -> bytes:
    """Return the text of a file elsewhere."""
    if write.source not in values:
        raise NoValueError(write.source)
    path = values[write.source]
    try:
        return read_control(real_path(path), limit_bytes=TEXT_LIMIT_BYTES)
    except OSError as error:
        value = f"{write.source}=".encode() + path
        found = path_fault(error).lower()
        raise Refused(Problem(Code.UNKNOWN_VARIABLE, value, "the path of a file", found)) from None


def _collisions(written: Iterable[WrittenFile], items: Iterable[Item], *, has_readme: bool) -> Iterator[Problem]:
    """Yield a problem for each written file that would meet another file of the member."""
    owners = {item.path: shown(item.source) for item in items}
    if has_readme:
        owners[README] = "the README with the header"
    for file in written:
        owner = owners.get(file.path) or next((owners[path] for path in _above(file.path) if path in owners), "")
        owner = owner or next((text for path, text in owners.items() if is_within(path, file.path)), "")
        if owner:
            yield Problem(Code.COLLISION, file.path, expected="a file that the layout writes", found=owner)
        elif max(map(len, file.path.split(b"/"))) > NAME_LIMIT_BYTES:
            yield Problem(Code.TEXT_FAILED, file.path, f"names of at most {NAME_LIMIT_BYTES} bytes")
        owners[file.path] = "another file that the layout writes"


def _collisions_beside(beside: Iterable[BesideFile]) -> Iterator[Problem]:
    """Yield a problem for each file beside the package that would meet another one, also while it is prepared."""
    owners = {suffix: "a ticket file" for suffix in (b"tar", b"zip")}
    for file in beside:
        if owner := owners.get(file.name):
            yield Problem(Code.COLLISION, file.name, expected="a file beside the package", found=owner)
        owners[file.name] = "another file beside the package"


def _above(path: bytes) -> Iterator[bytes]:
    while path := path.rpartition(b"/")[0]:
        yield path


def with_texts(header: Header, header_text: bytes, paths: Iterable[bytes]) -> Header:
    """Return the header with the texts of all written files that are not late.

    Args:
        header_text: the header of the README, which templates see with its fields filled in.
        paths: content of the member, relative to it, as for the tree in README; with the written files.

    Raises:
        Refused: a text cannot be made.
    """
    written = header.written
    if any(file.template and not file.is_late for file in written):
        facts = facts_of(header, header_text, paths)
        written = tuple(
            file if file.is_late or not file.template else replace(file, text=_text(file, facts)) for file in written
        )
    if sum(len(file.text) for file in written) > _TEXTS_LIMIT_BYTES:
        raise Refused(Problem(Code.TEXT_FAILED, written[0].path, f"at most {_TEXTS_LIMIT_BYTES:,} bytes of texts"))
    return replace(header, written=written)


def _text(file: WrittenFile, facts: Mapping[str, object]) -> bytes:
    return b"".join(pieces_of_text(file, facts, limit_bytes=TEXT_LIMIT_BYTES))


def pieces_of_text(
    file: WrittenFile, facts: Mapping[str, object], *, limit_bytes: int, file_count: int = 0
) -> Iterator[bytes]:
    """Yield the text of a template piece by piece.

    Raises:
        Refused: it cannot be made.
        OSError: a file that it lists cannot be read.
    """
    values = {name: decoded(value) for name, value in file.values}
    try:
        yield from render_text(
            file.template,
            {**values, **facts},
            newline=file.newline,
            limit_bytes=limit_bytes,
            file_count=file_count,
        )
    except TextTemplateError as error:
        raise Refused(Problem(Code.TEXT_FAILED, file.path, found=str(error))) from error


def facts_of(header: Header, header_text: bytes, paths: Iterable[bytes]) -> dict[str, object]:
    """Return what templates see, apart from files and variables; see `docs/layout.md`."""
    roles = roles_of(header)
    lines = tree_lines(header.project, header.member, roles, paths, has_readme=bool(header.readme))
    return {
        "project": decoded(header.project),
        "member": decoded(folder_of(header.member)),
        "header": decoded(filled_header(header_text, project=header.project, sb_name=header.sb_name)),
        "tree": [decoded(line) for line in lines],
        "folders": [{"name": role.name, "text": role.text} for role in roles],
    }


def header_text_of(header: Header) -> bytes:
    """Return the header of the README with which a member was made."""
    text = (header.made_with.readme_header if header.made_with else b"") or header_of(header.readme, header.project)
    return text or header_template()


def late_limit_bytes(file_count: int) -> int:
    """Return how long a text may be that lists so many files."""
    return TEXT_LIMIT_BYTES + _LINE_LIMIT_BYTES * file_count


def late_sizes(header: Header, header_text: bytes, spool: RecordSpool) -> dict[bytes, int]:
    """Return about how long the texts are that list files: as they will be, but for sizes that are estimates.

    Making them here finds what is wrong with a template before anything is staged.

    Args:
        spool: the records of the member, without the late files.

    Raises:
        Refused: one cannot be made.
    """
    late = [file for file in header.written if file.is_late]
    late += [beside.file for beside in header.beside if beside.file.template]
    if not late:
        return {}
    paths = (path for record in _records(spool) for path in paths_of_record(record))
    facts = facts_of(header, header_text, chain(paths, header.late))
    file_count = sum(len(record.names) for record in _records(spool))
    sizes = {}
    for file in late:
        listed = Listing(lambda: _planned_files(_records(spool)))
        pieces = pieces_of_text(
            file, {**facts, FILES: listed}, limit_bytes=late_limit_bytes(file_count), file_count=file_count
        )
        sizes[file.path] = sum(map(len, pieces))
    return {path: size for path, size in sizes.items() if path in header.late}


class Listing:
    """All files of a member, which a template may go through several times; they are never all in memory."""

    def __init__(self, files: Callable[[], Iterator[ListedFile]]) -> None:
        """Wrap what begins from the start at each call."""
        self._files = files

    def __iter__(self) -> Iterator[ListedFile]:
        return self._files()


def _records(spool: RecordSpool) -> Iterator[FolderRecord]:
    return (decode_record(blob) for _, blob in spool.sorted_blobs())


def _planned_files(records: Iterable[FolderRecord]) -> Iterator[ListedFile]:
    """Yield the files of planned records; the digests are stand-ins of the right length, because these come later."""
    stand_ins = {name: "0" * 2 * size for name, size in DIGEST_BYTES.items()}
    for record in records:
        for name, size in zip(record.names, record.sizes, strict=True):
            yield ListedFile(decoded(join(record.path, name)), size, **stand_ins)


def paths_of_record(record: FolderRecord) -> Iterator[bytes]:
    """Yield the files and folders of a folder as a tree takes them: relative to the member, folders with a `/`."""
    yield from (join(record.path, name) + b"/" for name in record.folders)
    yield from (join(record.path, name) for name in record.names)


def decoded(data: bytes) -> str:
    """Return a path as templates see it; bytes that are not UTF-8 are surrogates."""
    return data.decode("utf-8", "surrogateescape")
