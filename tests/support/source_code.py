"""Reads the project's own modules as syntax trees, so that rules about the code can be tests.

Only the text is looked at: nothing is imported. A rule here may be deceived by somebody who tries to
(`getattr`, `eval`); it is there to notice what happens by habit.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMPORT_ROOT = "qa2pack"
PACKAGES = ("executor", "manifest", "pack", "tarsplit")

_CHANGING_TABLE = """
os chmod chown copy_file_range fchmod fchown ftruncate lchmod lchown link makedirs mkdir mkfifo mknod
os popen posix_fallocate pwrite pwritev remove removedirs removexattr rename renames replace rmdir sendfile
os setxattr splice symlink system truncate unlink utime write writev
os O_APPEND O_CREAT O_RDWR O_TMPFILE O_TRUNC O_WRONLY
shutil chown copy copy2 copyfile copyfileobj copymode copystat copytree make_archive move rmtree
tempfile NamedTemporaryFile SpooledTemporaryFile TemporaryDirectory TemporaryFile mkdtemp mkstemp
subprocess Popen call check_call check_output run
ctypes CDLL PyDLL cdll
sqlite3 connect
fcntl ioctl
"""  # ctypes is how renameat2 and syncfs are reached, ioctl makes reflinks
_CHANGING = {
    f"{owner}.{name}" for owner, *names in map(str.split, _CHANGING_TABLE.split("\n")[1:-1]) for name in names
}
_CHANGING_PATH_METHODS = {
    *("chmod", "hardlink_to", "lchmod", "mkdir", "rmdir", "symlink_to", "touch", "unlink"),
    *("write_bytes", "write_text"),
}
_HIDING = {f"os.path.{name}" for name in ("exists", "isdir", "isfile", "islink", "ismount", "lexists")}
_HIDING_UNLESS_STRICT = {"os.path.realpath"}
_HIDING_PATH_METHODS = ("exists", "is_mount")  # is_dir and is_file are also methods of entries, which raise
_MOVING_PATH_METHODS = ("rename", "replace")
_TEST_MODULE = re.compile(r"(tests\.)?test_")
_MODE = re.compile(r"[rwaxbtU+]{1,4}([:|](gz|bz2|xz|\*)?)?")


@dataclass(frozen=True, slots=True)
class Module:
    """One module of the project.

    Attributes:
        name: path from the root, with slashes.
        package: the top-level package, or the module's own name at the root.
    """

    name: str
    package: str
    tree: ast.Module


def parse(name: str, text: str) -> Module:
    """Return the module of this text, as if it stood at `name`."""
    return Module(name=name, package=name.partition("/")[0].removesuffix(".py"), tree=ast.parse(text))


@cache  # some thirty tests ask, and to walk through all trees takes a second
def nodes_of(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Return the tree with all nodes in it, as `ast.walk` yields them."""
    return tuple(ast.walk(tree))


def project_modules() -> tuple[Module, ...]:
    """Return every module that is installed, sorted by name."""
    return modules_in(*PACKAGES)


@cache
def modules_in(*folders: str) -> tuple[Module, ...]:
    """Return the modules below these folders, and the one at the root of the repository."""
    paths = [ROOT / "QA2_Packaging_module.py"]
    for folder in folders:
        paths += sorted((ROOT / folder).rglob("*.py"))
    return tuple(_module_at(path) for path in paths)


@cache
def _module_at(path: Path) -> Module:
    return parse(path.relative_to(ROOT).as_posix(), path.read_text())


def imported_packages(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield our package, or the foreign top-level one, and the line of each import; relative imports come as `.`."""
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            yield from ((_package(alias.name), node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module == IMPORT_ROOT:
                yield from ((alias.name, node.lineno) for alias in node.names)
            else:
                yield "." if node.level else _package(node.module or ""), node.lineno
        elif isinstance(node, ast.Call) and _last_name(node.func) in {"import_module", "__import__"}:
            yield _package(_text_argument(node, 0)), node.lineno


def imported_from(tree: ast.AST, module: str) -> Iterator[tuple[str, int]]:
    """Yield each name that is imported from the module, and the line."""
    for node in nodes_of(tree):
        if isinstance(node, ast.ImportFrom) and node.module == module:
            yield from ((alias.name, node.lineno) for alias in node.names)


def imported_modules(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the file of each module of ours that is imported, by its path from the root, and the line."""
    yield from ((path, line) for name, line in _imported_names(tree) for path in _file_of(name))


def _imported_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield what is imported, with dots, modules or names out of modules, and the line."""
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and _last_name(node.func) in {"import_module", "__import__"}:
            yield _text_argument(node, 0), node.lineno


def _file_of(name: str) -> Iterator[str]:
    """Yield the file of a module, or of the module that a name is imported from; nothing if it is not ours."""
    top, *parts = name.split(".")
    while top == IMPORT_ROOT and parts:
        for path in ("/".join(parts) + ".py", "/".join(parts) + "/__init__.py"):
            if (ROOT / path).is_file():
                yield path
                return
        parts.pop()


def printing_calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield name and line of each use of `print`, of the streams of the process, or of a write to a descriptor."""
    for node in nodes_of(tree):
        if isinstance(node, ast.Name) and node.id == "print":
            yield "print", node.lineno
        elif isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr", "write"):
            yield f"{ast.unparse(node.value)}.{node.attr}", node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "sys":
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name in ("stdout", "stderr"))


