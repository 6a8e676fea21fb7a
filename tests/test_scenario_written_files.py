"""Files that a layout writes: texts, templates and files from elsewhere, from the plan to the delivery."""

import hashlib
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from qa2pack.manifest.format.files import open_manifest
from qa2pack.pack.cli import main
from support.commands import Ran, run_here
from support.in_process import Delivery

Capsys = pytest.CaptureFixture[str]
LAYOUT = """
tree = "sg_ouss_id/group_ouss_id{{group}}/member_ouss_id{{member}}"
{readme}
[variable.piscript]
[variable.version]
default = "1.0"
[[folder]]
name = "script"
text = "the scripts"
tickets = true
[[folder]]
name = "log"
[[place]]
name = "top"
[[rule]]
match = "*.py"
to = "script/{{name}}"
[[rule]]
kind = "tree"
match = "*"
never = "no scripts in it"
[[write]]
{write}
"""
TEXT = 'to = "script/empty.py"\ntext = ""'
ABOUT = 'to = "log/{project}/about.txt"\ntemplate = "about.jinja"'
GIVEN = 'to = "script/scriptForPI.py"\nfrom = "{piscript}"'
TEMPLATE = """\
{{ project }} {{ member }} {{ version }}
{{ header }}
{% for folder in folders %}
{{ folder.name }}: {{ folder.text }}
{% endfor %}
{{ tree|join("\\n") }}
"""


def written(delivery: Delivery, write: str, *, readme: str = "", template: str = TEMPLATE) -> Path:
    """Write a layout beside the origin and return its path."""
    path = delivery.origin.parent / "mine.toml"
    path.write_text(LAYOUT.format(readme=readme, write=write))
    (delivery.origin.parent / "about.jinja").write_text(template)
    return path


def packaged(capsys: Capsys, delivery: Delivery, layout: Path, *words: str | Path) -> Path:
    """Plan and apply in mode copy; return the folder of the member."""
    given = ("--layout", layout, "--mode", "copy", *words)
    for ran in (
        run_here(capsys, "plan", delivery.origin, delivery.path, *given),
        run_here(capsys, "apply", delivery.path),
        run_here(capsys, "verify", delivery.path),
    ):
        assert ran.code == 0, ran.err
    return delivery.member


def refused(capsys: Capsys, delivery: Delivery, layout: Path, *words: str | Path) -> Ran:
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout, *words)
    assert ran.code == 1
    return ran


def test_file_of_the_origin_stands_in_for_one_that_is_only_written_if_missing(
    capsys: Capsys, delivery: Delivery
) -> None:
    words = 'to = "script/scriptForImaging.py"\ntext = ""\nif_missing = true'
    member = packaged(capsys, delivery, written(delivery, words))
    origin = delivery.origin / "scriptForImaging.py"
    assert (member / "script/scriptForImaging.py").read_bytes() == origin.read_bytes()
    (delivery.origin / "scriptForImaging.py").unlink()
    member = packaged(capsys, delivery, written(delivery, words))
    assert (member / "script/scriptForImaging.py").read_bytes() == b""


def test_readme_begins_with_the_header_of_the_layout(capsys: Capsys, delivery: Delivery) -> None:
    layout = written(delivery, TEXT, readme='readme = "own.txt"')
    (layout.parent / "own.txt").write_text("Of the layout.\nProject code:\n")
    member = packaged(capsys, delivery, layout)
    assert (member / "README").read_text().startswith("Of the layout.\nProject code: 2011.0.00229.S\n|-- 2011.")
    (layout.parent / "mine.txt").write_text("Mine.\n")
    member = packaged(capsys, delivery, layout, "--readme", layout.parent / "mine.txt")
    assert (member / "README").read_text().startswith("Mine.\n|-- 2011.")


@pytest.mark.parametrize("readme", ['"../own.txt"', '"none.txt"', '""', "7"])
def test_header_that_cannot_be_read_refuses_the_layout(capsys: Capsys, delivery: Delivery, readme: str) -> None:
    layout = written(delivery, TEXT, readme=f"readme = {readme}")
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout)
    assert ran.code == 1 and "unknown-layout" in ran.err


def test_empty_text_is_no_change_by_hand(capsys: Capsys, delivery: Delivery) -> None:
    layout = written(delivery, TEXT)
    packaged(capsys, delivery, layout)
    assert run_here(capsys, "verify", delivery.path, "--quick").code == 0
    again = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout, "--strict")
    assert again.code == 0, again.err


