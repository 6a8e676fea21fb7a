"""The legacy call from a Python that is too old for the program, or does not have it: `pack` runs as a process.

Every old Python that is found is tried (`python2.7` to `python3.10`, on the PATH and where pyenv puts them), and
always this Python, as one in which the program is not installed.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qa2pack.pack.exit_codes import Exit
from support.commands import ROOT, run_in_child
from support.in_process import Delivery
from support.snapshots import contents
from support.trees import make_tree

OLD = ("2.7", "3.6", "3.7", "3.8", "3.9", "3.10")


def interpreters() -> dict[str, list[str]]:
    """Return, by its version, the words that start each Python without this program."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    may_look = os.access(versions, os.R_OK | os.X_OK)  # it may be the folder of another user
    found = {"without": [sys.executable, "-I", "-S"]}
    for version in OLD:
        of_pyenv = sorted(versions.glob(f"{version}.*/bin/python")) if may_look else []
        if of_pyenv:
            found[version] = [str(of_pyenv[-1])]
        elif (place := shutil.which(f"python{version}")) and _can_start(place):
            found[version] = [place]
    return found


def _can_start(place: str) -> bool:
    """Tell whether it is a Python; what pyenv puts on the PATH says only when it is started that it has none."""
    return subprocess.run([place, "-c", "import json"], check=False, capture_output=True).returncode == 0


INTERPRETERS = interpreters()
every_python = pytest.mark.parametrize("python", INTERPRETERS.values(), ids=INTERPRETERS)

CALL = """
import json, sys
sys.path.insert(0, sys.argv[1])
from QA2_Packaging_module import *
arguments = json.loads(sys.argv[2])
try:
    QA_Packager(*arguments)
except Exception as error:
    found = [[each.code, each.path, each.found] for each in error.problems]
    print("RAISED " + json.dumps([type(error).__name__, str(error), found]))
except KeyboardInterrupt as error:
    print("INTERRUPTED " + str(error))
"""


