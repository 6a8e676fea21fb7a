"""Tables of the catalogue, its version, and how its file is opened; a file of something else is refused.

A catalogue is an SQLite file in WAL mode, so that readers and writers do not wait for each other, and a process that
is killed leaves what it had written before. WAL needs shared memory: the file must be on a disk of this machine.

Times are ns since the epoch. Paths are bytes; `CAST(path AS TEXT)` shows them in the sqlite3 program.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing

from qa2pack.manifest.fs.file_kind import kind_at
from qa2pack.manifest.fs.presence import is_plain_file, is_there
from qa2pack.manifest.problem import Code, Problem, Refused

VERSION = 1
_ID = 0x71613270  # "qa2p", by which SQLite files of other programs are distinguished
_WAIT_SECONDS = 600.0  # another process writes for milliseconds; on a machine that is overloaded, for longer

# looked: what `facts.look_of` returned. seen_ns: when a walk found it last. gone_ns: since when it is not there.
# tried_ns: when a verification of it ended last, whatever came of it. verified_ns: when one compared all of it.
_TABLES = """
CREATE TABLE package (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE,
    identity BLOB NOT NULL,
    looked BLOB NOT NULL,
    file_count INTEGER NOT NULL,
    byte_count INTEGER NOT NULL,
    found_ns INTEGER NOT NULL,
    seen_ns INTEGER NOT NULL,
    gone_ns INTEGER,
    tried_ns INTEGER,
    verified_ns INTEGER,
    result TEXT,
    problem_count INTEGER NOT NULL DEFAULT 0,
    warning_count INTEGER NOT NULL DEFAULT 0,
    seconds REAL
);
CREATE INDEX package_by_age ON package (tried_ns, id);
CREATE INDEX package_by_identity ON package (identity);
CREATE TABLE member (
    package INTEGER NOT NULL REFERENCES package (id) ON DELETE CASCADE,
    name BLOB NOT NULL,
    user TEXT NOT NULL,
    host TEXT NOT NULL,
    program TEXT NOT NULL,
    mode TEXT NOT NULL,
    made_ns INTEGER NOT NULL,
    file_count INTEGER NOT NULL,
    byte_count INTEGER NOT NULL,
    PRIMARY KEY (package, name)
) WITHOUT ROWID;
CREATE TABLE finding (
    package INTEGER NOT NULL REFERENCES package (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (package, number)
) WITHOUT ROWID;
"""

# What is true of all rows of a table, beside the types of its columns. SQLite takes any type in any column, so that
# damage makes others.
_SENSIBLE = {
    "package": "substr(path, 1, 1) = x'2f' AND NOT instr(path, x'00')"
    " AND ifnull(result, 'good') IN ('good', 'problems', 'failed')",
    "member": "1",
    "finding": "1",
}

# Of one run alone: the folders that it looks at, and the packages that it is done with.
_OF_THE_RUN = """
CREATE TEMP TABLE root (path BLOB NOT NULL, inside BLOB NOT NULL);
CREATE TEMP TABLE passed (id INTEGER PRIMARY KEY);
CREATE TEMP VIEW shelf AS SELECT * FROM package WHERE EXISTS (
    SELECT 1 FROM root
    WHERE package.path = root.path OR substr(package.path, 1, length(root.inside)) = root.inside
);
"""


def opened_database(path: bytes) -> sqlite3.Connection:
    """Open the catalogue, and make its tables if the file is new; the caller is alone while it does so.

    Raises:
        Refused: the file is damaged, of another program, or of a newer version of this one.
        sqlite3.Error: the disk fails.
    """
    for suffix in (b"-journal", b"-wal", b"-shm"):  # a pipe would be waited for, and a link followed
        beside = path + suffix
        if is_there(beside) and not is_plain_file(beside):
            raise unusable(beside, kind_at(beside, os.lstat(beside).st_mode))
    connection = sqlite3.connect(os.fsdecode(path), timeout=_WAIT_SECONDS, isolation_level=None)
    try:
        _check(connection, path)
        connection.execute("PRAGMA foreign_keys = ON")
        # A power cut may take back the last results, which are had again, but never damages a file in WAL mode.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_OF_THE_RUN)
    except BaseException as error:
        connection.close()
        if isinstance(error, UnicodeDecodeError):  # SQLite says what is damaged, and names it
            raise unusable(path, "damaged names of tables") from error
        raise
    return connection


def unusable(path: bytes, found: str) -> Refused:
    """Return the refusal of a catalogue that cannot be used."""
    return Refused(Problem(Code.CATALOGUE_UNUSABLE, path, found=found))


def _check(connection: sqlite3.Connection, path: bytes) -> None:
    if os.path.getsize(path) == 1:  # which SQLite takes for a new file, and writes over
        raise unusable(path, "file is not a database")
    if not _number(connection, "schema_version"):  # a new file
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(
            f"BEGIN IMMEDIATE; {_TABLES} PRAGMA application_id = {_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
        )
    if _number(connection, "application_id") != _ID:
        raise unusable(path, "a database of another program")
    if (version := _number(connection, "user_version")) > VERSION:
        found = f"version {version}, and this program knows version {VERSION}"
        raise Refused(Problem(Code.CATALOGUE_NEWER, path, found=found))
    (fault,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if fault != "ok":
        raise unusable(path, str(fault))
    for table, rule in _rules():
        if connection.execute(f"SELECT 1 FROM {table} WHERE NOT ({rule}) LIMIT 1").fetchone():
            raise unusable(path, f"values in the table {table} that it cannot have")


def _rules() -> Iterator[tuple[str, str]]:
    """Yield each table with what is true of all its rows."""
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(_TABLES)
        for table, rule in _SENSIBLE.items():
            columns = model.execute(f"SELECT name, lower(type), \"notnull\" FROM pragma_table_info('{table}')")
            types = [f"typeof({name}) IN ('{kind}', '{kind if must else 'null'}')" for name, kind, must in columns]
            yield table, " AND ".join((rule, *types))


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
