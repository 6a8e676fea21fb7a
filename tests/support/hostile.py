"""Reductions that a real disk can hold and a packager can fail on, and what must come of each.

`python tests/support/hostile.py FOLDER` makes them all below FOLDER, one reduction a folder, and prints what planning
each is to say; docs/hostile-trees.md tells how to try a packager on them. The law: every one is packaged exactly, or
refused in the plan with the path named; with what is named left out, the rest is packaged.
"""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from qa2pack.manifest.problem import Code

UID = "uid___A002_X3c9295_X8c"
OTHER_UID = "uid___A002_X3dc0e7_X8c"
TABLE = f"X8c/{UID}.ms.tsys"
_ERA_NS = 1_338_552_000 * 10**9
_MOST_LINKS = 65_000  # that ext4 takes of one inode


@dataclass(frozen=True, slots=True)
class Case:
    """One hostile tree.

    Attributes:
        name: of its folder.
        make: puts what is hostile into a small reduction.
        refused: what the plan refuses it with; nothing if it is packaged.
        named: the path that the refusal names, relative to the origin, or to the member where it is the destination.
        warned: what the plan warns of.
        exclude: glob that leaves out what is refused; empty where only mending the tree helps.
        needs_user: what is refused to a user is nothing to root.
        follow_outside: planned with --follow-outside.
    """

    name: str
    make: Callable[[Path], None]
    refused: tuple[Code, ...] = ()
    named: bytes = b""
    warned: tuple[Code, ...] = ()
    exclude: str = ""
    needs_user: bool = False
    follow_outside: bool = False


class CannotMakeError(Exception):
    """This user or this file system cannot hold such a tree."""


def make_case(case: Case, origin: Path) -> Path:
    """Make a reduction with what is hostile in it at `origin`, which must not exist; return it.

    Raises:
        CannotMakeError: it cannot be made here.
    """
    for name in (f"X8c/{UID}.ms.scriptForCalibration.py", f"{TABLE}/table.dat", f"{TABLE}/table.f0", "image.fits"):
        put(origin, os.fsencode(name))
    try:
        case.make(origin)
    except PermissionError as error:
        raise CannotMakeError(str(error)) from error
    return origin


def put(origin: Path, name: bytes, data: bytes = b"") -> bytes:
    """Write a file as old as a reduction, and the folders it needs; return its path."""
    path = os.path.join(os.fsencode(origin), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data or name)
    os.utime(path, ns=(_ERA_NS, _ERA_NS))
    return path


def _files(*names: bytes) -> Callable[[Path], None]:
    def make(origin: Path) -> None:
        for name in names:
            put(origin, name)

    return make


def _link(name: str, target: str) -> Callable[[Path], None]:
    def make(origin: Path) -> None:
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        (origin / name).symlink_to(target)

    return make


def _outside(origin: Path) -> None:
    put(origin.parent, os.fsencode(f"{origin.name}.outside/far.fits"))
    (origin / "far.fits").symlink_to(f"../{origin.name}.outside/far.fits")


def _long_path(part: bytes, count: int) -> Callable[[Path], None]:
    def make(origin: Path) -> None:
        fd = os.open(os.path.join(os.fsencode(origin), os.fsencode(TABLE)), os.O_RDONLY | os.O_DIRECTORY)
        for _ in range(count):
            os.mkdir(part, dir_fd=fd)
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = inner
        os.close(os.open("deep", os.O_WRONLY | os.O_CREAT, dir_fd=fd))
        os.close(fd)

    return make


def _hard_links(origin: Path) -> None:
    os.link(origin / "image.fits", origin / "again.fits")
    os.link(origin / "image.fits", origin / TABLE / "table.f1")


def _many_links(origin: Path) -> None:
    names = origin.parent / f"{origin.name}.links"
    names.mkdir()
    if os.pathconf(names, "PC_LINK_MAX") != _MOST_LINKS:
        raise CannotMakeError("this file system has another limit of links, or none")
    os.link(origin / "image.fits", origin / "again.fits")
    for number in range(_MOST_LINKS - 3):  # there is room for one name more, and the package has two
        os.link(origin / "image.fits", names / str(number))


def _sparse(origin: Path) -> None:
    path = put(origin, b"sparse.fits", b"start")
    os.truncate(path, 40 << 20)
    os.utime(path, ns=(_ERA_NS, _ERA_NS))


def _empty_file(origin: Path) -> None:
    os.truncate(put(origin, b"empty.fits"), 0)


def _times(origin: Path) -> None:
    for number, seconds in enumerate((0, -86_400 * 365, 300_000_000, 7_258_118_400)):
        os.utime(put(origin, b"scriptForTime%d.py" % number), (seconds, seconds))


