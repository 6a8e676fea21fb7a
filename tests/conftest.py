"""What more than one test module needs set up."""

import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import settings

from in_process import Delivery, make_reduction

pytest.register_assert_rewrite("outcomes", "worlds")  # they assert on behalf of tests

_ARCHIVE = Path(__file__).parent / "data" / "casa_reduction.tar.xz"


# How long an example takes depends on what else the machine does.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """A small reduction without measurement sets, and a place for its package."""
    return Delivery(make_reduction(tmp_path / "sb1"), tmp_path / "2011.0.00229.S")


@pytest.fixture(scope="session")
def casa_reduction(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reduction folder of a project, with measurement sets written by CASA. Shared: not to be changed."""
    folder = tmp_path_factory.mktemp("casa")
    with tarfile.open(_ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    (project,) = folder.iterdir()
    return project


@pytest.fixture(autouse=True)
def _no_habits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the defaults of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith("PACK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere")
