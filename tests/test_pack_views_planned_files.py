"""What a plan says of single files, and what of it is last on the screen."""

import json
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from support.commands import run_here
from support.in_process import UID, Delivery, write

Capsys = pytest.CaptureFixture[str]


def planned(capsys: Capsys, delivery: Delivery, *options: str | Path) -> str:
    return run_here(capsys, "plan", delivery.origin, delivery.path, "--quiet", *options).out


def test_plan_names_the_files_that_people_know_with_their_source_where_the_name_changes(
    capsys: Capsys, delivery: Delivery
) -> None:
    long_name = "x" * 60
    write(delivery.origin / f"X8c/qa2/{long_name}.jpg", b"x")
    out = planned(capsys, delivery)
    assert f"\n  {UID}__{long_name}.jpg\n      from X8c/qa2/{long_name}.jpg\n" in out
    assert "\nscript: 2\n  scriptForImaging.py\n" in out
    assert f"\n  {UID}__qa2_part1.png  from X8c/qa2/qa2_part1.png\n" in out
    assert "from scriptForImaging.py" not in out
    assert "\nproduct: 1\n  calibrated_all.clean.fits\n" in out


def test_more_than_thirty_files_of_a_role_are_counted(capsys: Capsys, delivery: Delivery) -> None:
    for number in range(40):
        write(delivery.origin / f"image{number:02}.fits", b"x")
    out = planned(capsys, delivery)
    assert "\nproduct: 41\n" in out
    assert (out.count(".fits\n"), "\n  and 11 more, which pack show --plan --role product lists\n" in out) == (
        30,
        True,
    )
    listed = run_here(capsys, "show", "--plan", delivery.path, "--role", "product").out
    assert listed.count(".fits\n") == 41


def test_role_of_the_waiting_plan_as_json(capsys: Capsys, delivery: Delivery) -> None:
    delivery.plan(Mode.COPY)
    fields = json.loads(run_here(capsys, "show", "--plan", delivery.path, "--role", "qa", "--json").out)
    assert {each["path"]: each["source"] for each in fields["files"]}["qa/X8c.checklist.txt"] == "X8c/checklist.txt"
    assert (list(fields["roles"]), fields["file_count"]) == (["qa"], 3)


def test_files_of_a_plan_have_their_sources_in_json(capsys: Capsys, delivery: Delivery) -> None:
    fields = json.loads(planned(capsys, delivery, "--tree", "--json"))
    sources = {each["path"]: each["source"] for each in fields["files"]}
    assert (sources["qa/X8c.checklist.txt"], sources["README"]) == ("X8c/checklist.txt", None)


@pytest.mark.parametrize("mode", ["fake", "copy"])
def test_readme_is_previewed_as_it_will_be(capsys: Capsys, delivery: Delivery, mode: str) -> None:
    out = planned(capsys, delivery, "--readme-preview", "--mode", mode)
    fields = json.loads(planned(capsys, delivery, "--readme-preview", "--mode", mode, "--json"))
    delivery.make(Mode.COPY)
    text = (delivery.member / "README").read_text()
    assert fields["readme"] == text
    assert out.startswith("README as it will be:\n" + text + "\nPlan of ")


def test_last_screen_has_totals_count_of_warnings_and_next_command(capsys: Capsys, delivery: Delivery) -> None:
    write(delivery.origin / "a b.fits", b"x")  # a name that receivers may refuse
    for number in range(30):
        write(delivery.origin / f"note {number}", b"x")
    screen = planned(capsys, delivery).splitlines()[-24:]
    assert screen[-1] == f"  pack apply {delivery.path}"
    assert [line.split()[0] for line in screen if line.startswith("  total ")] == ["total"]
    assert [line for line in screen if line.startswith("Warnings: ") and line.endswith(", listed above")] != []


def test_many_warnings_of_one_kind_are_cut_unless_all_are_wanted(capsys: Capsys, delivery: Delivery) -> None:
    for number in range(25):
        write(delivery.origin / f"an image{number:02}.fits", b"x")
    out = planned(capsys, delivery)
    assert (out.count("/an image"), "and 5 more (--all or --json lists them)" in out) == (20, True)
    out = planned(capsys, delivery, "--all")
    assert (out.count("/an image"), "more (--all" in out) == (25, False)


def test_many_problems_of_a_refused_plan_are_cut_unless_all_are_wanted(capsys: Capsys, delivery: Delivery) -> None:
    for number in range(25):
        (delivery.origin / f"image{number:02}.fits").symlink_to("nothing")
    refused = run_here(capsys, "plan", delivery.origin, delivery.path).err
    assert (refused.count("/image"), "and 5 more (--all or --json lists them)" in refused) == (20, True)
    for verb in ("plan", "package"):
        assert run_here(capsys, verb, delivery.origin, delivery.path, "--all").err.count("/image") == 25
