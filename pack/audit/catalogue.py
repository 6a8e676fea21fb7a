"""The catalogue: which packages there are, who made them, when each was verified last and with what result.

Every change is one transaction, so a process that is killed leaves a catalogue that the next one can use. It is
queried, never held in memory.

A package is claimed before it is verified: by a lock of the kernel on one byte of a file beside the catalogue, which
goes with the process that holds it. So two processes never verify one package at a time, and a process that was
killed claims nothing. Locks of this kind belong to a process: two catalogues of one file in one process would not
see each other's. The lock of the package itself is another one: while it is held, nobody changes the package.
"""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from qa2pack.manifest.fs.control_file import ControlFileError, control_fd
from qa2pack.manifest.fs.scratch import check_space
from qa2pack.pack.audit.facts import Facts
from qa2pack.pack.audit.schema import opened_database, unusable
from qa2pack.pack.audit.shelved import MOST_FINDINGS, Finding, Maker, Outcome, Shelved, Standing, Summary

_BESIDE_BYTES = 1 << 16  # what SQLite maps beside a catalogue takes 32 KiB
_OPENING = 0  # a byte of the lock file; the others are the ids of packages, which begin with 1

_COLUMNS = """
    id, path, identity, looked, file_count, byte_count,
    (SELECT count(*) FROM member WHERE member.package = {table}.id),
    gone_ns, verified_ns, result, problem_count, warning_count, seconds
"""
# total, not sum: the sizes of forged manifests may be more than SQLite adds up.
_SUMMARY = """
    SELECT CASE WHEN gone_ns IS NOT NULL THEN 'gone' ELSE ifnull(result, 'unverified') END AS standing,
        count(*), CAST(total(file_count) AS INTEGER), CAST(total(byte_count) AS INTEGER), min(verified_ns)
    FROM shelf GROUP BY standing
"""
_UNKNOWN_RESULT = (
    "tried_ns = NULL, verified_ns = NULL, result = NULL, problem_count = 0, warning_count = 0, seconds = NULL"
)