@pytest.mark.parametrize("to", ["{name}", "{kind}/{name}"])
def test_file_in_place_of_readme_is_refused_by_plan_and_check(capsys: Capsys, delivery: Delivery, to: str) -> None:
    layout = delivery.origin.parent / "mine.toml"
    rule = f'[[rule]]\nkind = "file"\nmatch = "*"\nto = "{to}"\n'
    layout.write_text(f'[variable.kind]\ndefault = "README"\n[[place]]\nname = "top"\n{rule}')
    (delivery.origin / "README").write_text("of the origin")
    refused = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout)
    assert refused.code == 1 and "collision" in refused.err
    assert "collision" in run_here(capsys, "layout", "--check", layout, delivery.origin).out
    layout.write_text(f"readme = false\n{layout.read_text()}")
    assert run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout).code == 0


def test_text_of_a_pipe_is_refused(capsys: Capsys, delivery: Delivery) -> None:
    pipe = delivery.origin.parent / "pipe"
    os.mkfifo(pipe)
    layout = written(delivery, GIVEN)
    words = ("plan", delivery.origin, delivery.path, "--layout", layout, "--set", f"piscript={pipe}")
    assert "named pipe" in run_here(capsys, *words).err


def test_list_that_was_made_again_is_no_change_by_hand(capsys: Capsys, delivery: Delivery) -> None:
    sums = "{% for each in files %}{{ each.md5 }} {{ each.path }}\n{% endfor %}"
    layout = written(delivery, 'to = "log/sums.md5"\ntemplate = "about.jinja"', template=sums)
    member = packaged(capsys, delivery, layout)
    (member / "script/scriptForImaging.py").write_text("damage")
    assert run_here(capsys, "repair", delivery.path).code == 0
    assert run_here(capsys, "plan", "--again", delivery.path, "--strict").code == 0
    (member / "log/sums.md5").write_text("damage")
    assert run_here(capsys, "repair", delivery.path).code == 0
    again = run_here(capsys, "plan", "--again", delivery.path, "--strict")
    assert again.code == 0, again.err


def test_checks_count_what_is_written(capsys: Capsys, delivery: Delivery) -> None:
    rows = '[[check]]\nholds = "empty.py"\nin = "script"\nwhat = "an empty script"\n'
    layout = written(delivery, f"{TEXT}\n{rows}")
    words = ("plan", delivery.origin, delivery.path, "--layout", layout, "--strict")
    assert run_here(capsys, *words).code == 0
    layout = written(delivery, f"{GIVEN}\n{rows.replace('empty', 'scriptForPI')}")
    assert "warning-check" in run_here(capsys, *words).err
    assert run_here(capsys, *words, "--set", f"piscript={delivery.origin / 'scriptForImaging.py'}").code == 0


def test_empty_text_is_a_file_of_the_package_and_of_the_ticket_files(capsys: Capsys, delivery: Delivery) -> None:
    member = packaged(capsys, delivery, written(delivery, TEXT))
    assert (member / "script/empty.py").read_bytes() == b""
    assert any(name.endswith("script/empty.py") for name in ticket_names(delivery))
    assert b"|-- empty.py" in (member / "README").read_bytes()


def ticket_names(delivery: Delivery) -> list[str]:
    with tarfile.open(f"{delivery.path}.ticket.tar") as archive:
        return archive.getnames()


def test_template_sees_project_member_variables_header_folders_and_tree(capsys: Capsys, delivery: Delivery) -> None:
    header = delivery.origin.parent / "header.txt"
    header.write_text("Project code:\nPI name: A\n")
    member = packaged(capsys, delivery, written(delivery, ABOUT), "--readme", header)
    lines = (member / "log/2011.0.00229.S/about.txt").read_text().splitlines()
    assert lines[0] == "2011.0.00229.S sg_ouss_id/group_ouss_id/member_ouss_id 1.0"
    assert lines[1:4] == ["Project code: 2011.0.00229.S", "PI name: A", ""]
    assert lines[4:6] == ["script: the scripts", "log: "]
    assert "|-- 2011.0.00229.S/" in lines and "|   |   |   |   |   |-- scriptForImaging.py" in lines
    assert not any(name.endswith("about.txt") for name in ticket_names(delivery))


def test_package_without_readme_is_made_verified_and_rolled_back(capsys: Capsys, delivery: Delivery) -> None:
    member = packaged(capsys, delivery, written(delivery, ABOUT, readme="readme = false"))
    assert not (member / "README").exists()
    assert "|-- README" not in (member / "log/2011.0.00229.S/about.txt").read_text()
    assert main(["rollback", str(delivery.path)]) == 0
    assert not delivery.path.exists()


