"""Publishing a sidecar: what is beside it is never that of another one, wherever the run is stopped."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from qa2pack.manifest.signature.signature import NOBODY, Standing, Verifier
from qa2pack.tarsplit.output_files import locked_part
from qa2pack.tarsplit.sidecar_files import publish_sidecar
from support.signatures import make_key

NEW = b"the new sidecar"


@pytest.fixture
def sidecar(tmp_path: Path) -> Path:
    return tmp_path / "2011.01234.S_2012-06-20.manifest"


def publish(sidecar: Path, key: bytes = b"") -> None:
    with locked_part(os.fsencode(sidecar)) as file:
        file.write(NEW)
        publish_sidecar(file, os.fsencode(sidecar), ("md5", "sha256"), key)


def test_each_chosen_checksum_has_a_file(sidecar: Path) -> None:
    publish(sidecar)
    names = [f"{sidecar.name}{end}" for end in ("", ".md5sum", ".sha256sum")]
    assert sorted(os.listdir(sidecar.parent)) == names
    assert sidecar.read_bytes() == NEW


@pytest.mark.parametrize("stopped", [".sha256sum", ".sig"])
@pytest.mark.parametrize("old", [b"another sidecar", NEW])
def test_stop_at_what_is_beside_it_leaves_no_sidecar_of_other_bytes(sidecar: Path, old: bytes, stopped: str) -> None:
    key = make_key(sidecar.with_name("key"))
    sidecar.write_bytes(old)
    (sidecar.parent / f"{sidecar.name}{stopped}.part").mkdir()  # so it cannot be written
    with pytest.raises(OSError, match=r"folder|directory"):
        publish(sidecar, os.fsencode(key.path))
    assert sidecar.exists() == (old == NEW)


def test_signature_is_of_the_bytes_that_are_published(sidecar: Path) -> None:
    publish(sidecar, os.fsencode(make_key(sidecar.with_name("key")).path))
    with closing(Verifier(NOBODY)) as verifier:
        assert verifier.look_at(os.fsencode(sidecar))[0].standing is Standing.NOT_COMPARED


@pytest.mark.parametrize("old", [b"another sidecar", NEW])
def test_signature_of_other_bytes_goes(sidecar: Path, old: bytes) -> None:
    signature = sidecar.with_name(f"{sidecar.name}.sig")
    sidecar.write_bytes(old)
    signature.write_bytes(b"of the old one")
    publish(sidecar)
    assert signature.exists() == (old == NEW)


def test_other_file_in_the_place_of_the_unfinished_sidecar_is_not_signed(sidecar: Path) -> None:
    key = make_key(sidecar.with_name("key"))
    with locked_part(os.fsencode(sidecar)) as file:
        file.write(NEW)
        part = sidecar.with_name(f"{sidecar.name}.part")
        part.unlink()
        part.write_bytes(b"forged")
        publish_sidecar(file, os.fsencode(sidecar), (), os.fsencode(key.path))
    with closing(Verifier(NOBODY)) as verifier:
        assert verifier.look_at(os.fsencode(sidecar))[0].standing is Standing.WRONG