class Catalogue:
    """An open catalogue, and the part of it below some folders: the shelf."""

    def __init__(self, path: bytes, database: sqlite3.Connection, lock_fd: int) -> None:
        self.path = path
        self._database = database
        self._lock_fd = lock_fd

    def limit_to(self, roots: Iterable[bytes]) -> None:
        """Let the shelf be what is at these paths or below them; absolute, without links."""
        self._database.executemany(
            "INSERT INTO root VALUES (?, ?)", ((root, os.path.join(root, b"")) for root in roots)
        )

    def at(self, path: bytes) -> Shelved | None:
        """Return the package at a path, wherever that is."""
        return next(self._packages("package", "WHERE path = ?", path), None)

    def unseen_with(self, identity: bytes, since_ns: int) -> list[Shelved]:
        """Return the packages of these manifests, wherever they are, that no walk found since a time."""
        where = "WHERE identity = ? AND seen_ns < ? ORDER BY id"
        return list(self._packages("package", where, identity, since_ns)) if identity else []

    def shelf(self) -> Iterator[Shelved]:
        """Yield all packages of the shelf, sorted by path."""
        return self._packages("shelf", "ORDER BY path")

    def wrong(self) -> Iterator[Shelved]:
        """Yield the packages of the shelf that somebody should look at, sorted by path."""
        return (package for package in self.shelf() if package.standing.is_wrong)

    def unseen(self, since_ns: int) -> list[Shelved]:
        """Return the packages of the shelf that no walk found since a time."""
        return list(self._packages("shelf", "WHERE seen_ns < ? ORDER BY path", since_ns))

    def findings(self, number: int) -> list[Finding]:
        """Return the first problems of a package."""
        rows = self._rows("SELECT code, text FROM finding WHERE package = ? ORDER BY number", number)
        return [Finding(*row) for row in rows]

    def next_due(self, before_ns: int) -> Shelved | None:
        """Return the package of the shelf that waits longest; None if none was tried last before this time.

        One that was never tried waits longest; those that this run passed are not returned.
        """
        where = "WHERE gone_ns IS NULL AND ifnull(tried_ns < ?, 1) AND id NOT IN passed ORDER BY tried_ns, id LIMIT 1"
        return next(self._packages("shelf", where, before_ns), None)

    def is_due(self, number: int, before_ns: int) -> bool:
        """Return whether a package is there and was still not tried since this time."""
        query = "SELECT gone_ns IS NULL AND ifnull(tried_ns < ?, 1) FROM package WHERE id = ?"
        rows = self._rows(query, before_ns, number)
        return any(is_due for (is_due,) in rows)

    def due_count(self, before_ns: int) -> int:
        """Return how many packages of the shelf were not tried since a time."""
        query = "SELECT count(*) FROM shelf WHERE gone_ns IS NULL AND ifnull(tried_ns < ?, 1)"
        return int(next(self._rows(query, before_ns))[0])

    def summary(self) -> Summary:
        """Return what is known of the shelf."""
        counts = dict.fromkeys(Standing, 0)
        files = size = 0
        oldest: list[int] = []
        for standing, count, file_count, byte_count, oldest_ns in self._rows(_SUMMARY):
            counts[Standing(standing)] = count
            if standing != Standing.GONE:
                files, size = files + file_count, size + byte_count
            if standing == Standing.GOOD:
                oldest.append(oldest_ns)
        return Summary(counts, files, size, min(oldest, default=None))

    def pass_over(self, number: int) -> None:
        """Do not return the package again in this run."""
        self._database.execute("INSERT OR IGNORE INTO passed VALUES (?)", (number,))

    def add(self, path: bytes, looked: bytes, facts: Facts, now_ns: int) -> None:
        """Enter a package that is new; not where another run has just done so."""
        with self._changing():
            entered = self._database.execute(
                "INSERT OR IGNORE INTO package (path, identity, looked, file_count, byte_count, found_ns, seen_ns)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (path, facts.identity, looked, facts.file_count, facts.byte_count, now_ns, now_ns),
            )
            if entered.rowcount:
                self._set_members(entered.lastrowid, facts)

    def see(self, number: int, path: bytes, now_ns: int) -> None:
        """Note that a package is there, as it was: at this path, if it was moved."""
        with self._changing():
            self._database.execute(
                "UPDATE OR IGNORE package SET path = ?, seen_ns = ?, gone_ns = NULL WHERE id = ?",
                (path, now_ns, number),
            )

    def update(self, shelved: Shelved, looked: bytes, facts: Facts) -> None:
        """Note what the manifests say now; if they are other ones, what is known of the package does not hold."""
        with self._changing():
            reset = f", {_UNKNOWN_RESULT}" if facts.identity != shelved.identity else ""
            updated = self._database.execute(
                f"UPDATE package SET identity = ?, looked = ?, file_count = ?, byte_count = ?{reset} WHERE id = ?",
                (facts.identity, looked, facts.file_count, facts.byte_count, shelved.number),
            )
            if not updated.rowcount:  # another run has forgotten it
                return
            if reset:
                self._database.execute("DELETE FROM finding WHERE package = ?", (shelved.number,))
            self._set_members(shelved.number, facts)

    def lose(self, number: int, now_ns: int) -> None:
        """Note that a package is not there any more."""
        with self._changing():
            self._database.execute("UPDATE package SET gone_ns = ? WHERE id = ?", (now_ns, number))

    def forget_gone(self) -> int:
        """Take the packages of the shelf that are gone out of the catalogue, and return how many."""
        with self._changing():
            return self._database.execute(
                "DELETE FROM package WHERE id IN (SELECT id FROM shelf WHERE gone_ns IS NOT NULL)"
            ).rowcount

    def record(self, number: int, outcome: Outcome, now_ns: int) -> None:
        """Note what a verification came to."""
        verified_ns = None if outcome.result is Standing.FAILED else now_ns
        with self._changing():
            recorded = self._database.execute(
                "UPDATE package SET tried_ns = ?, verified_ns = ifnull(?, verified_ns), result = ?,"
                " problem_count = ?, warning_count = ?, seconds = ? WHERE id = ?",
                (
                    now_ns,
                    verified_ns,
                    outcome.result,
                    outcome.problem_count,
                    outcome.warning_count,
                    outcome.seconds,
                    number,
                ),
            )
            if not recorded.rowcount:  # another run has forgotten it
                return
            self._database.execute("DELETE FROM finding WHERE package = ?", (number,))
            self._database.executemany(
                "INSERT INTO finding VALUES (?, ?, ?, ?)",
                ((number, at, each.code, each.text) for at, each in enumerate(outcome.findings[:MOST_FINDINGS])),
            )

    @contextmanager
    def claimed(self, number: int) -> Iterator[bool]:
        """Yield whether this process alone may verify the package now."""
        try:
            fcntl.lockf(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except (BlockingIOError, PermissionError):  # POSIX allows both
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._lock_fd, fcntl.LOCK_UN, 1, number)

    def _set_members(self, number: int | None, facts: Facts) -> None:
        self._database.execute("DELETE FROM member WHERE package = ?", (number,))
        self._database.executemany(
            # Two file names may stand for one member, where somebody else gave them.
            "INSERT OR REPLACE INTO member VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (number, m.name, m.user, m.host, m.program, m.mode, m.made_ns, m.file_count, m.byte_count)
                for m in facts.members
            ),
        )

    def _packages(self, table: str, where: str, *values: object) -> Iterator[Shelved]:
        columns = _COLUMNS.format(table=table)
        for row in self._rows(f"SELECT {columns} FROM {table} {where}", *values):
            yield Shelved(*[*row, self._maker(row[0])])

    def _maker(self, number: int) -> Maker | None:
        query = "SELECT user, host, program, made_ns FROM member WHERE package = ? ORDER BY made_ns DESC LIMIT 1"
        return next((Maker(*row) for row in self._rows(query, number)), None)

    def _rows(self, query: str, *values: object) -> Iterator[Any]:
        return self._database.execute(query, values)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


