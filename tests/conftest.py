"""What more than one test module needs set up."""

import tarfile
from pathlib import Path

import pytest

_ARCHIVE = Path(__file__).parent / "data" / "casa_reduction.tar.xz"


@pytest.fixture(scope="session")
def casa_reduction(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reduction folder of a project, with measurement sets written by CASA. Shared: not to be changed."""
    folder = tmp_path_factory.mktemp("casa")
    with tarfile.open(_ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    (project,) = folder.iterdir()
    return project
