"""casacore has surroundings of its own, and what is wrong with those is never put on a table."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from qa2pack.executor.casa.child_process import ChildDiedError
from qa2pack.executor.casa.environment import run_isolated
from qa2pack.executor.casa.split import describe_table
from qa2pack.manifest.casa.column_split import CasacoreEnvironmentError, TableBrokenError
from qa2pack.manifest.fs.scratch import scratch_folder
from qa2pack.manifest.problem import Code
from support.commands import ROOT
from support.file_systems import small_disk
from support.measurement_sets import Recipe, Shared, select_rows, write_measurement_set
from support.small_table import make_table

# The caller has read the settings of the user before, as CASA and other libraries do.
USED_BEFORE = """
import os, sys
from pathlib import Path
from casacore import tables
tables.table(sys.argv[1] + "/mine", tables.maketabdesc([tables.makescacoldesc("A", 1)]), ack=False).close()
assert os.path.exists(sys.argv[1] + "/mine/table.mf")
from qa2pack.executor.casa.environment import run_isolated
from support.small_table import make_table
print(*run_isolated(make_table, space_bytes=0, seconds=600))
"""
FIRST = """
import sys
from qa2pack.executor.casa.environment import run_isolated
from support.small_table import make_table
sys.modules.pop("casacore", None)
print(*run_isolated(make_table, space_bytes=0, seconds=600))
"""
LOADED = """
import os, sys
from qa2pack.executor.casa.split import describe_table
describe_table(os.fsencode(sys.argv[1]))
print("casacore" in sys.modules, "libcasa" in open("/proc/self/maps").read())
"""
# The libraries of casacore alone take more than this limit.
LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (120_000 << 10, resource.RLIM_INFINITY))
from qa2pack.executor.casa.split import describe_table, split_staged_table
from qa2pack.manifest.casa.column_split import CasacoreEnvironmentError, SplitSpec
table = os.fsencode(sys.argv[1])
try:
    describe_table(table)
except CasacoreEnvironmentError as error:
    print(error.code, error.found, sep=": ")
try:
    split_staged_table(table, SplitSpec("DATA", (), (), (), (), ()))
except OSError as error:
    print(os.strerror(error.errno), error.strerror, sep=": ")
"""


def environment(work: Path) -> dict[str, list[str] | str]:
    named = {name: value for name, value in os.environ.items() if name.startswith(("CASA", "AIPS"))}
    return {
        "home": os.listdir(os.environ["HOME"]),
        "here": os.listdir(),
        "temporary": os.listdir(os.environ["TMPDIR"]),
        "work": os.listdir(work),
        "variables": sorted(named),
        "settings": Path(named["CASARCFILES"]).read_text(),
    }


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "u.ms.split"
    write_measurement_set(path)
    return path


def run(program: str, *arguments: Path, **variables: str) -> str:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", **variables}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_all_that_casacore_looks_at_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CASARCDIR", "CASAPATH", "AIPSPATH", "CASACORE_LDPATH"):
        monkeypatch.setenv(name, "/somewhere")
    assert run_isolated(environment, space_bytes=0) == {
        "home": [],
        "here": [],
        "temporary": [],
        "work": [],
        "variables": ["CASARCFILES"],
        "settings": "",
    }


@pytest.mark.parametrize("program", [USED_BEFORE, FIRST], ids=["loaded before", "not loaded"])
def test_settings_of_the_user_do_not_count(tmp_path: Path, program: str) -> None:
    (tmp_path / "settings").write_text("table.storage.option: multifile\n")
    made = run(program, tmp_path, CASARCFILES=str(tmp_path / "settings"))
    assert "table.mf" not in made.split()
    assert "table.f0" in made.split()


def test_casacore_is_not_loaded_by_the_process_that_asks(table: Path) -> None:
    assert run(LOADED, table).split() == ["False", "False"]


