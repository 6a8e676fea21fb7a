"""View of `pack log`: finished transactions of a package, read from their journals."""

from collections.abc import Iterator
from functools import partial

from qa2pack.executor.transaction.history import Finished, History
from qa2pack.executor.transaction.journal_records import Publishing
from qa2pack.manifest.alma.member_ids import member_words
from qa2pack.manifest.humanize import counted, human_bytes, human_seconds, local_time, utc_time
from qa2pack.manifest.path import shown
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style, folded
from qa2pack.pack.views.json_fields import Fields, path_fields
from qa2pack.pack.views.view import View

_WHAT = {
    Publishing.NEW: "a new package",
    Publishing.MEMBER: "a member was added",
    Publishing.GROUP: "a group was added",
    Publishing.EXCHANGE: "the package was replaced",
    Publishing.TWO_RENAMES: "the package was replaced",
    Publishing.MEMBER_EXCHANGE: "a member was replaced",
    Publishing.MEMBER_TWO_RENAMES: "a member was replaced",
    Publishing.MEMBER_REMOVAL: "a member was removed",
    Publishing.GROUP_REMOVAL: "a group with one member was removed",
    Publishing.RENAME: "the package got this name",
}


def log_view(history: History, target: Target) -> View:
    """Return the view of the finished transactions."""
    return View(
        lines=partial(_lines, history),
        fields=lambda: {
            **path_fields("package", target.package.path),
            "transactions": [transaction_fields(one) for one in history.finished],
            "unreadable_journals": [shown(name) for name in history.unreadable],
        },
    )


def what_was_done(one: Finished) -> str:
    """Return as text what the transaction did to the package."""
    return _WHAT[one.publishing]


def transaction_fields(one: Finished) -> Fields:
    """Return the transaction as an object."""
    return {
        "transaction": shown(one.transaction),
        "began_at": utc_time(one.began_ns),
        "ended_at": utc_time(one.ended_ns),
        "user": shown(one.user),
        "host": shown(one.host),
        "mode": one.mode,
        "change": one.publishing,
        **path_fields("member", one.member),
        **path_fields("origin", one.origin),
        "run_count": one.run_count,
        "file_count": one.file_count,
        "byte_count": one.byte_count,
    }


def _lines(history: History, style: Style) -> Iterator[str]:
    if not history.finished and not history.unreadable:
        yield "No apply is on record: this program did not make the package, or the journals"
        yield "in its control folder are gone."
    for number, one in enumerate(history.finished):
        if number:
            yield ""
        yield style.bold(f"{local_time(one.ended_ns)}  {member_words(one.member)}")
        made = f": {counted(one.file_count, 'file')}, {human_bytes(one.byte_count)}"
        yield f"  what   {what_was_done(one)}{'' if one.publishing.is_removal else made}"
        yield f"  mode   {one.mode or 'not known'}"
        yield f"  from   {shown(one.origin) or 'not known'}"
        yield from folded(f"{shown(one.user)} on {shown(one.host)}, in {_how_long(one)}", label="  by     ")
    for name in history.unreadable:
        yield style.warning(f"The journal {shown(name)} cannot be read; it is damaged or of another version.")
        yield "The package does not need it, but this apply cannot be listed or rolled back."


def _how_long(one: Finished) -> str:
    seconds = human_seconds((one.ended_ns - one.began_ns) / 1e9)
    return seconds if one.run_count == 1 else f"{one.run_count} runs, {seconds} from the first to the last"
