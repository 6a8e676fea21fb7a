"""The architecture as tests: who may import whom, and which few modules may change a file system."""

import ast
import re
from graphlib import TopologicalSorter

import pytest

from qa2pack.pack.cli import COMMANDS
from support.source_code import (
    PACKAGES,
    ROOT,
    changing_calls,
    flat_imports,
    imported_from,
    imported_modules,
    imported_on_loading,
    imported_packages,
    imported_tests,
    looks_that_hide_errors,
    modules_in,
    parse,
    printing_calls,
    project_modules,
    texts_with,
)

# The floors, the ground floor last; `x/` is a folder. What stands on a floor imports from the floors below it alone,
# and of its own floor nothing but, in a folder, its own folder. CONTRIBUTING.md shows the same lines.
FLOORS = """
pack       __main__ man_pages
pack       reference_page
pack       cli tarsplit_command
pack       command_tree legacy_call
pack       dropin
pack       commands/ api
pack       report/
pack       audit/ delivery/ export/
pack       views/
pack       errors/ protected_paths
pack       jobs/
pack       settings/
pack       terminal/ target exit_codes named_path

executor   apply
executor   rollback engine/
executor   rollback_steps
executor   rollback_checks
executor   preflight publish/
executor   stage/ remake space
executor   tickets/ status probe/ since_repair
executor   transaction/ bag
executor   io/
executor   casa/ stop_signals keep_previous
executor   memory errors

tarsplit   deliver extract plain_copy
tarsplit   resume earlier_versions
tarsplit   in_the_way
tarsplit   before
tarsplit   check
tarsplit   sets plan write_chunk check_chunk sidecar_files sidecar_tree
tarsplit   taken_before tree/ growth chunk_names content_copy
tarsplit   container/
tarsplit   sidecar chunk_entries
tarsplit   cut_set
tarsplit   contents
tarsplit   selection
tarsplit   packing/
tarsplit   place/
tarsplit   output_files
tarsplit   naming state taker made checksums

manifest   plan/ verify/ adopt
manifest   scan/
manifest   layout/ diff
manifest   format/
manifest   actions
manifest   alma/ casa/
manifest   signature/
manifest   bundle/
manifest   fs/ problem
manifest   quantity
manifest   path humanize progress engine table_lock file_state role
manifest   dataclass event
"""

# pack -> executor -> manifest, pack -> tarsplit -> manifest, and never the other way or across.
MAY_IMPORT = {
    "QA2_Packaging_module": {"pack"},
    "pack": {"executor", "manifest", "pack", "tarsplit"},
    "executor": {"executor", "manifest"},
    "tarsplit": {"manifest", "tarsplit"},
    "manifest": {"manifest"},
}
NEVER_INSTALLED = {"benchmarks", "conftest", "demo", "tests"}

# The only modules that may change a file system. A new one needs a reason that its docstring gives.
WRITERS = {
    # what becomes the package or a delivery, and what is kept of it
    "executor/io/disk.py",
    "executor/transaction/journal.py",
    "executor/transaction/lock.py",
    # the catalogue of a shelf, and the file by whose locks its packages are claimed
    "pack/audit/catalogue.py",
    "pack/audit/schema.py",
    "manifest/format/files.py",
    "tarsplit/output_files.py",
    # measurement sets, in folders of their own
    "executor/casa/environment.py",
    "manifest/fs/scratch.py",
    "executor/casa/skeleton.py",
    "executor/casa/split.py",
    "executor/casa/subtables.py",
    "executor/casa/rewrite.py",
    # unnamed temporary files, archives written into them, reports of a crash, logs, closed streams, words at a signal
    # a pipe to a child process; prctl and statx are calls of the C library that change nothing
    "executor/casa/child_process.py",
    "executor/casa/host.py",
    "executor/engine/process_pool.py",
    "manifest/fs/immutable.py",
    "manifest/fs/lock_file.py",
    "manifest/format/spool.py",
    # copies that nobody else can change, for checks of signatures; ssh-keygen as a child process
    "manifest/fs/private_folder.py",
    "manifest/signature/ssh_keygen.py",
    # the legacy call as a child process: a file for its outcome
    "QA2_Packaging_module.py",
    "pack/legacy_call.py",
    "pack/errors/crash_report.py",
    "pack/jobs/engines.py",
    "pack/terminal/log_file.py",
    "pack/terminal/output_streams.py",
    "pack/jobs/readme_source.py",
    # completion in the home folder, when it is asked for
    "pack/commands/completion.py",
}

