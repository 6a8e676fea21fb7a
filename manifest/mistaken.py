"""A path that was taken for a package and is none: what it is, so that the right one can be named.

Only looks.
"""

import os

from qa2pack.manifest.alma.package import Package, PackageState, Standing
from qa2pack.manifest.fs.presence import is_file
from qa2pack.manifest.occupied import CONTROL_ENDING, enclosing_package, is_control, is_package
from qa2pack.manifest.problem import Code, Problem

_TICKET_ENDINGS = (b".ticket.tar", b".ticket.zip")


def no_package(package: Package, state: PackageState) -> Problem:
    """Return the problem with a path where no package is."""
    if state.standing is Standing.ABSENT:
        return Problem(Code.PACKAGE_MISSING, package.path)
    owner = _owner(package)
    if owner is not None:
        return Problem(Code.PART_OF_PACKAGE, package.path, found=f"a part of {os.fsdecode(owner)}")
    if package.path.endswith(b".manifest") and is_file(package.path):
        return Problem(Code.PART_OF_PACKAGE, package.path, found="a manifest")
    found = "something else" if state.standing is Standing.FOREIGN else ""
    return Problem(Code.PACKAGE_MISSING, package.path, found=found)


def swapped_paths(origin: bytes, state: PackageState) -> Problem | None:
    """Return a problem if a package was named as the origin, and something else that is there as the package."""
    if state.standing is Standing.FOREIGN and is_package(origin):
        return Problem(Code.SWAPPED, origin, found="a package")
    return None


def _owner(package: Package) -> bytes | None:
    """Return the package that the path belongs to."""
    if is_control(package.path):
        return package.path.removesuffix(CONTROL_ENDING)
    for ending in _TICKET_ENDINGS:
        owner = Package(package.path.removesuffix(ending))
        if owner != package and (is_package(owner.path) or is_control(owner.control)):
            return owner.path
    around = enclosing_package(package)
    return around.removesuffix(CONTROL_ENDING) if around is not None else None
