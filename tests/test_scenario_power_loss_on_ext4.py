"""The same on a real ext4: its image is copied while the apply runs, and mounting a copy replays its journal.

What the kernel has not written to the image by then is lost, exactly as if the power had gone at that moment. In one
of the runs a file of somebody else is synced all the time, which makes ext4 write its journal, with names, but
without the content of files that are still waiting for their blocks.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qa2pack.manifest.actions import Mode
from support.faulty_disk import SplitMemory, WatchedDisk
from support.file_systems import mounted
from support.outcomes import Layouts, check_goes_back, check_goes_on, check_visible
from support.tools import needs_root, needs_tool
from support.worlds import Change, Scenario, scratch_root

_IMAGE_BYTES = 32 << 20
_STRIDE = 15  # of the calls before the sync
_STRIDE_AFTER = 3


class ImageCopyingDisk(WatchedDisk):
    """A disk whose image is copied after some calls."""

    def __init__(self, image: Path, copies: Path, splits: SplitMemory | None, neighbour: Path | None) -> None:
        """Copy `image` into the folder `copies`; sync the file `neighbour` after every call, if there is one."""
        super().__init__(splits)
        self._image = image
        self._copies = copies
        self._neighbour = neighbour
        self._count = 0
        self._has_synced = False

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call, and copy the image if it is its turn."""
        result = call()
        if self._neighbour is not None:
            with self._neighbour.open("ab") as file:
                file.write(b"x")
                os.fsync(file.fileno())
        self._has_synced |= name == "syncfs"
        if self._count % (_STRIDE_AFTER if self._has_synced else _STRIDE) == 0:
            copy = self._copies / f"{self._count:04}"
            subprocess.run(["cp", "--sparse=always", self._image, copy], check=True)
        self._count += 1
        return result


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a fresh image in it and a place to mount it."""
    needs_root("mount an image")
    needs_tool("mkfs.ext4")
    with scratch_root() as root:
        (root / "place").mkdir()
        (root / "copies").mkdir()
        with (root / "image").open("xb") as file:
            file.truncate(_IMAGE_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", root / "image"], check=True)
        yield root


@pytest.mark.parametrize("has_neighbour", [False, True], ids=["quiet", "with-a-neighbour-that-syncs"])
@pytest.mark.parametrize(
    "scenario", [Scenario(Change.REPLACE, Mode.COPY), Scenario(Change.MEMBER, Mode.MOVE)], ids=str
)
def test_power_cut_on_ext4(folder: Path, scenario: Scenario, has_neighbour: bool) -> None:
    image, place, copies = folder / "image", folder / "place", folder / "copies"
    with mounted(place, "-o", "loop", os.fspath(image)):
        laid = Layouts(place).get(scenario)
        subprocess.run(["sync", "--file-system", place], check=True)
        neighbour = place / "neighbour" if has_neighbour else None
        laid.world.apply(ImageCopyingDisk(image, copies, laid.splits, neighbour))
    turns = [check_goes_on, check_goes_back]
    names = sorted(copies.iterdir())
    assert len(names) > 20
    for number, copy in enumerate(names):
        with mounted(place, "-o", "loop", os.fspath(copy)):
            check_visible(laid)
            turns[number % 2](laid, boot="another")
        copy.unlink()
