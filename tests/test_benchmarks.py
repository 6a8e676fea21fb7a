"""What the benchmarks make of what they measured; how long anything takes is not tested."""

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path

import pytest

from benchmarks import side_by_side
from benchmarks.casa import RunningCasa
from benchmarks.curves import Curve, draw
from benchmarks.job import Job, Kind, Target, Tree
from benchmarks.page import NoMarksError, filled, markdown_table
from benchmarks.process import CommandFailedError, Run, timed
from benchmarks.rows import row_of
from benchmarks.syscalls import calls_per_file, counted_calls
from benchmarks.trees import image_bytes, log_bytes, make_bundled
from benchmarks.watch import Watch
from qa2pack.manifest.layout.load import load_layout
from support.in_process import write
from support.measurement_sets import DATA_COLUMNS, Recipe, write_measurement_set
from support.staged_tables import read_cells, split_table
from support.tools import needs_tool

ROOT = Path(__file__).resolve().parent.parent
PAIRS = [(Run(2, 3, 50), Run(4, 4, 9)), (Run(1, 2, 60), Run(4, 4, 9)), (Run(3, 9, 40), Run(4, 5, 9))]
SUMMARY = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000150           1       120           read
 40.00    0.000100           1       110         7 openat
------ ----------- ----------- --------- --------- ----------------
100.00    0.000250           1       230         7 total
"""


def job(target: Target | None) -> Job:
    return Job("plan", "peer", "true", "true", target)


def test_row_holds_medians_the_range_of_ratios_and_the_largest_process() -> None:
    row = row_of(Tree(Kind.SMALL, 100_000), job(Target(0.5)), PAIRS)
    assert (row.ours_seconds, row.peer_seconds, row.ratio) == (2, 4, 0.5)
    assert (row.lowest, row.highest, row.peak_mib, row.ours_cpu_seconds) == (0.25, 0.75, 60, 3)


@pytest.mark.parametrize(
    ("target", "verdict"),
    [(Target(0.5), "met"), (Target(0.49), "missed"), (None, ""), (Target(0.49, least_size=100_001), "")],
)
def test_target_counts_only_on_trees_that_are_large_enough(target: Target | None, verdict: str) -> None:
    assert row_of(Tree(Kind.SMALL, 100_000), job(target), PAIRS).verdict == verdict


def test_peer_that_is_not_installed_is_missing() -> None:
    wanted = Job("plan", "peer", "true", "true", needs=("sh", "no-such-program"))
    assert wanted.missing() == ["no-such-program"]


def test_cold_disk_is_left_out_where_the_cache_cannot_be_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(side_by_side, "can_drop_cache", lambda: False)
    asked = ["--dir", str(tmp_path), "--small", "0", "--big-gib", "0", "--cold-gib", "1"]
    monkeypatch.setattr(sys, "argv", ["side_by_side", *asked])
    assert side_by_side.main() == 0
    assert "1 GiB cold: left out, because only root may drop the page cache" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def short_jobs(tree: Tree) -> list[Job]:
    return [each for each in side_by_side._jobs(tree) if not each.is_long]


@pytest.mark.parametrize("kind", [*Kind])
def test_short_run_compares_each_job_with_one_peer(kind: Kind) -> None:
    names = [each.name for each in short_jobs(Tree(kind, 2 << 30))]
    assert names
    assert len(names) == len(set(names))


def test_casa_that_cannot_start_is_reported(tmp_path: Path) -> None:
    with pytest.raises(EOFError), RunningCasa("true", tmp_path):
        pass


def test_page_gets_the_new_text_between_its_marks_only() -> None:
    page = "before\n<!-- begin a -->\nold\n<!-- end a -->\n<!-- begin b -->\nkept\n<!-- end b -->\n"
    new = filled(page, "a", r"new \1")
    assert new == page.replace("\nold\n", "\n\nnew \\1\n\n")
    assert filled(new, "a", r"new \1") == new


def test_page_without_the_marks_is_refused() -> None:
    with pytest.raises(NoMarksError):
        filled("<!-- begin a --> and no end", "a", "new")


def test_table_is_aligned_and_sets_numbers_to_the_right() -> None:
    assert markdown_table(("job", "s"), [("plan", "1.00"), ("a", "12.00")]).splitlines() == [
        "| job  |     s |",
        "|------|------:|",
        "| plan |  1.00 |",
        "| a    | 12.00 |",
    ]


def test_calls_that_a_command_makes_once_cancel_out() -> None:
    few = counted_calls(SUMMARY)
    assert few == {"read": 120, "openat": 110}
    twice = {"read": 320, "openat": 111, "close": 100}
    assert calls_per_file(few, twice, 100) == {"read": 2.0, "close": 1.0}


def test_picture_is_xml_and_names_every_curve_apart() -> None:
    curves = [Curve(f"a < {number}", [(1000, 0.5, 20), (10_000, 5, 20)]) for number in range(3)]
    texts = ET.fromstring(draw(curves)).findall("{http://www.w3.org/2000/svg}text")
    names = [text for text in texts if (text.text or "").startswith("a < ")]
    assert len(names) == 6
    assert len({(name.get("x"), name.get("y")) for name in names}) == 6


def test_failed_command_reports_its_last_words_and_its_exit_code(tmp_path: Path) -> None:
    with pytest.raises(CommandFailedError, match=r"exit code 3 of: .*\n    last words$"):
        timed(tmp_path, "echo last words >&2; exit 3")


def test_tree_that_becomes_a_bundle_has_its_layout_and_compresses_as_packages_do(tmp_path: Path) -> None:
    make_bundled(tmp_path, 1)
    assert load_layout(str(tmp_path / "bundles.toml")).rules
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "SB").rglob("*.*")}
    assert sizes == {"image.fits": 5 << 20, "casapy.log": 3 << 20, "plots.png": 2 << 20}
    image, log = (len(zlib.compress(data, 1)) / len(data) for data in (image_bytes(), log_bytes()))
    assert 0.6 < image < 0.8 and 0.1 < log < 0.3


MEASURING = """
import sys
from pathlib import Path
from benchmarks.process import timed
for command in (f"{sys.executable} -c 'bytearray(300 << 20)'", "true"):
    print(timed(Path(), command).peak_mib)