# Tests of the project as a whole; all others are named after what they test, or tell a story (test_scenario_*.py).
PROJECT_TESTS = {"benchmarks", "commands_page", "distributions", "documents", "import_root", "imports", "tools"}
# Verbs whose work and view have a folder of their own: `make.py` and `view.py`. All others are in jobs/ and views/.
FOLDERS_OF_VERBS = {
    "audit": "audit",
    "tarsplit": "delivery",
    "deliver": "delivery",
    "report": "report",
    "export": "export",
}

# Rooms whose modules return values; `commands/run.py` prints them. Exceptions: the printing of JSON itself, and what
# cannot wait for the end of the work, the answer to a signal and the workers of a cluster that are not used.
SILENT_ROOMS = ("pack/audit/", "pack/jobs/", "pack/views/", "pack/delivery/", "pack/export/", "pack/report/")
PRINTERS = {"pack/views/json_fields.py", "pack/jobs/engines.py"}

# Folders and uids of ALMA's packages.
_OF_ALMA = re.compile(r"ouss|(?<![-\w])(calibrated|product)(?![-\w])|uid___")
# No terms: docs/glossary.md has one for each thing, as "roll back", "report" and "again".
_NO_TERMS = re.compile(r"\b(anew|meanwhile|strangers?|told|undo(es|ing|ne)?)\b", re.IGNORECASE)
_MODULE_NAMED = re.compile(r"`((?:manifest|executor|tarsplit|pack)(?:\.[a-z_]+)+)`")
_NO_MODULES = {"pack.toml", "tarsplit.py", "tarsplit.size"}  # files, and a key
SLOW_TO_IMPORT = {"casacore", "dask", "distributed", "jinja2"}


def test_every_package_is_looked_at() -> None:
    assert {module.package for module in project_modules()} == {*PACKAGES, "QA2_Packaging_module"}


def test_packages_import_each_other_only_downwards() -> None:
    ours = {*MAY_IMPORT, *NEVER_INSTALLED, "."}
    wrong = [
        f"{module.name}:{line} imports {package}"
        for module in project_modules()
        for package, line in imported_packages(module.tree)
        if package in ours - MAY_IMPORT[module.package]
    ]
    assert wrong == []


def floor_of_each_room() -> dict[str, int]:
    """Return the height of every room: a folder below a package, or a module that stands in the package itself."""
    floors = [line.split() for line in reversed(FLOORS.splitlines()) if line]
    return {
        f"{package}/{name.removesuffix('/')}": height
        for height, (package, *names) in enumerate(floors)
        for name in names
    }


def room(name: str) -> str:
    return "/".join(name.removesuffix(".py").split("/")[:2])


def test_every_module_is_on_one_floor() -> None:
    rooms = {room(module.name) for module in project_modules() if "/" in module.name}
    assert set(floor_of_each_room()) == {name for name in rooms if not name.endswith("/__init__")}
    assert len(floor_of_each_room()) == len(FLOORS.split()) - sum(line != "" for line in FLOORS.splitlines())


def test_nothing_imports_from_its_own_floor_or_from_above() -> None:
    heights = floor_of_each_room()
    wrong = [
        f"{module.name}:{line} imports {imported}"
        for module in project_modules()
        for imported, line in imported_modules(module.tree)
        if room(module.name) in heights and room(imported) in heights and room(module.name) != room(imported)
        if heights[room(imported)] >= heights[room(module.name)]
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    imports = {m.name: {name for name, _ in imported_modules(m.tree)} - {m.name} for m in project_modules()}
    assert len(list(TopologicalSorter(imports).static_order())) >= len(imports)


def test_contributing_shows_the_floors() -> None:
    shown = [line.split("  #")[0].strip() for line in (ROOT / "CONTRIBUTING.md").read_text().splitlines()]
    assert [line for line in FLOORS.splitlines() if line and line not in shown] == []


def test_modules_that_docstrings_name_exist() -> None:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    named = {
        (module.name, name)
        for module in project_modules()
        for node in ast.walk(module.tree)
        if isinstance(node, documented)
        for name in _MODULE_NAMED.findall(ast.get_docstring(node, clean=False) or "")
    }
    assert [
        f"{module} names {name}" for module, name in sorted(named) if name not in _NO_MODULES and not _is_there(name)
    ] == []


def _is_there(name: str) -> bool:
    """Return whether there is a package, a module, or a module that may have it, of this name."""
    place = ROOT / name.replace(".", "/")
    return place.is_dir() or any(each.with_suffix(".py").is_file() for each in (place, place.parent))


def test_packages_are_imported_through_the_import_root_alone() -> None:
    wrong = [
        f"{module.name}:{line} imports {name}"
        for module in modules_in(*PACKAGES, "tests", "benchmarks", "demo")
        for name, line in flat_imports(module.tree)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "import pack.cli",
        "from manifest import uid",
        "def f():\n    import tarsplit",
        "import_module(f'pack.cmd_{name}')",
    ],
)
def test_flat_import_is_seen(text: str) -> None:
    assert list(flat_imports(parse("pack/x.py", text).tree)) != []


