"""Lists of jobs: TOML and CSV, the places of what is wrong, and files that are no lists."""

import os
import socket
from contextlib import chdir
from pathlib import Path

import pytest

from qa2pack.manifest.fs.control_file import SMALL_BYTES
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack.jobs.job_list import JobList, read_job_list

_KEYS = ("origin", "package", "mode", "exclude", "strict")


def _read(folder: Path, name: str, text: str) -> JobList:
    path = folder / name
    path.write_bytes(text.encode())
    return read_job_list(os.fsencode(path), _KEYS)


def test_toml_rows_have_their_lines_and_values(tmp_path: Path) -> None:
    text = '# blocks\n[[job]]\norigin = "a"\nstrict = true\n\n[[job]]\norigin = "b"\nexclude = ["x", "y"]\n'
    found = _read(tmp_path, "list.toml", text)
    assert [(row.place, row.values) for row in found.rows] == [
        ("line 2", {"origin": "a", "strict": True}),
        ("line 6", {"origin": "b", "exclude": ["x", "y"]}),
    ]


def test_toml_rows_without_lines_have_their_number(tmp_path: Path) -> None:
    found = _read(tmp_path, "list.toml", 'job = [{origin = "a"}]')
    assert [row.place for row in found.rows] == ["job 1"]


def test_csv_rows_are_texts_without_the_empty_cells(tmp_path: Path) -> None:
    text = '\ufefforigin, package,mode\r\n\r\n# old ones\r\n"a,b",P,\r\n"c\r\nd",Q, hard\r\ne,R,copy\r\n'
    found = _read(tmp_path, "list.csv", text)
    assert [(row.place, row.values) for row in found.rows] == [
        ("line 4", {"origin": "a,b", "package": "P"}),
        ("line 5", {"origin": "c\r\nd", "package": "Q", "mode": "hard"}),
        ("line 7", {"origin": "e", "package": "R", "mode": "copy"}),
    ]


@pytest.mark.parametrize(
    ("name", "text", "faults"),
    [
        ("l.toml", '[[job]]\nmoda = "x"\n', ["line 1: there is no key moda; did you mean mode?"]),
        ("l.toml", "mode = 1\n[[job]]\n", ["there is no key mode outside of [[job]]"]),
        ("l.toml", "", ["it holds no job"]),
        ("l.csv", "", ["it holds no job"]),
        ("l.csv", "\norigin,moda\na,b\nc,d\n", ["line 2: there is no key moda; did you mean mode?"]),
        ("l.csv", "mode,origin,mode\na,b,c\n", ["line 1: mode is there twice"]),
        ("l.csv", 'origin\na,b\n"c\n', ["line 2: 2 cells, but line 1 has 1 names", "line 3: unexpected end of data"]),
        ("l.csv", "origin\na,b\n", ["line 2: 2 cells, but line 1 has 1 names"]),
    ],
)
def test_faults_have_their_places(tmp_path: Path, name: str, text: str, faults: list[str]) -> None:
    assert list(_read(tmp_path, name, text).faults) == faults


@pytest.mark.parametrize(
    ("name", "text"),
    [("l.toml", "job = 3"), ("l.toml", "[job]"), ("l.toml", "[["), ("l.csv", 'a,"b'), ("l.txt", "origin")],
)
def test_file_that_is_no_list_is_refused(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(Refused) as refused:
        _read(tmp_path, name, text)
    assert [problem.code for problem in refused.value.problems] == [Code.LIST_UNUSABLE]


@pytest.mark.parametrize("link", ["link.csv", "link"])
def test_link_to_a_list_is_followed_and_its_paths_are_of_the_list(tmp_path: Path, link: str) -> None:
    (tmp_path / "lists").mkdir()
    found = _read(tmp_path / "lists", "list.csv", "origin\na\n")
    (tmp_path / link).symlink_to("lists/list.csv")
    assert read_job_list(os.fsencode(tmp_path / link), _KEYS) == found
    assert found.folder == os.fsencode(tmp_path / "lists")


@pytest.mark.parametrize("text", ["origin\na\n", '# one\n[[job]]\norigin = "a"\n'], ids=["csv", "toml"])
def test_pipe_of_a_shell_is_read(text: str) -> None:
    reads, writes = os.pipe()
    try:
        os.write(writes, text.encode())
        os.close(writes)
        found = read_job_list(b"/dev/fd/%d" % reads, _KEYS)
    finally:
        os.close(reads)
    assert ([row.values for row in found.rows], found.faults, found.folder) == ([{"origin": "a"}], (), b"")


def test_what_cannot_be_a_list_is_refused_as_a_list(tmp_path: Path) -> None:
    (tmp_path / "large.csv").write_bytes(b"#" * (SMALL_BYTES + 1))
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "device.csv").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as bound, chdir(tmp_path):
        bound.bind("socket.csv")
    for name, found in (
        ("large.csv", "a file of 1.0 MiB, more than the 1.0 MiB that are read"),
        ("folder.csv", "a folder, not a regular file"),
        ("pipe.csv", "a named pipe, not a regular file"),
        ("device.csv", "a device, not a regular file"),
        ("socket.csv", "a socket, not a regular file"),
    ):
        with pytest.raises(Refused) as refused:
            read_job_list(os.fsencode(tmp_path / name), _KEYS)
        assert refused.value.problems == (Problem(Code.LIST_UNUSABLE, os.fsencode(tmp_path / name), found=found),)
        assert "at most" in refused.value.remedies[0].text
