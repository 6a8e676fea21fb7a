"""Telling what was done to a package, from the journals of its finished transactions alone."""

import sys
from collections.abc import Iterator

from qa2pack.executor.transaction.history import Finished, History, read_history
from qa2pack.executor.transaction.journal import Publishing
from qa2pack.manifest.humanize import counted, human_bytes, human_seconds, local_time, utc_time
from qa2pack.manifest.path import shown
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.terminal.style import Style, folded, style_for
from qa2pack.pack.views.json_fields import Fields, path_fields, print_fields

_WHAT = {
    Publishing.NEW: "a new package",
    Publishing.MEMBER: "a member was added",
    Publishing.GROUP: "a group was added",
    Publishing.EXCHANGE: "the package was replaced",
    Publishing.TWO_RENAMES: "the package was replaced",
}


def print_log(attempt: Attempt, *, is_json: bool) -> Exit:
    """Print the finished transactions on stdout."""
    target = attempt.target
    existing_package(target)
    history = read_history(target.package)
    if is_json:
        print_fields(
            {
                "command": "log",
                "exit_code": Exit.DONE,
                **path_fields("package", target.package.path),
                "transactions": [transaction_fields(one) for one in history.finished],
                "unreadable_journals": [shown(name) for name in history.unreadable],
            }
        )
        return Exit.DONE
    for line in _lines(history, style_for(sys.stdout)):
        print(line)
    return Exit.DONE


def what_was_done(one: Finished) -> str:
    """Return in words what the transaction did to the package."""
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
        yield style.bold(f"{local_time(one.ended_ns)}  {shown(one.member)}")
        yield f"  what   {what_was_done(one)}: {counted(one.file_count, 'file')}, {human_bytes(one.byte_count)}"
        yield f"  mode   {one.mode or 'not known'}"
        yield f"  from   {shown(one.origin) or 'not known'}"
        yield from folded(f"{shown(one.user)} on {shown(one.host)}, in {_how_long(one)}", label="  by     ")
    for name in history.unreadable:
        yield style.warning(f"The journal {shown(name)} cannot be read; it is damaged or of another version.")
        yield "The package does not need it, but this apply cannot be told of, nor undone."


def _how_long(one: Finished) -> str:
    seconds = human_seconds((one.ended_ns - one.began_ns) / 1e9)
    return seconds if one.run_count == 1 else f"{one.run_count} runs, {seconds} from the first to the last"