def test_unit_tests_are_named_after_what_they_test() -> None:
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    rooms = {path.relative_to(ROOT).with_suffix("") for path in modules} | {
        path.parent.relative_to(ROOT) for path in modules
    }
    known = {"_".join(room.parts) for room in rooms} | PROJECT_TESTS
    names = [path.stem.removeprefix("test_") for path in sorted((ROOT / "tests").glob("test_*.py"))]
    assert [name for name in names if name not in known and not name.startswith("scenario_")] == []


def test_nothing_is_imported_from_a_test() -> None:
    """What two tests need stands in tests/support: a test that others import cannot be renamed, split or removed."""
    wrong = [
        f"{module.name}:{line} imports {name}"
        for module in modules_in("benchmarks", "demo", "tests")
        if module.name != "tests/test_imports.py"  # its examples, below, are such imports
        for name, line in imported_tests(module.tree)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "import test_x",
        "from test_x import BEGIN",
        "from tests.test_x import BEGIN",
        "from tests import test_x",
        "def f():\n    from test_x import BEGIN",
        "import_module('test_x')",
        "PROGRAM = 'import sys; import test_x; test_x.serve()'",
        'PROGRAM = """\nimport sys\nfrom test_x import f\n"""',
    ],
)
def test_import_from_a_test_is_seen(text: str) -> None:
    assert list(imported_tests(parse("tests/x.py", text).tree)) != []


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_has_options_work_and_view_of_its_name(verb: str) -> None:
    folder = FOLDERS_OF_VERBS.get(verb)
    places = [f"{folder}/make.py", f"{folder}/view.py"] if folder else [f"jobs/{verb}.py", f"views/{verb}.py"]
    names = {module.name for module in project_modules()}
    assert [place for place in (f"commands/{verb}.py", *places) if f"pack/{place}" not in names] == []


def test_work_and_views_print_nothing() -> None:
    wrong = [
        f"{module.name}:{line} {call}"
        for module in project_modules()
        if module.name.startswith(SILENT_ROOMS) and module.name not in PRINTERS
        for call, line in printing_calls(module.tree)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "print(a)",
        "print(a, file=sys.stderr)",
        "import sys\nsys.stdout.write(a)",
        "from sys import stderr",
        "import os\nos.write(2, a)",
    ],
)
def test_printing_call_is_seen(text: str) -> None:
    assert list(printing_calls(parse("pack/jobs/x.py", text).tree)) != []


def test_slow_packages_are_imported_inside_functions() -> None:
    wrong = [
        f"{module.name}:{line} imports {package}"
        for module in project_modules()
        for package, line in imported_on_loading(module.tree)
        if package in SLOW_TO_IMPORT
    ]
    assert wrong == []


def test_dataclasses_are_defined_by_the_module_that_does_it_in_a_fifth_of_the_time() -> None:
    wrong = [
        f"{module.name}:{line}"
        for module in project_modules()
        if module.name != "manifest/dataclass.py"
        for name, line in imported_from(module.tree, "dataclasses")
        if name == "dataclass"
    ]
    assert wrong == []


def test_only_layouts_and_what_knows_alma_name_its_folders_and_uids() -> None:
    rooms = ("manifest/layout/", "manifest/alma/")
    found = [
        f"{module.name}:{line} has {text}"
        for module in project_modules()
        if not module.name.startswith(rooms)
        for text, line in texts_with(module.tree, _OF_ALMA)
    ]
    assert found == []


def test_folder_of_alma_is_seen() -> None:
    assert [text for text, _ in texts_with(parse("x.py", "x = b'a/sg_ouss_id'").tree, _OF_ALMA)] == ["a/sg_ouss_id"]


def test_code_and_pages_have_the_terms_of_the_glossary() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    modules = [ROOT / module.name for module in project_modules()]
    wrong = [
        f"{path.relative_to(ROOT)}:{number} has {found[0]}"
        for path in (*modules, *pages)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        for found in _NO_TERMS.finditer(line)
    ]
    assert wrong == []


def test_only_the_writers_change_the_file_system() -> None:
    wrong = [
        f"{module.name}:{line} {call}"
        for module in project_modules()
        if module.name not in WRITERS
        for call, line in changing_calls(module.tree)
    ]
    assert wrong == []


def test_every_writer_on_the_list_writes() -> None:
    writing = {module.name for module in project_modules() if any(changing_calls(module.tree))}
    assert WRITERS - writing == set()