def test_package_without_readme_is_known_again_on_a_new_disk(capsys: Capsys, delivery: Delivery) -> None:
    layout = written(delivery, ABOUT, readme="readme = false")
    for _ in range(2):
        packaged(capsys, delivery, layout)
    for path in (delivery.path, Path(f"{delivery.path}.pack")):
        path.rename(f"{path}.original")
        subprocess.run(["cp", "-a", f"{path}.original", path], check=True)
    ran = run_here(capsys, "rollback", delivery.path)
    assert ran.code == 0, ran.err


def test_texts_of_a_plan_are_limited_together(capsys: Capsys, delivery: Delivery) -> None:
    big = delivery.origin.parent / "big.py"
    big.write_bytes(bytes(1 << 20))
    writes = "\n[[write]]\n".join(f'to = "script/{number}.py"\nfrom = "{{piscript}}"' for number in range(9))
    ran = refused(capsys, delivery, written(delivery, writes), "--set", f"piscript={big}")
    assert "text-failed" in ran.err and "8,388,608 bytes" in ran.err


def test_text_of_a_file_elsewhere_is_carried_by_the_plan(capsys: Capsys, delivery: Delivery) -> None:
    script = delivery.origin.parent / "generic.py"
    script.write_bytes(b"print()\xff\n")
    layout = written(delivery, GIVEN)
    run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout, "--mode", "copy", "--set",
             f"piscript={script}")  # fmt: skip
    script.unlink()
    assert main(["apply", str(delivery.path)]) == 0
    assert (delivery.member / "script/scriptForPI.py").read_bytes() == b"print()\xff\n"


def test_relative_path_of_a_file_elsewhere_is_remembered(
    capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (delivery.origin.parent / "generic.py").write_bytes(b"print()\n")
    monkeypatch.chdir(delivery.origin.parent)
    packaged(capsys, delivery, written(delivery, GIVEN), "--set", "piscript=generic.py")
    monkeypatch.chdir("/")
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--json", "--tree-all")
    assert "script/scriptForPI.py" in [file["path"] for file in json.loads(ran.out)["files"]]


def test_file_elsewhere_without_a_value_is_left_out_with_the_reason(capsys: Capsys, delivery: Delivery) -> None:
    layout = written(delivery, GIVEN)
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout)
    assert ran.code == 0
    assert "--set piscript=PATH\n      script/scriptForPI.py" in ran.out
    needed = refused(capsys, delivery, written(delivery, GIVEN + "\nneeded = true"))
    assert "variable-missing" in needed.err and "piscript: expected the path of a file" in needed.err


def test_file_elsewhere_that_is_not_there_is_refused(capsys: Capsys, delivery: Delivery) -> None:
    ran = refused(capsys, delivery, written(delivery, GIVEN), "--set", "piscript=/none.py")
    assert "piscript=/none.py: expected the path of a file, found no such file" in ran.err


def test_file_of_the_origin_at_the_same_path_is_refused_with_both_named(capsys: Capsys, delivery: Delivery) -> None:
    layout = written(delivery, 'to = "script/scriptForImaging.py"\ntext = ""')
    ran = refused(capsys, delivery, layout)
    assert "collision" in ran.err
    assert "script/scriptForImaging.py: expected a file that the layout writes, found scriptForImaging.py" in ran.err


def test_template_that_fails_refuses_the_plan_with_its_line(capsys: Capsys, delivery: Delivery) -> None:
    ran = refused(capsys, delivery, written(delivery, ABOUT, template="a\n{{ tree.none }}\n"))
    assert "text-failed" in ran.err and "log/2011.0.00229.S/about.txt" in ran.err and "line 2" in ran.err
    assert "Traceback" not in ran.err


def test_mode_fake_makes_placeholders_of_the_real_size(capsys: Capsys, delivery: Delivery) -> None:
    layout = written(delivery, ABOUT)
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout, "--json", "--tree-all")
    (file,) = (file for file in json.loads(ran.out)["files"] if file["path"].endswith("about.txt"))
    assert main(["apply", str(delivery.path)]) == 0
    assert file["size"] > 100 and (delivery.member / file["path"]).stat().st_size == 0
    assert main(["verify", str(delivery.path), "--quick"]) in (0, 3)


