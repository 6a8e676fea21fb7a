import os
import shutil
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.format.files import open_manifest
from qa2pack.manifest.format.record import Entry
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.plan.copy_search import CopySearch
from qa2pack.manifest.plan.rebuild import Source
from support.file_systems import folder_elsewhere
from support.in_process import Delivery, write

SCRIPT = b"script/scriptForImaging.py"


def found(delivery: Delivery, *places: Path) -> Source | None:
    """Return where the script can be had."""
    manifest = open_manifest(delivery.package.manifest(b"group_ouss_id/member_ouss_id"))
    blob = manifest.stream.find(b"script")
    assert blob is not None
    wanted: list[Entry] = [entry for entry in decode_record(blob).entries() if entry.path == SCRIPT]
    return CopySearch(delivery.package, manifest, list(map(os.fsencode, places))).sources(wanted).get(SCRIPT)


def path_of(source: Source | None) -> Path | None:
    return None if source is None else Path(os.fsdecode(source.path))


def test_other_copy_comes_before_the_origin(tmp_path: Path, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    origin = delivery.origin / "scriptForImaging.py"
    assert path_of(found(delivery)) == origin
    copy = write(tmp_path / "unpacked" / os.fsdecode(SCRIPT), origin.read_bytes())
    assert path_of(found(delivery, tmp_path / "unpacked")) == copy


def test_file_is_recognised_by_its_content_under_any_name(tmp_path: Path, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    content = (delivery.origin / "scriptForImaging.py").read_bytes()
    write(tmp_path / "unpacked" / os.fsdecode(SCRIPT), bytes(len(content)))  # in its place, of its size
    renamed = write(tmp_path / "unpacked/deep/renamed", content)
    (delivery.origin / "scriptForImaging.py").unlink()
    assert path_of(found(delivery, tmp_path / "unpacked")) == renamed


def test_package_itself_is_no_place(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(delivery.origin)
    assert found(delivery, delivery.path) is None


@pytest.mark.parametrize(("mode", "action"), [(Mode.HARD, Action.LINK), (Mode.COPY, Action.COPY)])
def test_origin_is_linked_in_mode_hard_only(delivery: Delivery, mode: Mode, action: Action) -> None:
    delivery.make(mode)
    source = found(delivery)
    assert source is not None
    assert source.action is action


def test_origin_on_another_disk_is_copied(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    with folder_elsewhere(delivery.origin) as folder:
        for path in delivery.path.parent.glob(f"{delivery.path.name}*"):
            shutil.move(path, folder)
        source = found(Delivery(delivery.origin, folder / delivery.path.name))
    assert source is not None
    assert source.action is Action.COPY
