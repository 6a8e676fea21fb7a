"""The last audit of a package on its report page."""

import json
import shutil
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.file_systems import read_only, small_disk
from support.in_process import Delivery

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def package(capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that was audited, with the user's own catalogue."""
    delivery.make(Mode.COPY)
    state = delivery.path.parent / "state"
    state.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    _audit(capsys, delivery.path)
    return delivery.path


def _audit(capsys: Capsys, package: Path) -> None:
    run_here(capsys, "audit", package, "--jobs", "1", "--quiet")


def _report(capsys: Capsys, package: Path, *words: str | Path) -> tuple[dict[str, object] | None, str]:
    """Return the field of the audit, and the page."""
    fields = json.loads(run_here(capsys, "report", package, "--jobs", "1", "--json", *words).out)
    return fields["audit"], Path(fields["report"]).read_text()


def test_time_result_and_catalogue_of_the_last_audit_are_on_the_page(capsys: Capsys, package: Path) -> None:
    audit, page = _report(capsys, package)
    assert audit is not None
    catalogue = f"{package.parent}/state/qa2pack/catalogue.sqlite"
    assert (audit["standing"], audit["problem_count"], audit["catalogue"]) == ("good", 0, catalogue)
    assert '<p class="state good">As packaged; all content was compared last ' in page
    assert f"<code>{catalogue}</code>" in page


def test_catalogue_that_may_not_be_used_is_missed_only_where_it_was_named(
    capsys: Capsys, package: Path, tmp_path: Path
) -> None:
    """As that of another user, whose HOME was kept."""
    with read_only(package.parent / "state", tmp_path / "ro") as state:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_STATE_HOME", str(state))
            audit, _ = _report(capsys, package)
        assert audit is None
        named = ("--catalogue", state / "qa2pack/catalogue.sqlite")
        assert run_here(capsys, "report", package, "--jobs", "1", *named).code == Exit.FAILED


def test_full_disk_of_the_users_own_catalogue_keeps_nobody_from_a_report(
    capsys: Capsys, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "home", inodes=4) as home:
        shutil.copytree(package.parent / "state", home, dirs_exist_ok=True)
        monkeypatch.setenv("XDG_STATE_HOME", str(home))
        assert _report(capsys, package)[0] is None


def test_result_of_a_damaged_package_is_bad(capsys: Capsys, package: Path) -> None:
    next(package.rglob("scriptForImaging.py")).write_text("other")
    _audit(capsys, package)
    audit, page = _report(capsys, package)
    assert audit is not None
    assert (audit["standing"], audit["problem_count"]) == ("problems", 1)
    assert '<p class="state bad">Not as packaged, 1 problem; all content was compared last ' in page


def test_result_of_the_package_before_it_was_changed_does_not_count(
    capsys: Capsys, delivery: Delivery, package: Path
) -> None:
    delivery.make(Mode.COPY, append=Append.GROUP)
    audit, page = _report(capsys, package)
    assert audit is not None
    assert (audit["standing"], audit["verified_at"]) == ("unverified", None)
    assert "Not audited yet as it is now." in page


def test_without_an_audit_nothing_is_said_of_one_and_no_catalogue_is_made(
    capsys: Capsys, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    audit, page = _report(capsys, package)
    assert (audit, "Last audit" in page) == (None, False)
    assert not (tmp_path / "other").exists()


def test_catalogue_that_is_named_must_be_there(capsys: Capsys, package: Path, tmp_path: Path) -> None:
    ran = run_here(capsys, "report", package, "--catalogue", tmp_path / "none")
    assert (ran.code, "path-missing: " in ran.err) == (Exit.FAILED, True)
    assert not list(package.parent.glob("*.html"))


def test_package_that_the_catalogue_does_not_have_is_not_audited(
    capsys: Capsys, delivery: Delivery, package: Path
) -> None:
    other = Delivery(delivery.origin, package.with_name("2012.1.00001.S"))
    other.make(Mode.COPY)
    assert _report(capsys, other.path)[0] is None
