"""Places of the files that an audit writes: the catalogue, the page and the metrics.

They may be in no package: what is not packaged there is a problem of the package.
"""

import os
from collections.abc import Mapping

from qa2pack.executor.io.disk import Disk
from qa2pack.manifest.fs.control_file import ControlFileError, opened_control
from qa2pack.manifest.fs.presence import is_folder, is_there
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack.protected_paths import folder_missing, folder_of, package_around

_NAME = b"qa2pack/catalogue.sqlite"


def default_catalogue(environment: Mapping[str, str]) -> bytes:
    """Return the path of the user's catalogue; empty if there is no folder for it.

    Follows the XDG base directory specification, https://specifications.freedesktop.org/basedir-spec/latest/: a
    relative path in the variable is ignored.
    """
    base = os.fsencode(environment.get("XDG_STATE_HOME", ""))
    if not base.startswith(b"/"):
        home = os.fsencode(environment.get("HOME", ""))
        base = join(home, b".local/state") if home.startswith(b"/") else b""
    return join(base, _NAME) if base else b""


def make_folders(path: bytes, disk: Disk) -> None:
    """Make the folders above a path that do not exist, for this user alone."""
    above = os.path.dirname(path)
    if not is_folder(above):
        make_folders(above, disk)
        disk.mkdir(above, 0o700)


def output_place(path: bytes, mark: bytes) -> bytes:
    """Return the resolved path of an output.

    Args:
        mark: how a file begins that may be replaced.

    Raises:
        Refused: it is in a package, a file of another kind is there, or the folder does not exist.
    """
    output = join(folder_of(path), os.path.basename(os.path.abspath(path)))
    if not is_folder(os.path.dirname(output)):
        raise folder_missing(os.path.dirname(output))
    if package := package_around(output):
        raise Refused(Problem(Code.OUTPUT_PROTECTED, output, found=f"a place in the package {package}"))
    if is_there(output) and not _begins_with(output, mark):
        raise Refused(Problem(Code.OUTPUT_EXISTS, output, found="a file of another kind"))
    return output


def _begins_with(path: bytes, mark: bytes) -> bool:
    try:
        with opened_control(path) as file:
            return file.read(len(mark)) == mark
    except ControlFileError:
        return False