@contextmanager
def opened_catalogue(path: bytes) -> Iterator[Catalogue]:
    """Open the catalogue at a path, in a folder that exists; it is made if there is none.

    Raises:
        Refused: the file is damaged, of another program, or of a newer version; also later, while it is used.
        OSError: it cannot be read or written, which is no reason to move it away and lose what it knows.
    """
    try:
        lock_fd = control_fd(path + b".lock", os.O_RDWR | os.O_CREAT)
    except ControlFileError as error:
        raise unusable(path + b".lock", error.strerror or "") from error
    try:
        fcntl.lockf(lock_fd, fcntl.LOCK_EX, 1, _OPENING)
        with closing(opened_database(path)) as database:
            fcntl.lockf(lock_fd, fcntl.LOCK_UN, 1, _OPENING)
            yield Catalogue(path, database, lock_fd)
    except sqlite3.Error as error:
        if number := _system_error(error, path):
            raise OSError(number, os.strerror(number), path) from error
        raise unusable(path, str(error)) from error
    finally:
        os.close(lock_fd)


# SQLite's codes for what the disk, and what the system or another process is the cause of.
_DISK_ERRORS = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
}
_SYSTEM_ERRORS = {sqlite3.SQLITE_BUSY: errno.EBUSY, sqlite3.SQLITE_NOMEM: errno.ENOMEM}


def _system_error(error: sqlite3.Error, path: bytes) -> int:
    """Return the errno; 0 where the file itself is at fault.

    Of a full disk or quota SQLite may say only that the disk failed, or that a file cannot be opened.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    if code in _DISK_ERRORS:
        return _refusal_beside(path) or _DISK_ERRORS[code]
    return _SYSTEM_ERRORS.get(code, 0)


def _refusal_beside(path: bytes) -> int:
    """Return the errno with which the system refuses a file beside the catalogue; 0 if it takes one."""
    try:
        check_space(Path(os.fsdecode(os.path.dirname(path))), _BESIDE_BYTES)
    except OSError as error:
        return error.errno or 0
    return 0
