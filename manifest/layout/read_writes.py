"""Reading of the files that a layout has the program write: `[[write]]` tables, their templates, and the README."""

from collections.abc import Callable, Iterable

from qa2pack.manifest.alma.package import README
from qa2pack.manifest.bundle.form import form_of
from qa2pack.manifest.format.written import NEWLINES
from qa2pack.manifest.layout.known_names import Known
from qa2pack.manifest.layout.patterns import pieces_of
from qa2pack.manifest.layout.table import Table, has_readme
from qa2pack.manifest.layout.template import BUNDLE_MARK, PROJECT
from qa2pack.manifest.layout.text_template import FACTS, TextTemplate, TextTemplateError, parse_text_template
from qa2pack.manifest.layout.write import Write
from qa2pack.manifest.problem import path_fault

_WRITE_KEYS = frozenset({"to", "text", "template", "from", "needed", "newline", "if_missing"})
_OF_THE_PACKAGE = frozenset({"{project}", "{project}.pack", "{project}.ticket.tar", "{project}.ticket.zip"})
_WITH = {"needed": "from", "newline": "template"}
# Returns the file of a name beside the layout; raises OSError.
FileBeside = Callable[[str], bytes]


def sources_of(top: Table) -> frozenset[str]:
    """Return the variables whose values are paths of files elsewhere."""
    return frozenset(piece for table in top.tables("write") for piece in pieces_of(table.text("from")))


def read_writes(top: Table, known: Known, beside: FileBeside) -> tuple[Write, ...]:
    """Return the files that the program writes besides README."""
    writes: list[Write] = []
    for table in top.tables("write"):
        write = _write(table, known, beside)
        _check_path(top, table, write, writes, known)
        writes.append(write)
    return tuple(writes)


def readme_header(top: Table, beside: FileBeside) -> bytes | None:
    """Return the header of README that a file beside the layout has; None if no file is named."""
    if isinstance(top.values.get("readme", True), bool):
        return None
    name = top.file_name("readme")
    if not name:
        expected = "true, false, or the name of a file beside the layout for readme"
        top.refuse(expected=expected, found=top.text("readme"), key="readme")
    try:
        text = beside(name)
        text.decode()
    except OSError as error:
        expected = "a file beside the layout that can be read for readme"
        top.refuse(expected=expected, found=f"{name}: {path_fault(error)}", key="readme")
    except ValueError:
        top.refuse(expected="text in UTF-8 in the file for readme", found=name, key="readme")
    return text


def _check_path(top: Table, table: Table, write: Write, others: Iterable[Write], known: Known) -> None:
    """Refuse a written file at whose path something else is written."""
    path = write.to.text
    if write.is_beside and top.values.get("tree"):
        table.refuse(expected="no tree, because of several members each would write it", found=path)
    if write.is_beside and path in _OF_THE_PACKAGE:
        table.refuse(expected="a name beside the package that is not its own", found=f"../{path}")
    for other in (other.to.text for other in others if other.is_beside == write.is_beside):
        if other == path:
            table.refuse(expected="a to that no other [[write]] has", found=path)
        if f"{other}/".startswith(f"{path}/") or f"{path}/".startswith(f"{other}/"):
            table.refuse(expected=f"no file and folder of one name, as {other} would be one", found=path)
    if not write.is_beside and path in [role.name for role in known.roles]:
        table.refuse(expected="a path in a folder of the member, or another name than one has, for to", found=path)
    if path == README.decode() and has_readme(top):
        table.refuse(expected="readme = false at the top, because there is a README already", found=path)


def _write(table: Table, known: Known, beside: FileBeside) -> Write:
    table.check_keys(_WRITE_KEYS, "write")
    path = table.text("to")
    if not path or len({"text", "template", "from"} & table.values.keys()) != 1:
        table.refuse(expected="to, and one of text, template and from", found=table.key_list)
    for key, needed in _WITH.items():
        if key in table and needed not in table:
            table.refuse(expected=f"{needed} beside {key}", found=table.key_list)
    bundle, mark, _ = path.partition(BUNDLE_MARK)
    if mark and form_of(bundle.encode()):
        table.refuse(expected=f"no {BUNDLE_MARK} in to, because a written file goes into no bundle", found=path)
    is_beside = path.startswith("../")
    to = known.member_path(table, "to", frozenset({PROJECT}), path.removeprefix("../"))
    if to is None or (is_beside and "/" in to.text):
        table.refuse(expected="a path in the member, or ../NAME beside the package, for to", found=path)
    return Write(
        to=to,
        is_beside=is_beside,
        text=table.text("text").encode() if "text" in table else None,
        template=_template(table, known, beside) if "template" in table else None,
        source=_source(table, known) if "from" in table else "",
        is_needed=table.flag("needed"),
        if_missing=table.flag("if_missing"),
        newline=table.one_of(table.text("newline", NEWLINES[0]), NEWLINES),
        line=table.line,
    )


def _source(table: Table, known: Known) -> str:
    """Return the variable whose value is the path of a file elsewhere."""
    text = table.text("from")
    if pieces_of(text) != (text[1:-1],) or text[1:-1] not in known.variables:
        names = ", ".join(f"{{{name}}}" for name in known.variables) or "(there are none)"
        table.refuse(expected=f"one of the variables {names} for from", found=text)
    return text[1:-1]


def _template(table: Table, known: Known, beside: FileBeside) -> TextTemplate:
    """Return the template of a file beside the layout, checked."""
    name = table.file_name("template")
    if not name:
        expected = "the name of a file beside the layout for template"
        table.refuse(expected=expected, found=table.text("template"))
    if hidden := FACTS & known.variables.keys():
        table.refuse(expected=f"no variable of the name {', '.join(sorted(hidden))} beside template", found=name)
    try:
        return parse_text_template(beside(name).decode(), known.variables.keys() - known.paths)
    except OSError as error:
        table.refuse(expected=f"a file {name} beside the layout", found=path_fault(error).lower())
    except UnicodeDecodeError:
        table.refuse(expected=f"text in UTF-8 in {name}", found="other bytes")
    except TextTemplateError as error:
        table.refuse(expected="a Jinja template for template", found=f"{name}: {error}")