def texts_with(tree: ast.AST, words: re.Pattern[str]) -> Iterator[tuple[str, int]]:
    """Yield each text of the program, which is no docstring, that has one of the words, and its line."""
    docstrings = {id(node.value) for node in nodes_of(tree) if isinstance(node, ast.Expr)}
    for node in nodes_of(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            if words.search(text):
                yield text, node.lineno


def flat_imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield name and line of each import of one of our packages that does not go through the import root."""
    yield from ((name, line) for name, line in _imported_names(tree) if name.split(".")[0] in PACKAGES)


def imported_tests(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield name and line of each import from a test module, also in the text of a program that a child runs."""
    yield from ((name, line) for name, line in _imported_names(tree) if _TEST_MODULE.match(name))
    for node in nodes_of(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((name, node.lineno + line - 1) for name, line in _tests_of_program(node.value))


def _tests_of_program(text: str) -> Iterator[tuple[str, int]]:
    """Yield the imports from tests of a text that is a program; of any other text nothing."""
    if "import" not in text or "test_" not in text:
        return
    try:
        program = ast.parse(text)
    except SyntaxError:
        return
    yield from imported_tests(program)


def _package(module: str) -> str:
    """Return the package of ours that a module is in, or the top-level one of a foreign module."""
    top, _, rest = module.partition(".")
    return rest.split(".")[0] if top == IMPORT_ROOT and rest else top


def imported_on_loading(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield what is imported when the module itself is, so not the imports inside functions."""
    for node in _run_on_loading(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imported_packages(node)


def changing_calls(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield name and line of everything that can change a file system.

    A mention is enough, so that `pool.map(os.unlink, paths)` counts too. Methods of `pathlib.Path` cannot be
    distinguished by their name from others, and are looked for only in modules that import pathlib.
    """
    known = _names_of_imports(tree)
    has_pathlib = any(package == "pathlib" for package, _ in imported_packages(tree))
    for node in nodes_of(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            full = _full_name(node, known)
            if full in _CHANGING:
                yield full, node.lineno
        elif isinstance(node, ast.Call):
            if _opens_for_writing(node, known):
                yield "open for writing", node.lineno
            if has_pathlib and _is_changing_path_call(node, known):
                yield f"Path.{_last_name(node.func)}", node.lineno


def looks_that_hide_errors(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield name and line of each function that takes any error of a disk for the absence of a file."""
    known = _names_of_imports(tree)
    strict = {id(node.func) for node in nodes_of(tree) if isinstance(node, ast.Call) and _is_strict(node)}
    for node in nodes_of(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            name = _name_of_look(node, known)
            if name in _HIDING or (name in _HIDING_UNLESS_STRICT and id(node) not in strict):
                yield name, node.lineno
            elif not name and isinstance(node, ast.Attribute) and node.attr in _HIDING_PATH_METHODS:
                yield f"Path.{node.attr}", node.lineno


def _name_of_look(node: ast.Name | ast.Attribute, known: dict[str, str]) -> str:
    """Return the full name, also of a function of `os.path`."""
    inner = node.value if isinstance(node, ast.Attribute) else None
    if isinstance(node, ast.Attribute) and isinstance(inner, ast.Attribute) and _full_name(node, known) == "":
        return f"{outer}.{node.attr}" if (outer := _full_name(inner, known)) else ""
    return _full_name(node, known)


def _is_strict(call: ast.Call) -> bool:
    return any(
        word.arg == "strict" and isinstance(word.value, ast.Constant) and word.value.value is True
        for word in call.keywords
    )


def _run_on_loading(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and _last_name(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _run_on_loading(child)


def _names_of_imports(tree: ast.Module) -> dict[str, str]:
    """Return what each imported name stands for: `copy` -> `shutil.copy` after `from shutil import copy`."""
    known: dict[str, str] = {}
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname or alias.name.split(".")[0]: alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return known


def _full_name(node: ast.expr, known: dict[str, str]) -> str:
    """Return the dotted name with imports resolved, or "" for what is no plain name."""
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        owner = known.get(node.value.id, "")
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def _opens_for_writing(call: ast.Call, known: dict[str, str]) -> bool:
    name = _last_name(call.func)
    if name not in {"open", "fdopen", "FileIO", "ZipFile"} or _full_name(call.func, known) == "os.open":
        return False  # os.open is known by its flags
    modes = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    is_method = name == "open" and isinstance(call.func, ast.Attribute)
    modes += call.args[0 if is_method else 1 : 2]
    return any(_is_writing_mode(mode, certain=not is_method) for mode in modes)


def _is_writing_mode(mode: ast.expr, *, certain: bool) -> bool:
    """Tell whether the argument is a mode that writes; a mode that is computed is believed to."""
    if isinstance(mode, ast.Constant):
        text = str(mode.value)
        return bool(_MODE.fullmatch(text)) and bool(set("wax+") & set(text.partition(":")[0]))
    return certain


def _is_changing_path_call(call: ast.Call, known: dict[str, str]) -> bool:
    name = _last_name(call.func)
    if not isinstance(call.func, ast.Attribute) or _full_name(call.func, known):
        return False  # a function of an imported module, not a method
    if name in _MOVING_PATH_METHODS:  # str.replace takes two arguments, datetime.replace only keywords
        return len(call.args) == 1 and not call.keywords
    return name in _CHANGING_PATH_METHODS


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _text_argument(call: ast.Call, index: int) -> str:
    argument = call.args[index] if len(call.args) > index else None
    if isinstance(argument, ast.JoinedStr) and argument.values:
        argument = argument.values[0]  # the start of an f-string tells the package
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else ""
