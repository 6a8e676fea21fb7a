"""Roles: the folder of a path by which files are counted."""

import pytest

from qa2pack.manifest.role import role_of


@pytest.mark.parametrize(
    ("path", "is_folder", "role"),
    [
        (b"README", False, b""),
        (b"qa/a.png", False, b"qa"),
        (b"qa/plots/a.png", False, b"qa"),
        (b"", True, b""),
        (b"qa", True, b"qa"),
        (b"qa/plots", True, b"qa"),
    ],
)
def test_role_is_the_first_folder_of_a_path(path: bytes, is_folder: bool, role: bytes) -> None:
    assert role_of(path, is_folder=is_folder) == role
