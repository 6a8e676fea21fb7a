"""Packages below a folder, at any depth, found by their control folders; no file is read and no link followed."""

import os
from collections.abc import Callable, Iterator

from qa2pack.manifest.problem import Code, Problem, path_fault
from qa2pack.pack.jobs.packages_below import is_control

_ENDING = b".pack"


def walk_packages(root: bytes, report: Callable[[Problem], None]) -> Iterator[bytes]:
    """Yield the path of each package at or below a folder; neither packages nor their control folders are entered.

    Args:
        report: called with each folder that cannot be searched; those of others are usual (`access-denied`), such as
            `lost+found`. What is below is not known then, which does not mean that it is gone.
    """
    if is_control(root + _ENDING):
        yield root
        return
    folders = [root]  # of which one may be `/`, that a name follows without another slash
    while folders:
        folder = folders.pop()
        try:
            names = _folders_in(folder)
            packages = {name.removesuffix(_ENDING) for name in names if is_control(os.path.join(folder, name))}
        except (FileNotFoundError, NotADirectoryError):  # removed since its name was read
            continue
        except OSError as error:
            report(unreadable(folder, error))
            continue
        yield from (os.path.join(folder, name) for name in sorted(packages))
        # The package itself and its control folder.
        folders += [
            os.path.join(folder, name) for name in reversed(names) if name.removesuffix(_ENDING) not in packages
        ]


def unreadable(folder: bytes, error: OSError) -> Problem:
    """Return the problem of a folder that cannot be searched."""
    code = Code.ACCESS_DENIED if isinstance(error, PermissionError) else Code.DISK_ERROR
    return Problem(code, folder, found=path_fault(error))


def _folders_in(folder: bytes) -> list[bytes]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