class Script:
    """A reducer's script beside a copy of the module, and a `pack` to be found."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        shutil.copy(ROOT / "QA2_Packaging_module.py", folder)
        self.pack = folder / "elsewhere" / "pack"
        self.pack.parent.mkdir()
        self.install(self.pack, "from qa2pack.pack.cli import main\nsys.exit(main())\n")

    def install(self, path: Path, text: str) -> None:
        path.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]\n{text}"
        )
        path.chmod(0o755)

    def start(self, python: list[str], *arguments: object, **environment: str) -> "subprocess.Popen[str]":
        """Start the call; `pack` is found by QA2PACK unless the environment says otherwise."""
        words = json.dumps([os.fspath(each) if isinstance(each, Path) else each for each in arguments])
        return subprocess.Popen(
            [*python, "-c", CALL, str(self.folder), words],
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "QA2PACK": str(self.pack), **environment},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def call(self, python: list[str], *arguments: object, **environment: str) -> str:
        """Return what the call prints, and what it raises."""
        process = self.start(python, *arguments, **environment)
        printed, _ = process.communicate(timeout=600)
        assert process.returncode == 0, printed
        return printed


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path / "script")


@every_python
def test_package_is_that_of_the_call_itself(delivery: Delivery, script: Script, python: list[str]) -> None:
    printed = script.call(python, delivery.origin, None, delivery.path, "", "hard")
    made = contents(delivery.path)
    assert f"pack verify {delivery.path}" in printed
    assert "RAISED" not in printed
    shutil.rmtree(delivery.path)
    shutil.rmtree(os.fsdecode(delivery.package.control))
    script.install(script.folder / "itself", "from QA2_Packaging_module import *\nQA_Packager(*sys.argv[1:])\n")
    subprocess.run([script.folder / "itself", delivery.origin, "", delivery.path, "", "hard"], check=True)
    assert contents(delivery.path) == made


@every_python
def test_later_parameters_reach_the_program(delivery: Delivery, script: Script, python: list[str]) -> None:
    uids = [f"uid___A001_X1_X{number}" for number in (1, 2, 3)]
    values = " ".join(f"{name}={uid}" for name, uid in zip(("sous", "gous", "mous"), uids, strict=True))
    (script.folder / "pi.py").write_text("for the PI")
    later = ("hard", "cycle8-nopipe", "pi.py", True)
    printed = script.call(python, delivery.origin, None, delivery.path, "", *later, PACK_SET=values)
    member = delivery.path / "science_goal.{}/group.{}/member.{}".format(*uids)
    assert (member / "script/scriptForPI.py").read_text() == "for the PI", printed


@every_python
def test_measurement_sets_are_left_out_by_the_program(delivery: Delivery, script: Script, python: list[str]) -> None:
    (delivery.origin / "X8c/uid___A002_X3c9295_X8c.ms.split").mkdir()
    script.call(python, delivery.origin, "", delivery.path, "", "fake", None, None, True)
    assert list((delivery.member / "raw").iterdir()) == []


@every_python
def test_images_made_by_hand_are_packaged_alone_by_the_program(
    tmp_path: Path, script: Script, python: list[str]
) -> None:
    unit = "SOUS_{0}/GOUS_{0}/MOUS_{0}".format("uid___A001_X1_X1")
    origin, package = (
        make_tree(tmp_path / "run", [f"{unit}/a.manual.fits", f"{unit}/b.fits"]),
        tmp_path / "2017.1.01185.S",
    )
    printed = script.call(python, origin, "", package, "", "fake", "cycle8-pipe", "", "", True)
    products = [path.name for path in package.rglob("*.fits")]
    assert products == ["a.manual.fits"], printed


@every_python
def test_refusal_is_raised_with_text_and_problems(delivery: Delivery, script: Script, python: list[str]) -> None:
    gone = delivery.origin.with_name("gone")
    printed = script.call(python, gone, "", delivery.path)
    name, text, problems = json.loads(printed[printed.index("RAISED ") + 7 :])
    assert name == "PackagingError"
    assert text.startswith("pack plan: refused, 1 problem. Nothing was changed.")
    assert [problem[:2] for problem in problems] == [["origin-missing", str(gone)]]


@every_python
def test_word_of_another_type_is_refused_as_in_the_call_itself(
    delivery: Delivery, script: Script, python: list[str]
) -> None:
    printed = script.call(python, delivery.origin, "", delivery.path, None, "hard")
    name, _, problems = json.loads(printed[printed.index("RAISED ") + 7 :])
    assert (name, [problem[:2] for problem in problems]) == ("PackagingError", [["unknown-mode", "None"]])


def test_interrupted_call_raises_it_and_pack_apply_goes_on(
    delivery: Delivery, script: Script, tmp_path: Path
) -> None:
    slow = (ROOT / "tests" / "support" / "slow_pack.py").read_text()
    script.install(script.pack, slow)
    held = tmp_path / "held"
    process = script.start(
        INTERPRETERS["without"],
        *(delivery.origin, "", delivery.path, "", "copy"),
        QA2PACK_TEST_HOLD=os.fsdecode(delivery.package.control) + "/staging",
        QA2PACK_TEST_HELD=str(held),
    )
    while not held.exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    held.unlink()
    printed, _ = process.communicate(timeout=600)
    assert "INTERRUPTED pack apply: interrupted: the command was interrupted." in printed
    assert not delivery.path.exists()
    assert run_in_child("apply", delivery.path).code == Exit.DONE
    assert delivery.found() == []


@every_python
def test_call_that_is_interrupted_while_the_program_is_loaded_is_no_failure(
    delivery: Delivery, script: Script, python: list[str]
) -> None:
    loading = "import os, signal\nif sys.argv[1] == 'legacy-call':\n    os.kill(os.getpid(), signal.SIGINT)\n"
    main = "from qa2pack.pack.cli import main\nsys.exit(main())\n"
    script.install(script.pack, f"import _signal\n_signal.signal(2, _signal.SIG_DFL)\n{loading}{main}")
    printed = script.call(python, delivery.origin, "", delivery.path, "", "copy")
    assert printed.startswith("INTERRUPTED"), printed
    assert not delivery.path.exists()


@every_python
def test_where_there_is_none_it_says_what_to_install(script: Script, python: list[str]) -> None:
    printed = script.call(python, "a", "", "b", QA2PACK="", PATH=str(script.folder))
    name, text, _ = json.loads(printed[printed.index("RAISED ") + 7 :])
    assert name == "PackagingError"
    assert "holds its README.md and pyproject.toml:\n" in text
    assert "/bin/pip install .\n" in text
    assert "export QA2PACK=" in text


def test_damaged_installation_is_not_passed_over_for_another(script: Script, tmp_path: Path) -> None:
    (tmp_path / "qa2pack" / "pack").mkdir(parents=True)
    process = script.start([sys.executable, "-S"], "a", "", "b", PYTHONPATH=str(tmp_path))
    printed, _ = process.communicate(timeout=600)
    assert "No module named 'qa2pack.pack.dropin'" in printed
    assert "pip install" not in printed


def test_wrong_path_in_the_variable_is_named(script: Script) -> None:
    printed = script.call(INTERPRETERS["without"], "a", "", "b", QA2PACK="/nowhere/pack")
    assert "QA2PACK=/nowhere/pack leads to no such program." in printed


def test_other_program_of_that_name_is_passed_over(delivery: Delivery, script: Script, tmp_path: Path) -> None:
    other = tmp_path / "other" / "pack"
    other.parent.mkdir()
    script.install(other, "open(sys.argv[0] + '.ran', 'a').write(' '.join(sys.argv[1:]))\nprint('pack 0.33')\n")
    path = f"{other.parent}:{script.pack.parent}:{os.environ['PATH']}"
    script.call(INTERPRETERS["without"], delivery.origin, "", delivery.path, QA2PACK="", PATH=path)
    assert delivery.path.is_dir()
    assert other.with_name("pack.ran").read_text() == "--version"


def test_program_is_found_beside_the_module(delivery: Delivery, script: Script) -> None:
    shutil.move(script.pack, script.folder / "pack")
    script.call(INTERPRETERS["without"], delivery.origin, "", delivery.path, QA2PACK="", PATH="/nowhere")
    assert delivery.path.is_dir()


def test_variables_of_casa_do_not_reach_the_program(delivery: Delivery, script: Script, tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise SystemExit('the typer of another Python')")
    printed = script.call(INTERPRETERS["without"], delivery.origin, "", delivery.path, PYTHONPATH=str(tmp_path))
    assert delivery.path.is_dir(), printed


def test_output_goes_to_what_replaces_stdout(delivery: Delivery, script: Script) -> None:
    """As in CASA, where a log window takes what is printed."""
    program = (
        "import io, sys; sys.path.insert(0, sys.argv[1]); real, sys.stdout = sys.stdout, io.StringIO()\n"
        "from QA2_Packaging_module import *\n"
        "QA_Packager(*sys.argv[2:])\n"
        "real.write(repr(sys.stdout.getvalue()))"
    )
    ran = subprocess.run(
        [*INTERPRETERS["without"], "-c", program, str(script.folder), str(delivery.origin), "", str(delivery.path)],
        env={**os.environ, "QA2PACK": str(script.pack)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert ran.stdout.startswith("'")
    assert f"pack verify {delivery.path}" in ran.stdout


def test_missing_dependency_is_not_hidden(script: Script, tmp_path: Path) -> None:
    script.install(
        tmp_path / "broken",
        f"sys.modules['msgpack'] = None\nsys.path.insert(0, {str(script.folder)!r})\n"
        "try:\n    import QA2_Packaging_module\nexcept ImportError as error:\n    print('MISSING', error.name)\n",
    )
    ran = subprocess.run([tmp_path / "broken"], check=True, capture_output=True, text=True)
    assert ran.stdout == "MISSING msgpack\n"
