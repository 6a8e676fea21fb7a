"""The legacy call heeds what its user keeps in files and in the environment."""

from pathlib import Path

import pytest

from QA2_Packaging_module import QA_Packager
from qa2pack.manifest.problem import Refused
from qa2pack.pack.dropin import PackagingError
from qa2pack.pack.settings.dropin_settings import DropinDefaults, read_dropin_defaults
from qa2pack.pack.settings.option_source import Default
from qa2pack.pack.terminal.choices import LogFormat
from support.in_process import Delivery

Capsys = pytest.CaptureFixture[str]


def test_without_any_they_are_the_defaults(tmp_path: Path) -> None:
    assert read_dropin_defaults(bytes(tmp_path), {}) == DropinDefaults()


def test_environment_counts_before_a_file(tmp_path: Path) -> None:
    (tmp_path / "pack.toml").write_text("jobs = 3")
    defaults = [read_dropin_defaults(bytes(tmp_path), environment) for environment in ({}, {"PACK_JOBS": "5"})]
    assert [each.jobs for each in defaults] == [3, 5]
    assert [each.defaults[0].source for each in defaults] == [str(tmp_path / "pack.toml"), "PACK_JOBS"]


def test_wait_is_read_as_jobs_are(tmp_path: Path) -> None:
    (tmp_path / "pack.toml").write_text("wait = 30")
    defaults = [read_dropin_defaults(bytes(tmp_path), environment) for environment in ({}, {"PACK_WAIT": "5"})]
    assert [each.wait_seconds for each in defaults] == [30, 5]
    assert [each.defaults[0].source for each in defaults] == [str(tmp_path / "pack.toml"), "PACK_WAIT"]


def test_level_of_compression_is_read(tmp_path: Path) -> None:
    (tmp_path / "pack.toml").write_text("compression = 9")
    assert read_dropin_defaults(bytes(tmp_path), {}).selection.compression == 9


def test_log_of_the_users_own_file_counts_after_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    (tmp_path / "qa2pack").mkdir()
    (tmp_path / "qa2pack/pack.toml").write_text("log = 'own.log'\nlog-format = 'json'")
    read = read_dropin_defaults(bytes(tmp_path), own)
    assert (read.log, read.log_format) == (bytes(tmp_path / "qa2pack/own.log"), LogFormat.JSON)
    read = read_dropin_defaults(bytes(tmp_path), {**own, "PACK_LOG": "here.log", "PACK_LOG_FORMAT": "text"})
    assert (read.log, read.log_format) == (bytes(tmp_path / "here.log"), LogFormat.TEXT)


def test_value_of_a_variable_is_named_with_its_source(tmp_path: Path) -> None:
    read = read_dropin_defaults(bytes(tmp_path), {"PACK_SET": "field=a band=b"})
    assert (read.selection.values, read.defaults) == (("field=a", "band=b"), (Default("set", "PACK_SET"),))


def test_settings_can_be_left_aside(tmp_path: Path) -> None:
    (tmp_path / "pack.toml").write_text("jobs = 3")
    assert read_dropin_defaults(bytes(tmp_path), {"PACK_NO_SETTINGS": "1"}) == DropinDefaults()


def test_what_is_not_understood_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="PACK_JOBS; expected a whole number from 0 to 10000; found x"):
        read_dropin_defaults(bytes(tmp_path), {"PACK_JOBS": "x"})
    with pytest.raises(Refused, match=r"PACK_JOBS; expected a whole number from 0 to 10000; found 0{25}10001"):
        read_dropin_defaults(bytes(tmp_path), {"PACK_JOBS": "0" * 25 + "10001"})
    with pytest.raises(Refused, match="PACK_LOG_FORMAT; expected text or json; found xml"):
        read_dropin_defaults(bytes(tmp_path), {"PACK_LOG_FORMAT": "xml"})
    (tmp_path / "pack.toml").write_text("job = 3")
    with pytest.raises(Refused, match="there is no key job; did you mean jobs"):
        read_dropin_defaults(bytes(tmp_path), {})
    (tmp_path / "pack.toml").write_text("log = 'log.txt'")
    with pytest.raises(Refused, match="log is refused here"):
        read_dropin_defaults(bytes(tmp_path), {})


def test_call_heeds_the_file_beside_the_origin(capsys: Capsys, delivery: Delivery) -> None:
    settings = delivery.origin.parent / "pack.toml"
    settings.write_text("exclude = ['*.fits']\nmode = 'move'")
    QA_Packager(str(delivery.origin), None, str(delivery.path))
    assert not (delivery.member / "product/calibrated_all.clean.fits").exists()
    assert (delivery.member / "log/casapy-2012-05-03T115433.log").stat().st_size == 0
    assert f" exclude from {settings} " in " ".join(capsys.readouterr().out.split())


def test_mistake_in_the_file_is_raised(delivery: Delivery) -> None:
    (delivery.origin.parent / "pack.toml").write_text("exclud = ['*.fits']")
    with pytest.raises(PackagingError, match="did you mean exclude"):
        QA_Packager(str(delivery.origin), None, str(delivery.path))
    assert not delivery.path.exists()


def test_plan_of_the_call_does_not_say_that_nothing_was_changed(capsys: Capsys, delivery: Delivery) -> None:
    QA_Packager(str(delivery.origin), None, str(delivery.path))
    out = capsys.readouterr().out
    assert "pack apply" not in out
    assert "This is done now.\nPackaged: " in out