def _far_time(origin: Path) -> None:
    os.utime(origin / "image.fits", (10**10, 10**10))
    if (origin / "image.fits").stat().st_mtime != 10**10:
        raise CannotMakeError("this file system has no times that late")


def _mode(name: str, mode: int) -> Callable[[Path], None]:
    def make(origin: Path) -> None:
        path = origin / name
        if not path.exists():
            put(origin, os.fsencode(name))
        path.chmod(mode)

    return make


def _set_ids(origin: Path) -> None:
    (origin / "image.fits").chmod(0o6755)


def _foreign(origin: Path) -> None:
    os.chown(origin / "image.fits", 4711, 4711)


def _socket(origin: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        # A path of more than 108 bytes is too long for a socket, so it is bound by a short one.
        fd = os.open(origin, os.O_RDONLY | os.O_DIRECTORY)
        try:
            server.bind(f"/proc/self/fd/{fd}/left.fits")
        finally:
            os.close(fd)


def _pipe(origin: Path) -> None:
    os.mkfifo(origin / TABLE / "pipe")


def _device(origin: Path) -> None:
    os.mknod(origin / "null.fits", 0o20666, os.makedev(1, 3))


def _many_files(origin: Path) -> None:
    for number in range(10_000):
        put(origin, b"%s/table.f%d" % (os.fsencode(TABLE), number), b"x")


def _two_blocks_of_one_name(origin: Path) -> None:
    put(origin, os.fsencode(f"Calibration_X8c/{OTHER_UID}.ms.scriptForCalibration.py"))
    put(origin, b"X8c/X8c.qa2.txt", b"one")
    put(origin, b"Calibration_X8c/X8c.qa2.txt", b"other")


def _link_between_blocks(origin: Path) -> None:
    put(origin, os.fsencode(f"X528/{OTHER_UID}.ms.scriptForCalibration.py"))
    (origin / "X528/ipython.log").symlink_to("../X8c/casapy-1.log")
    put(origin, b"X8c/casapy-1.log")


def _link_to_folder(origin: Path) -> None:
    put(origin, b"shared/tables/table.dat")
    (origin / TABLE / "SUB").symlink_to("../../shared/tables")


def _empty_block(origin: Path) -> None:
    (origin / "X528").mkdir()
    (origin / "X8c/qa2").mkdir()


_LONG = b"q" * (255 - len("qa2.txt")) + b"qa2.txt"
_NO_RULE = tuple(f"X8c/{name}".encode() for name in ("X8c.Checklist", "qa2/Checklist.txt", "qa2/X8c_CHECKLIST"))

CASES = (
    Case("space", _files(b"my image.fits"), warned=(Code.W_NAME,)),
    Case("newline", _files(b"a\nb.fits", os.fsencode(TABLE) + b"/line\n"), warned=(Code.W_NAME,)),
    Case("quotes", _files(b'it\'s "so".fits', b"$(touch x).fits"), warned=(Code.W_NAME,)),
    Case("signs", _files(b"a|b.fits", b"c;d.fits", b"`e`.fits", b"f\\g.fits", b"*?[.fits"), warned=(Code.W_NAME,)),
    Case("dashes", _files(b"-rf.fits", b"--help.fits"), warned=(Code.W_NAME,)),
    Case("control-characters", _files(b"\x1b[31mred.fits", b"bell\x07.fits", b"\x7f.fits")),
    Case("not-utf-8", _files(b"caf\xe9.fits", os.fsencode(TABLE) + b"/\xff\xfe"), warned=(Code.W_NAME,)),
    Case("readme-in-name", _files(b"README.fits", b"X8c/qa2/README_qa2.txt"), warned=(Code.W_README_IN_PATH,)),
    Case("long-name", _files(b"p" * 250 + b".fits")),
    Case(
        "long-name-with-prefix",
        _files(b"X8c/" + _LONG),
        refused=(Code.NAME_TOO_LONG,),
        named=b"X8c/" + _LONG,
        exclude="q*qa2.txt",
    ),
    Case(
        "long-path",
        _long_path(b"d" * 200, 25),
        refused=(Code.PATH_TOO_LONG,),
        named=b"calibration/",
        exclude="d" * 200,
    ),
    Case("deep", _long_path(b"d", 400), refused=(Code.PATH_TOO_LONG,), named=b"calibration/", exclude="d"),
    Case("case", _files(b"Image.fits", os.fsencode(TABLE) + b"/TABLE.F0"), warned=(Code.W_CASE,)),
    Case("normal-forms", _files("\xe9.fits".encode(), "e\u0301.fits".encode()), warned=(Code.W_CASE, Code.W_NAME)),
    Case("upper-case-checklist", _files(*_NO_RULE)),
    Case("empty-folders", _empty_block),
    Case(
        "two-blocks-of-one-name",
        _two_blocks_of_one_name,
        refused=(Code.COLLISION,),
        named=b"qa/X8c.qa2.txt",
        exclude="X8c/X8c.qa2.txt",
    ),
    Case(
        "meeting-after-renaming",
        _files(b"X8c/textfile.txt", f"X8c/{UID}__textfile.txt".encode()),
        refused=(Code.COLLISION,),
        named=f"qa/{UID}__textfile.txt".encode(),
        exclude="X8c/textfile.txt",
    ),
    Case("hard-links-inside", _hard_links),
    Case("links-on-one-inode", _many_links, refused=(Code.LINK_LIMIT,), named=b"again.fits", exclude="again.fits"),
    Case("sparse", _sparse),
    Case("old-and-future-times", _times),
    Case("time-after-2262", _far_time, refused=(Code.UNREADABLE,), named=b"image.fits", exclude="image.fits"),
    Case("empty-file", _empty_file, warned=(Code.W_EMPTY,)),
    Case("read-only-files", _mode("image.fits", 0o444)),
    Case(
        "file-without-read",
        _mode("image.fits", 0),
        refused=(Code.UNREADABLE,),
        named=b"image.fits",
        exclude="image.fits",
        needs_user=True,
    ),
    Case(
        "folder-without-execute",
        _mode(TABLE, 0o600),
        refused=(Code.UNREADABLE,),
        named=os.fsencode(TABLE),
        exclude="*.tsys",
        needs_user=True,
    ),
    Case("set-uid", _set_ids, warned=(Code.W_SET_ID,)),
    Case("foreign-owner", _foreign, warned=(Code.W_OWNER,)),
    Case("many-files", _many_files),
    Case("link-inside", _link("again.fits", "image.fits")),
    Case("link-to-folder", _link_to_folder),
    Case("link-between-blocks", _link_between_blocks),
    Case("link-outside", _outside, refused=(Code.LINK_OUTSIDE,), named=b"far.fits", exclude="far.fits"),
    Case("link-outside-followed", _outside, follow_outside=True),
    Case(
        "dangling-link",
        _link("gone.fits", "nowhere"),
        refused=(Code.LINK_DANGLING,),
        named=b"gone.fits",
        exclude="gone.fits",
    ),
    Case(
        "dangling-link-in-table",
        _link(f"{TABLE}/table.f9", "/nowhere/at/all"),
        refused=(Code.LINK_DANGLING,),
        named=os.fsencode(f"{TABLE}/table.f9"),
        exclude="table.f9",
    ),
    Case(
        "link-to-itself",
        _link("loop.fits", "loop.fits"),
        refused=(Code.LINK_LOOP,),
        named=b"loop.fits",
        exclude="loop.fits",
    ),
    Case("link-to-above", _link("Images/up", ".."), refused=(Code.LINK_LOOP,), named=b"Images/up", exclude="up"),
    Case(
        "link-to-above-in-table",
        _link(f"{TABLE}/up", "../.."),
        refused=(Code.LINK_LOOP,),
        named=os.fsencode(f"{TABLE}/up"),
        exclude="up",
    ),
    Case("socket", _socket, refused=(Code.SPECIAL_FILE,), named=b"left.fits", exclude="left.fits"),
    Case(
        "pipe-in-table",
        _pipe,
        refused=(Code.SPECIAL_FILE,),
        named=os.fsencode(f"{TABLE}/pipe"),
        exclude="pipe",
    ),
    Case("device", _device, refused=(Code.SPECIAL_FILE,), named=b"null.fits", exclude="null.fits"),
)


def outcome(case: Case) -> str:
    """Return what planning the tree comes to, in words."""
    words = "refused: " + ", ".join(case.refused) if case.refused else "packaged exactly"
    words += " (not to root)" if case.needs_user else ""
    return words + (" with --follow-outside" if case.follow_outside else "")


def page_row(case: Case) -> str:
    """Return the row of the tree in docs/hostile-trees.md."""
    return f"| {case.name} | {outcome(case)} | {', '.join(case.warned)} |"


def main(folder: Path) -> Iterator[str]:
    """Make every tree below the folder and yield a line for each."""
    for case in CASES:
        try:
            make_case(case, folder / case.name)
        except CannotMakeError as error:
            yield f"{case.name:26} cannot be made here: {error}"
            continue
        yield f"{case.name:26} {outcome(case)}{''.join(f'; {code}' for code in case.warned)}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: PYTHONPATH=. python tests/support/hostile.py FOLDER")
    with suppress(BrokenPipeError):
        for line in main(Path(sys.argv[1])):
            print(line)
