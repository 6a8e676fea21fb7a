"""Packages the pipeline runs and scheduling blocks of the demo as a data reducer would, and shows every command."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from make_pipeline_run import FIRST_RUN, PIPELINE_PROJECT, SECOND_RUN
from make_reduction import FIRST_BLOCK, README_HEADER, SECOND_BLOCK, make_reductions

FOLDER = Path(__file__).resolve().parent.parent / "build" / "demo"
PACKAGE = "2011.0.00229.S"
STEPS = f"""
pack plan {FIRST_RUN} {PIPELINE_PROJECT} --layout alma-pipeline --mode hard
pack apply {PIPELINE_PROJECT}
pack verify {PIPELINE_PROJECT}
pack plan {SECOND_RUN} {PIPELINE_PROJECT} --layout alma-pipeline --mode hard
pack apply {PIPELINE_PROJECT}
pack verify {PIPELINE_PROJECT}
pack show {PIPELINE_PROJECT}
pack plan {FIRST_BLOCK} {PACKAGE} --mode hard --readme {README_HEADER}
pack apply {PACKAGE}
pack verify {PACKAGE}
pack plan {SECOND_BLOCK} {PACKAGE} --append member --mode hard --readme {README_HEADER}
pack apply {PACKAGE}
pack verify {PACKAGE}
pack show {PACKAGE}
grep -h -e '|-- ' {PACKAGE}/sg_ouss_id/group_ouss_id/*/README
"""


def main() -> int:
    """Make the reductions and run the steps; stop at the first that fails and return its exit code."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with _casacore_silenced():
        make_reductions(FOLDER)
    print(f"$ cd {shlex.quote(os.path.relpath(FOLDER))}", flush=True)
    for step in STEPS.strip().splitlines():
        print(f"\n$ {step}", flush=True)
        code = subprocess.run(step, shell=True, cwd=FOLDER, env=_environment(), check=False).returncode
        if code:
            print(f"The demo stopped: exit code {code}", file=sys.stderr)
            return code
    return 0


@contextmanager
def _casacore_silenced() -> Iterator[None]:
    """Keep casacore's own remarks off the screen; a Python error still comes through."""
    standard_error = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)


def _environment() -> dict[str, str]:
    """Return an environment that finds the `pack` beside this Python and sorts the same everywhere."""
    beside = Path(sys.executable).parent
    changed = {"PATH": f"{beside}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    # Without the demo's search path: what is shown is the program as installed.
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | changed


if __name__ == "__main__":
    sys.exit(main())