def test_damaged_text_is_found_and_written_again(capsys: Capsys, delivery: Delivery) -> None:
    path = packaged(capsys, delivery, written(delivery, ABOUT)) / "log/2011.0.00229.S/about.txt"
    text = path.read_bytes()
    path.write_bytes(text.upper())
    assert main(["verify", str(delivery.path)]) == 3
    assert main(["repair", str(delivery.path)]) == 0
    assert path.read_bytes() == text and main(["verify", str(delivery.path)]) == 0


def test_other_readme_makes_the_texts_with_its_header_again(capsys: Capsys, delivery: Delivery) -> None:
    member = packaged(capsys, delivery, written(delivery, ABOUT))
    header = delivery.origin.parent / "header.txt"
    header.write_text("PI name: B\n")
    assert main(["readme", str(delivery.path), "--header", str(header)]) == 0
    assert "\nPI name: B\n" in (member / "log/2011.0.00229.S/about.txt").read_text()
    assert main(["verify", str(delivery.path)]) == 0
    sizes = (path.stat().st_size for path in member.rglob("*") if path.is_file())
    assert packaged_bytes(delivery.path) == sum(sizes)


def test_header_of_a_package_without_readme_can_be_changed(capsys: Capsys, delivery: Delivery) -> None:
    member = packaged(capsys, delivery, written(delivery, ABOUT, readme="readme = false"))
    ran = run_here(capsys, "readme", delivery.path, "--set-field", "PI name=C")
    assert ran.code == 0 and "the texts of the layout; it has no README" in ran.out
    assert "\nPI name: C\n" in (member / "log/2011.0.00229.S/about.txt").read_text()
    assert main(["verify", str(delivery.path)]) == 0


def test_renamed_package_has_the_new_code_in_its_texts(capsys: Capsys, delivery: Delivery) -> None:
    packaged(capsys, delivery, written(delivery, ABOUT.replace("{project}/", "")))
    assert main(["rename", str(delivery.path), "2011.0.00230.S"]) == 0
    new = delivery.path.parent / "2011.0.00230.S"
    lines = next(new.rglob("about.txt")).read_text().splitlines()
    assert lines[0].startswith("2011.0.00230.S") and "|-- 2011.0.00230.S/" in lines
    assert main(["verify", str(new)]) == 0


def test_path_with_the_project_code_cannot_be_renamed(capsys: Capsys, delivery: Delivery) -> None:
    packaged(capsys, delivery, written(delivery, ABOUT))
    ran = run_here(capsys, "rename", delivery.path, "2011.0.00230.S")
    assert ran.code == 1 and "text-failed" in ran.err and "about.txt" in ran.err


def test_text_that_was_changed_by_hand_is_not_lost_by_renaming(capsys: Capsys, delivery: Delivery) -> None:
    packaged(capsys, delivery, written(delivery, ABOUT.replace("{project}/", "")))
    (delivery.member / "log/about.txt").write_text("mine")
    ran = run_here(capsys, "rename", delivery.path, "2011.0.00230.S")
    assert ran.code == 1 and "changed" in ran.err and "about.txt" in ran.err


def test_delivery_holds_written_files(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    packaged(capsys, delivery, written(delivery, ABOUT))
    ran = run_here(capsys, "tarsplit", delivery.path, "-n", "2012-06-20", "--output", tmp_path / "out")
    assert ran.code == 0, ran.err
    (chunk,) = (tmp_path / "out").rglob("*.tar")
    with tarfile.open(chunk) as archive:
        assert any(name.endswith("log/2011.0.00229.S/about.txt") for name in archive.getnames())


def test_each_member_has_texts_of_its_own(capsys: Capsys, delivery: Delivery) -> None:
    layout = written(delivery, ABOUT)
    first = packaged(capsys, delivery, layout)
    packaged(capsys, delivery, layout, "--append", "member")
    (second,) = set(first.parent.iterdir()) - {first}
    texts = [(member / "log/2011.0.00229.S/about.txt").read_text() for member in (first, second)]
    assert "group_ouss_id/member_ouss_id 1.0" in texts[0] and f"group_ouss_id/{second.name} 1.0" in texts[1]


@pytest.mark.parametrize("mode", ["hard", "move"])
def test_texts_are_written_in_every_mode_and_made_again(capsys: Capsys, delivery: Delivery, mode: str) -> None:
    layout = written(delivery, ABOUT)
    words = (delivery.origin, delivery.path)
    for given in (("--layout", layout, "--mode", mode), ()):
        assert run_here(capsys, "plan", *words, *given).code == 0
        assert main(["apply", str(delivery.path)]) == 0
        assert main(["verify", str(delivery.path)]) == 0
        assert (delivery.member / "log/2011.0.00229.S/about.txt").read_text().startswith("2011.0.00229.S sg_ouss_id")


def test_plan_names_what_the_layout_writes(capsys: Capsys, delivery: Delivery) -> None:
    layout = written(delivery, ABOUT)
    layout.write_text(layout.read_text().replace('name = "log"', 'name = "log"\nlisted = true'))
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout)
    assert "\nlog: 1\n  2011.0.00229.S/about.txt  written by the layout\n" in ran.out
    checked = run_here(capsys, "layout", "--check", layout)
    assert "  writes     log/{project}/about.txt\n" in checked.out


