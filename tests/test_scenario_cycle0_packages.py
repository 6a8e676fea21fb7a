"""Packages of Cycle 0 are what they were before layouts became data."""

from pathlib import Path

import pytest

from support.cycle0_packages import MAKERS, PACKAGES, package_text


@pytest.mark.parametrize("name", MAKERS)
def test_package_of_cycle0_is_what_it_was(name: str, tmp_path: Path, casa_reduction: Path) -> None:
    (tmp_path / "work").mkdir()
    assert package_text(name, tmp_path / "work", casa_reduction) == (PACKAGES / f"{name}.txt").read_text()
