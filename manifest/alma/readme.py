"""README of a member: the header text, then the tree of the member.

The tree is at the very end of the file, because receiving programs read it from the last line upward. The only file
read here is the template that comes with the program.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from qa2pack.manifest.alma.member_ids import folder_of
from qa2pack.manifest.alma.package import README
from qa2pack.manifest.path import path_in, shown, sort_key
from qa2pack.manifest.role import Role

# The tree shows a role folder and its direct entries, nothing deeper.
_PARTS_SHOWN = 2
_BLANK_LINE = re.compile(rb"\n[ \t]*\r?\n")
# The next line may hold the value, unless it is a field itself.
_BLANK_FIELD = re.compile(rb"^[ \t]*(\w[\w ]*):[ \t]*\r?(?=\Z|\n[ \t]*\w[\w ]*:)", re.MULTILINE)
# The fields of ALMA headers; docs/commands.md lists them, too.
KNOWN_FIELDS = (
    b"Cycle",
    b"Project code",
    b"SB name",
    b"PI name",
    b"Project title",
    b"Configuration",
    b"Proposed rms",
    b"CASA version used for reduction",
    b"Comments from Reducer",
)
_KNOWN = b"|".join(map(re.escape, KNOWN_FIELDS))
# Around a field on a wiki page: indentation, `*` of an item or of bold text, `|` of a table, `---+` of a heading.
_MARKUP = rb"[ \t*_|+-]*"
_PROJECT_FIELD = re.compile(rb"^" + _MARKUP + rb"Project code[ \t*_]*[:|]" + _MARKUP + rb"(.*)$", re.MULTILINE)
_BLANK_KNOWN_FIELD = re.compile(
    rb"^" + _MARKUP + rb"(" + _KNOWN + rb")[ \t*_]*[:|]" + _MARKUP + rb"\r?(?=\Z|\n[ \t]*\r?(?:\n|\Z)|\n" + _MARKUP
    + rb"\w[\w ]*[ \t*_]*[:|])",
    re.MULTILINE,
)  # fmt: skip


def header_template() -> bytes:
    """Return the header that comes with the program: blank fields and the explanation of the folders."""
    return (Path(__file__).parents[1] / "templates" / "README.header.txt").read_bytes()


def readme_text(
    header: bytes,
    *,
    project: bytes,
    member: bytes,
    sb_name: bytes,
    roles: Sequence[Role],
    paths: Iterable[bytes],
) -> bytes:
    """Return the README of one member.

    Blank fields `Project code:` and `SB name:` of the header are filled in; the rest of it is not changed.

    Args:
        project: project code.
        member: name of the member.
        roles: the folders that the tree shows, also empty ones.
        paths: content of the member, relative to it; folders end in `/`. Deeper paths than are shown may be given.
    """
    text = filled_header(header, project=project, sb_name=sb_name)
    if text and not text.endswith(b"\n"):
        text += b"\n"
    return text + b"".join(line + b"\n" for line in tree_lines(project, member, roles, paths))


def filled_header(header: bytes, *, project: bytes, sb_name: bytes) -> bytes:
    """Return the header with blank fields `Project code:` and `SB name:` filled in."""
    return _filled(_filled(header, b"Project code", project), b"SB name", sb_name)


def blank_fields(text: bytes) -> list[bytes]:
    """Return the names of the blank fields of a README, in their order.

    The fields of ALMA headers are found anywhere before the tree, also in the markup of a wiki page: as an item of
    a list, in bold, or in a table. Others are found at the beginning only, where a line that ends in a colon is no
    prose.
    """
    header = text.partition(b"\n|-- ")[0]
    fields = _BLANK_LINE.split(header, maxsplit=1)[0]
    found = {match.start(1): match[1] for match in _BLANK_FIELD.finditer(fields)}
    found |= {match.start(1): match[1] for match in _BLANK_KNOWN_FIELD.finditer(header)}
    return [found[place] for place in sorted(found)]


def project_of(text: bytes) -> bytes:
    """Return what the header of a README has in the line of its field `Project code`; empty where that is blank."""
    found = _PROJECT_FIELD.search(text.partition(b"\n|-- ")[0])
    return found[1].strip(b" \t\r*_|") if found else b""


def header_of(readme: bytes, project: bytes) -> bytes:
    """Return the header of a whole README: all before the line with which the tree begins."""
    first = _line(0, project + b"/")
    lines = readme.splitlines(keepends=True)
    end = next((number for number, line in enumerate(lines) if line.rstrip(b"\r\n") == first), len(lines))
    return b"".join(lines[:end])


def with_project(text: bytes, old: bytes, new: bytes) -> bytes:
    """Return a README, or its header, with another project code in the field for it and in the tree."""
    field = rb"^(" + _MARKUP + rb"Project code[ \t*_]*[:|]" + _MARKUP + rb")"
    value = re.escape(shown(old).encode()) + rb"(?=[ \t*_|]*\r?$)"
    text = re.sub(field + value, lambda match: match[1] + shown(new).encode(), text, flags=re.MULTILINE)
    header = header_of(text, old)
    line, end = _line(0, old + b"/"), len(header)
    return header + _line(0, new + b"/") + text[end + len(line) :] if len(text) > end else text


def tree_lines(
    project: bytes, member: bytes, roles: Iterable[Role], paths: Iterable[bytes], *, has_readme: bool = True
) -> list[bytes]:
    """Return the lines of the tree of one member, from the project folder down to the entries of the role folders.

    Names that would break a line or are not UTF-8 are escaped.
    """
    above = path_in(project, folder_of(member)).split(b"/")
    lines = [_line(depth, part + b"/") for depth, part in enumerate(above)]
    if has_readme:
        lines.append(_line(len(above), README))
    entries = sorted({_entry(path) for path in paths}, key=sort_key)
    for role in roles:
        lines.append(_line(len(above), role.folder + b"/"))
        start = role.folder + b"/"
        lines += [
            _line(len(above) + 1, entry[len(start) :])
            for entry in entries
            if entry.startswith(start) and entry != start
        ]
    return lines


def _entry(path: bytes) -> bytes:
    """Shorten a path to the parts that the tree shows."""
    parts = path.split(b"/", _PARTS_SHOWN)
    return b"/".join(parts[:_PARTS_SHOWN]) + (b"/" if len(parts) > _PARTS_SHOWN else b"")


def _line(depth: int, name: bytes) -> bytes:
    return b"|   " * depth + b"|-- " + shown(name).encode()


def _filled(header: bytes, field: bytes, value: bytes) -> bytes:
    blank = re.compile(rb"^([ \t]*" + re.escape(field) + rb"[ \t]*:)[ \t]*(?=\r?$)", re.MULTILINE)
    return blank.sub(lambda match: match[1] + b" " + shown(value).encode(), header, count=1)