LIST = 'to = "log/checksums.txt"\ntemplate = "about.jinja"\nnewline = "\\r\\n"'
LINES = "{% for file in files %}\n{{ file.md5 }}  {{ file.path }}\n{% endfor %}\n"


def lines_of(member: Path, algorithm: str = "md5") -> bytes:
    """Return a checksum list of all files of a member but the list itself."""
    files = sorted(
        (path.relative_to(member) for path in member.rglob("*") if path.is_file() and path.name != "checksums.txt"),
        key=lambda path: path.parts,
    )
    files.sort(key=lambda path: (path.parent.parts, path.name))
    digests = ((hashlib.new(algorithm, (member / path).read_bytes()).hexdigest(), path) for path in files)
    return "".join(f"{digest}  {path}\r\n" for digest, path in digests).encode()


def test_checksum_list_has_what_was_packaged_and_not_itself(capsys: Capsys, delivery: Delivery) -> None:
    member = packaged(capsys, delivery, written(delivery, LIST, template=LINES))
    assert (member / "log/checksums.txt").read_bytes() == lines_of(member)
    assert main(["verify", str(delivery.path)]) == 0


def test_digests_are_those_of_the_files(capsys: Capsys, delivery: Delivery) -> None:
    both = "{% for f in files %}{{ f.sha256 }} {{ f.xxh128|length }} {{ f.size }}\n{% endfor %}"
    member = packaged(capsys, delivery, written(delivery, LIST, template=both))
    script = (member / "script/scriptForImaging.py").read_bytes()
    line = f"{hashlib.sha256(script).hexdigest()} 32 {len(script)}\r\n".encode()
    assert line in (member / "log/checksums.txt").read_bytes()


def test_size_of_a_list_is_in_the_plan_and_in_the_totals(capsys: Capsys, delivery: Delivery) -> None:
    layout = written(delivery, LIST, template=LINES)
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout, "--mode", "copy", "--json")
    assert main(["apply", str(delivery.path)]) == 0
    size = (delivery.member / "log/checksums.txt").stat().st_size
    assert json.loads(ran.out)["roles"]["log"] == {"file_count": 1, "byte_count": size}


def test_damaged_list_is_written_again(capsys: Capsys, delivery: Delivery) -> None:
    path = packaged(capsys, delivery, written(delivery, LIST, template=LINES)) / "log/checksums.txt"
    text = path.read_bytes()
    path.write_bytes(text.upper())
    assert main(["repair", str(delivery.path)]) == 0
    assert path.read_bytes() == text and main(["verify", str(delivery.path)]) == 0


def test_list_never_gets_the_digest_of_a_damaged_file(capsys: Capsys, delivery: Delivery) -> None:
    member = packaged(capsys, delivery, written(delivery, LIST, template=LINES))
    (delivery.origin / "scriptForImaging.py").unlink()
    (member / "script/scriptForImaging.py").write_bytes(b"x")
    (member / "log/checksums.txt").write_bytes(b"y")
    assert main(["repair", str(delivery.path)]) == 3
    assert hashlib.md5(b"x").hexdigest().encode() not in (member / "log/checksums.txt").read_bytes()
    assert main(["verify", str(delivery.path)]) == 3


def test_list_follows_another_readme_and_another_name(capsys: Capsys, delivery: Delivery) -> None:
    member = packaged(capsys, delivery, written(delivery, LIST, template="{{ project }}\n" + LINES))
    assert main(["readme", str(delivery.path), "--set-field", "PI name=A"]) == 0
    assert (member / "log/checksums.txt").read_bytes() == b"2011.0.00229.S\r\n" + lines_of(member)
    assert main(["rename", str(delivery.path), "2011.0.00230.S-long"]) == 0
    new = delivery.path.parent / "2011.0.00230.S-long"
    moved = new / member.relative_to(delivery.path)
    assert (moved / "log/checksums.txt").read_bytes() == b"2011.0.00230.S-long\r\n" + lines_of(moved)
    assert main(["verify", str(new)]) == 0
    assert packaged_bytes(new) == sum(path.stat().st_size for path in moved.rglob("*") if path.is_file())


