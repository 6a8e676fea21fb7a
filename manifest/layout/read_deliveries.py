"""Reading of the `[[delivery]]` tables of a layout: the delivery sets."""

from collections.abc import Sequence
from enum import StrEnum

from qa2pack.manifest.format.delivery_form import (
    WITH_PARTS,
    DeliveryForm,
    called_as,
    fits_form,
    own_checksums,
    suffixes_in_words,
    usual_form,
)
from qa2pack.manifest.format.delivery_row import (
    CHECKSUMS,
    DATE,
    MEMBER,
    PART,
    PARTS,
    is_of_delivery,
    selects_all_below,
)
from qa2pack.manifest.layout.deliveries import Delivery
from qa2pack.manifest.layout.known_names import Known
from qa2pack.manifest.layout.patterns import check_can_match
from qa2pack.manifest.layout.table import Table
from qa2pack.manifest.layout.template import PROJECT, Template
from qa2pack.manifest.quantity import parse_size

_KEYS = frozenset({"set", "name", "select", "limit", "form", "checksums", "also", "when"})
_OWN = frozenset({DATE, PART, PARTS})
_WILD = frozenset("*?[")


class _When(StrEnum):
    """When a set is written."""

    REQUEST = "request"  # by `pack deliver` alone
    APPLY = "apply"  # with each apply, too


def read_deliveries(top: Table, known: Known) -> tuple[Delivery, ...]:
    """Return the delivery sets."""
    found: list[Delivery] = []
    for table in top.tables("delivery"):
        each = _delivery(table, known)
        for other in found:
            if each.name == other.name:
                table.refuse(expected="a set that no other [[delivery]] has", found=each.name)
            if each.file.text == other.file.text:
                table.refuse(expected="a name that no other [[delivery]] has", found=each.file.text)
        found.append(each)
    return tuple(found)


def _delivery(table: Table, known: Known) -> Delivery:
    table.check_keys(_KEYS, "delivery")
    name = table.text("set")
    if not name or not name.replace("-", "").replace("_", "").isalnum():
        table.refuse(expected="letters, digits, - and _ for set", found=name or "nothing")
    file = _file(table, known)
    select = table.one_or_more("select")
    if not select:
        table.refuse(expected="paths in the member for select", found="nothing")
    for path in select:
        _check_path(table, known, path)
    form = _form(table, file, select)
    kind = form or usual_form(file.text.encode())
    if kind is DeliveryForm.FILE and (len(select) > 1 or _WILD & set(select[0])):
        expected = "one path without * ? and [ for select, because the file is no container"
        table.refuse(expected=expected, found=file.text)
    return Delivery(
        name,
        file,
        select,
        _limit(table, file, kind),
        table.line,
        form,
        _checksums(table, kind),
        also=table.flag("also"),
        at_apply=_is_at_apply(table, file),
    )


def _form(table: Table, file: Template, select: Sequence[str]) -> DeliveryForm | None:
    """Return the form that is said; None where it is the usual one of the name.

    It is not guessed for `.tgz` and `.zip`: the file that is selected may be one already.
    """
    name = file.text.encode()
    if "form" not in table:
        called = called_as(name)
        if (
            called
            and called is not usual_form(name)
            and any(called_as(each.encode()) is not called for each in select)
        ):
            table.refuse(expected=f'form = "{called}", or "file" for one file as it is', found=file.text)
        return None
    form = table.choice(DeliveryForm, table.text("form"))
    if not fits_form(name, form):
        table.refuse(expected=f"a name that ends in {suffixes_in_words(form)}, as form says", found=file.text)
    return None if form is usual_form(name) else form


def _checksums(table: Table, form: DeliveryForm) -> tuple[str, ...] | None:
    if "checksums" not in table:
        return None
    said = table.texts("checksums")
    for name in said:
        table.one_of(name, own_checksums(form, CHECKSUMS))
    return tuple(name for name in CHECKSUMS if name in said)


def _is_at_apply(table: Table, file: Template) -> bool:
    if "when" not in table or table.choice(_When, table.text("when")) is _When.REQUEST:
        return False
    if DATE in file.variables:
        table.refuse(expected="no {date} in the name of what is written with each apply", found=file.text)
    return True


def _file(table: Table, known: Known) -> Template:
    if taken := sorted(_OWN & known.variables.keys()):
        table.refuse(expected="no variable of a name that a delivery has itself", found=", ".join(taken))
    file = known.template(table, "name", _OWN | {PROJECT, MEMBER})
    if file is None or "/" in file.text:
        table.refuse(expected="the name of a file for name", found=table.text("name") or "nothing")
    if is_of_delivery(file.text.encode()):
        expected = "a name that ends in another way than what is written beside files, as .manifest or .md5sum"
        table.refuse(expected=expected, found=file.text)
    return file


def _limit(table: Table, file: Template, form: DeliveryForm) -> int:
    """Return the largest size of a part in bytes; 0 where there is one part alone."""
    numbers = {PART, PARTS} & file.variables
    if not numbers and "limit" not in table:
        return 0
    if "limit" not in table or len(numbers) < 2 or form not in WITH_PARTS:
        expected = "limit, and both {part} and {parts} in the name of a tar or tgz, or none of them"
        table.refuse(expected=expected, found=table.key_list)
    text = table.text("limit")
    try:
        size = parse_size(text)
    except ValueError:
        size = 0
    if not size:
        table.refuse(expected="a size as 6GiB for limit", found=text)
    return size


def _check_path(table: Table, known: Known, path: str) -> None:
    parts = path.split("/")
    for part in parts[:-1] if selects_all_below(path) else parts:
        if "\0" in part or "{" in part or "}" in part or "**" in part:
            expected = "globs of names for select, without braces, and ** at the end of a path alone"
            table.refuse(expected=expected, found=path)
        table.right("select", check_can_match, part)
    if len(parts) > 1 and not _WILD & set(parts[0]):
        known.role(table, parts[0])
