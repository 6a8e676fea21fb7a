"""What is released: an sdist and a wheel built from it hold the whole program once, and it runs from there alone."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from qa2pack.pack import __version__
from support.commands import ROOT
from support.in_process import make_reduction
from support.lowest import lowest_versions
from support.release import missing_for_release

FOLDERS = ("executor", "manifest", "pack", "tarsplit")


def _run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _built(kind: str, source: Path, output: Path) -> Path:
    """Build without an index or an environment of its own: the build backend is among what tests need."""
    pytest.importorskip("hatchling", reason="hatchling is not installed: pip install '.[test]'")
    _run(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", output, cwd=source)
    (built,) = output.iterdir()
    return built


def _files_in_repository() -> set[str]:
    files = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    return {
        f"qa2pack/{path.relative_to(ROOT)}" for path in files if path.is_file() and "__pycache__" not in path.parts
    } | {"qa2pack/__init__.py", "QA2_Packaging_module.py"}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _built("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel made of nothing but the sdist."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder)
    return _built("wheel", folder / sdist.name.removesuffix(".tar.gz"), tmp_path_factory.mktemp("wheel"))


def test_sdist_holds_the_whole_program_once(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()]
    assert _files_in_repository() <= set(names)
    assert not [name for name in names if name.startswith(tuple(f"{folder}/" for folder in FOLDERS))]
    assert len(names) == len(set(names))


def test_links_of_the_pages_lead_to_files_that_the_sdist_has(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers()}
    pages = ["README.md", *(os.path.relpath(page, ROOT) for page in (ROOT / "docs").rglob("*.md"))]
    linked = {
        os.path.normpath(os.path.join(os.path.dirname(page), link))
        for page in pages
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text())
    }
    folders = {os.path.dirname(name) for name in names}
    assert linked - names - folders == set()
    assert "release/requirements.txt" in names  # which docs/install.md names


def test_wheel_of_the_sdist_holds_the_program_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    for source, target in (("docs/man", "man/man1"), ("release/systemd", "systemd/user")):
        installed = {name.rpartition("/")[2] for name in names if f".data/data/share/{target}/" in name}
        assert installed == {path.name for path in (ROOT / source).iterdir()}
    assert {name for name in names if ".data/" not in name} == _files_in_repository()


def test_commands_run_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    _run(python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel, cwd=tmp_path)
    (site,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    # What the program needs is taken from where the tests run; the program itself stands before all that.
    others = [path for path in sys.path if path.endswith("-packages")]
    (site / "others.pth").write_text("".join(f"{path}\n" for path in others))
    where = _run(python, "-c", "import qa2pack.executor as it; print(it.__file__)", cwd=tmp_path)
    assert where.startswith(str(tmp_path))
    assert _run(tmp_path / "venv/bin/pack", "--version", cwd=tmp_path).startswith("qa2pack ")
    assert "Usage" in _run(tmp_path / "venv/bin/tarsplit", "--help", cwd=tmp_path)
    assert 'name = "cycle0"' in _run(tmp_path / "venv/bin/pack", "layout", cwd=tmp_path)
    make_reduction(tmp_path / "sb1")
    for words in (["plan", "sb1", "2011.0.00229.S"], ["apply"], ["verify"], ["report"]):
        _run(tmp_path / "venv/bin/pack", words[0], *(words[1:] or ["2011.0.00229.S"]), cwd=tmp_path)
    assert "<html" in (tmp_path / "2011.0.00229.S.report.html").read_text()


def _dependencies() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(each) for each in project["dependencies"]]


def test_exact_versions_are_allowed_ones_and_have_hashes() -> None:
    text = (ROOT / "release/requirements.txt").read_text()
    pinned = re.findall(r"^([a-z0-9-]+)==(\S+)[^\n]*\\\n +--hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    assert len(pinned) == text.count("==") - text.count("sys_platform ==") > 0
    for dependency in _dependencies():
        versions = [version for name, version in pinned if name == dependency.name]
        assert versions and all(map(dependency.specifier.contains, versions)), dependency


def test_recipe_of_conda_needs_what_the_program_needs() -> None:
    names = {"msgpack": "msgpack-python", "xxhash": "python-xxhash", "zlib-ng": "python-zlib-ng"}  # on conda-forge
    text = (ROOT / "release/recipe.yaml").read_text()
    for dependency in _dependencies():
        bounds = ",".join(sorted(map(str, dependency.specifier), reverse=True))
        assert f"\n    - {names.get(dependency.name, dependency.name)} {bounds}\n" in text
    assert f"\n  version: {__version__}\n" in text


def test_a_release_is_refused_without_addresses_date_and_section() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    citation = (ROOT / "CITATION.cff").read_text()
    bare = {"project": project.partition("[project.urls]")[0], "citation": citation, "changelog": "## Unreleased\n"}
    assert list(missing_for_release("0.1.0.dev0", **bare)) == []
    assert [line.partition(" ")[2].split()[0] for line in missing_for_release("0.1.0", **bare)] == [
        *("Homepage", "Documentation", "Issues", "version", "date-released", "repository-code", "a")
    ]
    urls = "".join(f'{name} = "https://example.org/"\n' for name in ("Homepage", "Documentation", "Issues"))
    whole = {
        "project": f"[project.urls]\n{urls}",
        "citation": 'version: "0.1.0"\ndate-released: 2026-01-31\nrepository-code: "https://example.org/"\n',
        "changelog": "## 0.1.0 (2026-01-31)\n",
    }
    assert list(missing_for_release("0.1.0", **whole)) == []
    assert len(list(missing_for_release("0.1.1", **whole))) == 2


def _in_repository(source: str) -> bool:
    """Tell whether a recipe finds a file: `make release-check` makes what it installs."""
    return source.startswith("build/release/dist") or (ROOT / source).exists()


def test_recipe_of_docker_is_in_form_and_finds_its_files() -> None:
    text = re.sub(r"^#.*\n", "", (ROOT / "release/Dockerfile").read_text(), flags=re.MULTILINE)
    steps = [line.split(maxsplit=1) for line in text.replace("\\\n", " ").splitlines() if line]
    assert steps[0][0] == "FROM"
    assert {name for name, _ in steps} <= {"FROM", "RUN", "COPY"}
    for name, words in steps:
        if name == "RUN":
            subprocess.run(["sh", "-n", "-c", words], check=True, timeout=600)
        if name == "COPY":
            assert all(map(_in_repository, words.split()[:-1])), words


def test_recipe_of_apptainer_is_in_form_and_installs_what_that_of_docker_does() -> None:
    text = re.sub(r"^#.*\n", "", (ROOT / "release/qa2pack.def").read_text(), flags=re.MULTILINE)
    head, *parts = re.split(r"^%(\w+)\n", text, flags=re.MULTILINE)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    docker = (ROOT / "release/Dockerfile").read_text()
    assert re.fullmatch(r"Bootstrap: docker\nFrom: (\S+)\n\n", head)
    assert f"\nFROM {head.split()[-1]}\n" in docker
    assert list(sections) == ["files", "post", "runscript", "test"]
    assert all(_in_repository(line.split()[0]) for line in sections["files"].splitlines() if line)
    for script in ("post", "runscript", "test"):
        subprocess.run(["sh", "-n", "-c", sections[script]], check=True, timeout=600)
    for options in re.findall(r"pip install ([-\w ]+?) (?=-r|/)", sections["post"]):
        assert f"pip install {options} " in docker


def test_every_dependency_has_a_lowest_version() -> None:
    assert {"typer==0.28", "hatchling==1.27"} <= set(lowest_versions())
