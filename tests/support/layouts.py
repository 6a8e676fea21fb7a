"""A folder of layouts that stands for the one that comes with the program: cycle0, and one layout more."""

import shutil
from pathlib import Path

import pytest

from qa2pack.manifest.layout import load

OTHER = """
name = "runs"
title = "Runs of a pipeline"
[[place]]
name = "run"
what = "pipeline run"
marked_by = "pipeline-*"
needed = true
[[folder]]
name = "product"
[[rule]]
match = "*.fits"
to = "product/{name}"
"""


def with_layout(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = OTHER) -> None:
    """Let the layouts `cycle0` and `runs` come with the program."""
    folder.mkdir()
    shutil.copy(str(load.layouts_folder() / "cycle0.toml"), folder)
    (folder / "runs.toml").write_text(text)
    monkeypatch.setattr(load, "layouts_folder", lambda: folder)