"""


def test_memory_is_that_of_the_command_alone(tmp_path: Path) -> None:
    # A process of its own: a child is never reported as smaller than its parent, and this one may have grown.
    done = subprocess.run(
        [sys.executable, "-c", MEASURING],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.fspath(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    large, small = map(float, done.stdout.split())
    assert large > 300
    assert small < 100


HOLDS_FILES = "import subprocess; files = [open('/dev/null') for _ in range(40)]; subprocess.run(['cat'])"


def test_watch_counts_processes_and_open_files() -> None:
    command = f'{sys.executable} -c "{HOLDS_FILES}"; true'
    with subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE, process_group=0) as process:
        watch = Watch(process.pid)
        watch.start()
        until = time.monotonic() + 600
        while watch.process_count < 2 and time.monotonic() < until:
            time.sleep(0.01)
        process.communicate()  # ends `cat`, and so all of them
        watch.end()
    assert watch.process_count == 2
    assert watch.open_file_count >= 43


@pytest.mark.parametrize(
    ("kind", "size", "found"),
    [
        ("small", "120", {"apply fake", "tarsplit, md5"}),
        ("big-gib", "0.001", {"apply fake", "tarsplit, md5"}),
        ("bundled-gib", "0.001", {"apply bundle, -6"}),
        ("mixed", "0", set()),
    ],
    ids=["small", "big", "bundled", "none"],
)
def test_jobs_run_beside_their_peers(tmp_path: Path, kind: str, size: str, found: set[str]) -> None:
    sizes = {"small": "0", "big-gib": "0", "one-gib": "0", "mixed": "0", kind: size}
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "benchmarks.side_by_side",
        "--dir",
        tmp_path / "work",
        "--rounds",
        "1",
        "--full",
    ]
    command += [f"--{name}={value}" for name, value in sizes.items()]
    command += ["--jobs-like", r"cp -a|touch|tar, split|-6 .*, gzip", "--json", tmp_path / "out" / "table.json"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 0
    jobs = {row["job"] for row in json.loads((tmp_path / "out" / "table.json").read_text())["rows"]}
    assert found <= jobs and bool(jobs) == bool(found)
    assert not list((tmp_path / "work").iterdir())


def bare(program: str, *arguments: Path) -> str:
    """Run a bare prototype, and return what it printed."""
    command: list[str | Path] = [sys.executable, "-m", f"benchmarks.{program}", *arguments]
    paths = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, check=True, stdout=subprocess.PIPE
    )
    return done.stdout.decode()


def test_bare_reads_are_of_every_file(tmp_path: Path) -> None:
    for name in ("one/a/1", "one/b/2", "one/b/c/3"):
        write(tmp_path / name, b"content")
    assert bare("bare_reads", tmp_path) == "3 digests\n"


def test_bare_tables_are_split_as_the_program_splits_them(tmp_path: Path) -> None:
    needs_tool("xxhsum")
    table = Path("X8c/uid___A002_X3c9295_X8c.ms.split")
    (tmp_path / "SB" / table).parent.mkdir(parents=True)
    write_measurement_set(tmp_path / "SB" / table, Recipe(rows=200))
    printed = bare("bare_tables", tmp_path / "SB", tmp_path / "out")
    assert "plan: tables are opened, and split on trial" in printed
    assert sorted(read_cells(tmp_path / "out" / table).keys() & DATA_COLUMNS) == ["DATA"]
    split_table(tmp_path / "SB" / table, tmp_path / "right", "DATA")
    assert read_cells(tmp_path / "out" / table) == read_cells(tmp_path / "right")
