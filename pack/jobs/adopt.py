"""Adopt: the work of writing manifests for members that have none, with engine and lock set up."""

import os
import time

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.remove import ensure_folder
from qa2pack.manifest.alma.package import DestinationKind, Package, PackageState, read_state
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.plan.destination import base_of
from qa2pack.manifest.plan.extra_files import foreign_remedies
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.progress import Progress
from qa2pack.pack.jobs.control_folder import check_idle, locked_control
from qa2pack.pack.jobs.engines import Workers, started_engine, stopping


def adopt(package: Package, workers: Workers, opened: OpenedFiles, *, layout: str = "") -> list[bytes]:
    """Write manifests for the members that have none; return those members.

    Args:
        layout: that of the members, whose tree tells them and which they remember; empty for packages of Cycle 0,
            whose members are known by their names.

    Raises:
        Refused: there is no package, or an existing manifest cannot be used; nothing was changed.
    """
    check_idle(package, workers)
    state = _state(package, layout)
    if state.standing is not DestinationKind.PACKAGE:
        raise Refused(Problem(Code.NOT_A_PACKAGE, package.path), remedies=foreign_remedies(package, state, opened))
    base_of(state, opened)  # raises for a damaged manifest: that member needs repair, not adoption
    with (
        stopping() as stop,
        locked_control(package, workers.wait, stop),
        started_engine(workers, reads=(package.path,), stop=stop) as engine,
    ):
        return adopt_members(package, engine, workers.progress, layout=layout)


def _state(package: Package, layout: str) -> PackageState:
    if not layout:
        return read_state(package)
    from qa2pack.manifest.layout.package_layouts import state_by_tree

    return state_by_tree(package, load_layout(layout).tree)


def adopt_members(package: Package, engine: Engine, progress: Progress, *, layout: str = "") -> list[bytes]:
    """Write the manifests and return the members; the package is locked by the caller."""
    from qa2pack.manifest import adopt as manifest_adopt
    from qa2pack.manifest.layout.load import is_layout_path

    return list(
        manifest_adopt.adopt_members(
            package,
            _state(package, layout),
            engine=engine,
            progress=progress,
            now_ns=time.time_ns(),
            make_folder=lambda: ensure_folder(Disk(), package.manifests),
            layout=os.path.abspath(layout) if is_layout_path(layout) else layout,
        )
    )
