"""Apply: the work of applying a plan or resuming a stopped apply, with engine and lock set up."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from qa2pack.executor.apply import Applied, ApplyOptions, apply_plan
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.pack.jobs.engines import Workers, started_engine, stopping


def apply(package: Package, options: ApplyOptions, workers: Workers, opened: OpenedFiles | None = None) -> Applied:
    """Apply the waiting plan or resume a stopped apply; raises as `executor.apply.apply_plan`.

    Args:
        opened: the plans and manifests that are open already.
    """
    opened = opened or OpenedFiles()
    check_control(package.control)
    check_owned(package, workers.trusted)
    options = replace(options, trusted=options.trusted | workers.trusted)
    if workers.cluster:
        # Any of the machines that staged files for a stopped run may have restarted since: read these files again.
        options = replace(options, boot=f"cluster {os.urandom(8).hex()}")
    lock = lock_path(package) if is_folder(package.control) else b""
    folders = (package.parent, *_origin(package, opened))
    with stopping() as stop, started_engine(workers, folders, lock=lock, stop=stop) as engine:
        return apply_plan(
            package,
            options,
            engine=engine,
            disk=Disk(),
            progress=workers.progress,
            stop=stop,
            # Opened without the lock: under it, a plan that was replaced since is another file and is opened again.
            opened=opened,
        )


def _origin(package: Package, opened: OpenedFiles) -> Iterator[bytes]:
    """Yield the origin of the waiting plan; a broken plan is skipped, because applying it reports the error."""
    with suppress(FileNotFoundError, StreamError):
        yield opened.plan(package.plan).header.origin