def packaged_bytes(package: Path) -> int:
    """Return the sum of the totals that the one manifest of a package has."""
    (manifest,) = Path(f"{package}.pack/manifests").iterdir()
    return open_manifest(os.fsencode(manifest)).notes.byte_count


def test_list_of_placeholders_is_one_too(capsys: Capsys, delivery: Delivery) -> None:
    layout = written(delivery, LIST.replace("log/", "script/"), template=LINES)
    run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout, "--mode", "ticket")
    assert main(["apply", str(delivery.path)]) == 0
    assert (delivery.member / "script/checksums.txt").stat().st_size == 0


def test_same_list_is_no_difference(capsys: Capsys, delivery: Delivery) -> None:
    packaged(capsys, delivery, written(delivery, LIST, template=LINES))
    ran = run_here(capsys, "diff", delivery.origin, delivery.path)
    assert "A new plan would change nothing." in ran.out


def counts_of_plan_again(capsys: Capsys, delivery: Delivery, *words: str) -> tuple[int, int, int, int]:
    """Plan again and return how many files are added, removed, changed and unchanged."""
    ran = run_here(capsys, "plan", "--again", delivery.path, "--json", *words)
    difference = json.loads(ran.out)["difference"]
    return tuple(difference[each] for each in ("added", "removed", "changed", "unchanged"))


@pytest.mark.parametrize("readme", ["", "readme = false"])
def test_list_of_an_unchanged_member_is_no_change_of_a_plan(capsys: Capsys, delivery: Delivery, readme: str) -> None:
    member = packaged(capsys, delivery, written(delivery, LIST, template=LINES, readme=readme))
    count = len([path for path in member.rglob("*") if path.is_file()])
    assert counts_of_plan_again(capsys, delivery) == (0, 0, 0, count)
    header = delivery.origin.parent / "header.txt"
    header.write_text("another\n")
    words = ("--readme", str(header))
    assert counts_of_plan_again(capsys, delivery, *words)[2] == (1 if readme else 2)


def test_list_of_a_changed_member_is_a_change_of_a_plan(capsys: Capsys, delivery: Delivery) -> None:
    packaged(capsys, delivery, written(delivery, LIST, template=LINES))
    (delivery.origin / "scriptForImaging.py").write_bytes(b"other")
    assert counts_of_plan_again(capsys, delivery)[:3] == (0, 0, 2)
    (delivery.origin.parent / "about.jinja").write_text("other\n" + LINES)
    (delivery.origin / "scriptForImaging.py").unlink()
    assert counts_of_plan_again(capsys, delivery)[:3] == (0, 1, 2)  # README has the tree


def test_list_of_another_template_is_a_change_of_a_plan(capsys: Capsys, delivery: Delivery) -> None:
    packaged(capsys, delivery, written(delivery, LIST, template=LINES))
    (delivery.origin.parent / "about.jinja").write_text("other\n" + LINES)
    assert counts_of_plan_again(capsys, delivery)[:3] == (0, 0, 1)


def test_stopped_apply_writes_the_list_when_it_goes_on(
    capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = written(delivery, LIST, template=LINES)
    run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout, "--mode", "copy")
    with monkeypatch.context() as patched:
        patched.setattr("qa2pack.executor.stage.stage._write_manifest", _fail)
        assert main(["apply", str(delivery.path)]) != 0
    assert main(["apply", str(delivery.path)]) == 0
    assert (delivery.member / "log/checksums.txt").read_bytes() == lines_of(delivery.member)
    assert main(["verify", str(delivery.path)]) == 0


def _fail(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_written_files_have_no_source_in_a_plan(capsys: Capsys, delivery: Delivery) -> None:
    layout = written(delivery, 'to = "script/scriptForPI.py"\ntext = "x"')
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout, "--json", "--tree-all")
    sources = {file["path"]: file["source"] for file in json.loads(ran.out)["files"]}
    assert sources["script/scriptForPI.py"] is None
    assert sources["script/scriptForImaging.py"] == "scriptForImaging.py"