def test_no_home_folder_is_needed(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    assert "CORRECTED_DATA" in describe_table(os.fsencode(table)).columns


def test_relative_path_is_of_the_caller(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(table.parent)
    assert describe_table(os.fsencode(table.name)) == describe_table(os.fsencode(table))


@pytest.mark.parametrize("size", [12_000, 40_000, 100_000, 250_000])
def test_full_folder_for_temporary_files_is_named(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    with small_disk(tmp_path / "small", size=size) as disk:
        monkeypatch.setattr("tempfile.tempdir", str(disk))
        with pytest.raises(CasacoreEnvironmentError) as caught:
            describe_table(os.fsencode(table))
    assert (caught.value.path, caught.value.code) == (os.fsencode(disk), Code.SCRATCH_FULL)
    assert "bytes free on its file system" in caught.value.found


def test_file_system_that_is_full_is_named(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "small", size=100_000) as disk:
        (disk / "folder").mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(disk / "folder"))
        with pytest.raises(CasacoreEnvironmentError, match=f"bytes free on the file system at {disk}"):
            describe_table(os.fsencode(table))


def fill(_: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_disk_that_became_full_and_is_free_again_is_not_said_to_have_enough() -> None:
    with pytest.raises(CasacoreEnvironmentError) as caught:
        run_isolated(fill, space_bytes=0)
    assert caught.value.expected == "more free space"


@pytest.fixture
def limit() -> Iterator[None]:
    """Give back afterwards how many files may be open and how large one may be."""
    kinds = (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU)
    before = {kind: resource.getrlimit(kind) for kind in kinds}
    yield
    for kind, values in before.items():
        resource.setrlimit(kind, values)


def test_low_limit_of_memory_is_no_fault_of_the_table_nor_of_the_disk(table: Path) -> None:
    """Where OpenBLAS gets no memory it ends its process, so the one that asks must not load it."""
    found = "at most 117.2 MiB for each process (ulimit -v)"
    assert run(LIMITED, table).splitlines() == [f"memory-short: {found}", f"Cannot allocate memory: {found}"]


@pytest.mark.usefixtures("limit")
def test_few_files_that_may_be_open_are_no_fault_of_the_table(table: Path) -> None:
    """The soft limit is the caller's; the child takes what it may."""
    in_use = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 8, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    assert "DATA" in describe_table(os.fsencode(table)).columns


def use_up_time(work: Path) -> None:
    os.kill(os.getpid(), signal.SIGXCPU if work else 0)  # as the system does at the limit


@pytest.mark.usefixtures("limit")
def test_little_time_that_a_process_may_compute_is_no_fault_of_the_table() -> None:
    with pytest.raises(ChildDiedError, match="no answer in 600 seconds of computing"):
        run_isolated(use_up_time, space_bytes=0, seconds=600)
    resource.setrlimit(resource.RLIMIT_CPU, (100_000, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    with pytest.raises(CasacoreEnvironmentError, match=r"100000 seconds .* \(ulimit -t\)"):
        run_isolated(use_up_time, space_bytes=0, seconds=200_000)


def fail_for_want_of_files(work: Path) -> None:
    raise RuntimeError(f"casacore: {work}/table.f1: {os.strerror(24)}")


def kill(work: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL if work else 0)


def kill_as_the_system_does(counters: Path, work: Path) -> None:
    counters.write_text("pgfault 12\noom_kill 6\n")
    kill(work)


@pytest.mark.parametrize(
    ("question", "code"),
    [(fail_for_want_of_files, Code.CASACORE_UNUSABLE), (kill, Code.CASACORE_UNUSABLE)],
)
def test_what_the_process_lacks_is_named(question: partial[None], code: Code) -> None:
    with pytest.raises(CasacoreEnvironmentError) as caught:
        run_isolated(question, space_bytes=0, seconds=600)
    assert caught.value.code is code


def test_memory_is_short_only_where_the_system_killed_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counters = tmp_path / "vmstat"
    counters.write_text("pgfault 11\noom_kill 5\n")
    monkeypatch.setattr("qa2pack.executor.memory._COUNTERS", str(counters))
    with pytest.raises(CasacoreEnvironmentError, match="SIGKILL") as caught:
        run_isolated(partial(kill_as_the_system_does, counters), space_bytes=0, seconds=600)
    assert caught.value.code is Code.MEMORY_SHORT


@pytest.mark.parametrize(
    "module",
    [
        "def table(*_, **__):\n    raise RuntimeError('not today')",
        "raise ImportError('not today')",
        "import sys\nsys.exit('not today')",
    ],
)
def test_casacore_that_opens_no_table_at_all_is_no_fault_of_the_table(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    (tmp_path / "stand-in/casacore").mkdir(parents=True)
    (tmp_path / "stand-in/casacore/__init__.py").touch()
    (tmp_path / "stand-in/casacore/tables.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path / "stand-in")
    with pytest.raises(CasacoreEnvironmentError, match="not today"):
        describe_table(os.fsencode(table))


def test_casacore_that_ends_its_host_is_told_as_it_was(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No signal is named that nobody sent."""
    (tmp_path / "stand-in/casacore").mkdir(parents=True)
    (tmp_path / "stand-in/casacore/__init__.py").write_text("import os\nos._exit(7)")
    monkeypatch.syspath_prepend(tmp_path / "stand-in")
    with pytest.raises(CasacoreEnvironmentError, match="the process ended with exit code 7") as caught:
        describe_table(os.fsencode(table))
    assert caught.value.code is Code.CASACORE_UNUSABLE


def test_no_folder_for_temporary_files_is_no_fault_of_the_table(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(table.parent)
    monkeypatch.setattr("tempfile.tempdir", str(table.parent))  # as Python has it where all others are missing
    with pytest.raises(CasacoreEnvironmentError, match="no usable temporary directory") as caught:
        run_isolated(make_table, space_bytes=0)
    assert (caught.value.path, caught.value.code) == (b"/tmp", Code.SCRATCH_FULL)  # which advises what helps


def test_current_folder_that_was_removed_is_in_nobodys_way(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert "DATA" in describe_table(os.fsencode(table)).columns


def test_table_that_takes_its_rows_from_another_is_not_opened(table: Path) -> None:
    """Nobody has looked at the managers of the other one."""
    select_rows(table, table.with_name("selection"))
    with pytest.raises(TableBrokenError, match="it is a RefTable"):
        describe_table(os.fsencode(table.with_name("selection")))


def fail(work: Path) -> None:
    raise RuntimeError(f"no such thing as {work.name}")


def test_error_of_the_question_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="no such thing as work"):
        run_isolated(fail, space_bytes=0)


def test_scratch_is_never_made_in_a_current_folder_nobody_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python goes there last, where all others are full; it may be the origin."""
    here = tmp_path / "sb1"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr("tempfile.tempdir", str(here))
    with pytest.raises(FileNotFoundError), scratch_folder():
        pass
    assert os.listdir(here) == []


@pytest.mark.parametrize(
    "recipe", [Recipe(), Recipe(shared=(Shared("IncrementalStMan", ("WEIGHT", "SIGMA")),))], ids=["standard", "both"]
)
def test_table_with_an_unknown_manager_is_not_opened(tmp_path: Path, recipe: Recipe) -> None:
    table = tmp_path / "u.ms"
    write_measurement_set(table, recipe)
    file = table / "table.dat"
    file.write_bytes(file.read_bytes().replace(b"StandardStMan", b"/evilevilevil"))
    with pytest.raises(TableBrokenError) as caught:
        describe_table(os.fsencode(table))
    assert (caught.value.code, "/evilevilevil" in caught.value.reason) == (Code.MANAGER_UNKNOWN, True)