def test_no_look_takes_an_error_for_absence() -> None:
    wrong = [
        f"{module.name}:{line} {call}"
        for module in project_modules()
        if module.name != "manifest/fs/presence.py"
        for call, line in looks_that_hide_errors(module.tree)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.path.lexists(a)",
        "import os as system\nfilter(system.path.isdir, a)",
        "from os.path import exists\nexists(a)",
        "from os import path\npath.islink(a)",
        "import os.path\nos.path.isfile(a)",
        "from pathlib import Path\nPath(a).exists()",
        "import os\nos.path.realpath(a)",
        "import os\nos.path.realpath(a, strict=False)",
        "import os\nmap(os.path.realpath, a)",
        "from os.path import realpath\nrealpath(a)",
    ],
)
def test_look_that_hides_errors_is_seen(text: str) -> None:
    assert list(looks_that_hide_errors(parse("executor/x.py", text).tree)) != []


def test_strict_look_hides_nothing() -> None:
    text = "import os\nos.path.realpath(a, strict=True)"
    assert list(looks_that_hide_errors(parse("executor/x.py", text).tree)) == []


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.rename(a, b)",
        "import os as system\nsystem.unlink(a)",
        "import os\npool.map(os.unlink, paths)",
        "from os import replace as swap\nswap(a, b)",
        "import os\nos.open(path, os.O_RDONLY | os.O_CREAT)",
        "import os\ndef f():\n    os.write(fd, data)",
        "import os\nos.fdopen(fd, 'wb')",
        "import shutil\nshutil.rmtree(a)",
        "from tempfile import mkdtemp\nmkdtemp()",
        "import ctypes\nctypes.CDLL(None)",
        "import subprocess\nsubprocess.run(['rm', a])",
        "open(path, 'w')",
        "open(path, mode='r+b')",
        "open(path, mode)",
        "import io\nio.open(path, 'ab')",
        "import tarfile\ntarfile.open(path, 'w:gz')",
        "import sqlite3\nsqlite3.connect(path)",
        "import zipfile\nzipfile.ZipFile(path, 'x')",
        "from pathlib import Path\nPath(a).open('w')",
        "from pathlib import Path\nPath(a).write_text('')",
        "from pathlib import Path\nPath(a).rename(b)",
        "from pathlib import Path\npath.replace(b)",
        "import pathlib\npath.unlink()",
    ],
)
def test_changing_call_is_seen(text: str) -> None:
    assert list(changing_calls(parse("pack/x.py", text).tree)) != []


@pytest.mark.parametrize(
    "text",
    [
        "open(path)",
        "open(path, 'rb')",
        "import os\nos.open(path, os.O_RDONLY | os.O_NOFOLLOW)",
        "import os\nos.fdopen(fd, 'rb')",
        "import tarfile\ntarfile.open(path, 'r:gz')",
        "from pathlib import Path\nname.replace('a', 'b')",
        "from pathlib import Path\nPath(a).read_text()",
        "from qa2pack.executor import disk\nfrom pathlib import Path\ndisk.unlink(a)",
        "name.replace(old)",
        "from dataclasses import replace\nreplace(record, size=1)",
    ],
)
def test_reading_call_is_no_change(text: str) -> None:
    assert list(changing_calls(parse("pack/x.py", text).tree)) == []


@pytest.mark.parametrize(
    ("text", "package"),
    [
        ("import qa2pack.executor.io.disk", "executor"),
        ("from qa2pack.executor.io.disk import link", "executor"),
        ("def f():\n    from qa2pack.executor import disk", "executor"),
        ("from . import disk", "."),
        ("import importlib\nimportlib.import_module('qa2pack.executor.io.disk')", "executor"),
    ],
)
def test_import_is_seen(text: str, package: str) -> None:
    assert package in dict(imported_packages(parse("manifest/x.py", text).tree))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import qa2pack.executor.io.disk", "executor/io/disk.py"),
        ("from qa2pack.executor.io.disk import link", "executor/io/disk.py"),
        ("def f():\n    from qa2pack.executor.io import disk", "executor/io/disk.py"),
        ("import_module('qa2pack.pack.settings.option_source')", "pack/settings/option_source.py"),
    ],
)
def test_imported_module_is_seen(text: str, name: str) -> None:
    assert name in dict(imported_modules(parse("manifest/x.py", text).tree))


def test_import_inside_a_function_is_not_run_on_loading() -> None:
    tree = parse("pack/x.py", "import os\nclass A:\n    import ast\n    def f(self):\n        import rich").tree
    assert dict(imported_on_loading(tree)).keys() == {"os", "ast"}
