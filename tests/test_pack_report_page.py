"""`pack report`: what the page says, and that nothing of a package can be more on it than text."""

import base64
import gzip
import html
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.report import contents as reportdata
from qa2pack.pack.report import embed as embedding
from qa2pack.pack.report.contents import Candidate
from qa2pack.pack.report.embed import Budget, embed_pictures, embed_texts
from qa2pack.pack.views.html_page import breakable
from support.bundled import TAR, Bundled
from support.commands import run_here
from support.in_process import UID, Delivery, add_measurement_sets, write
from support.report_pages import EVIL, png
from support.signatures import ALICE, Key, sign_package
from support.snapshots import contents, snapshot

Capsys = pytest.CaptureFixture[str]


class Seen(HTMLParser):
    """What a browser would make of the page: its tags with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(capsys: Capsys, delivery: Delivery, *options: str) -> str:
    """Write the report and return its text, which must be found where it is reported."""
    ran = run_here(capsys, "report", delivery.path, "--json", *options)
    return Path(json.loads(ran.out)["report"]).read_text()


def test_it_is_beside_the_package(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    before = snapshot(delivery.path)
    ran = run_here(capsys, "report", delivery.path)
    assert ran.code == Exit.DONE
    assert ran.out.endswith(f"\n  {delivery.path}.report.html\n")
    assert snapshot(delivery.path) == before


def test_it_reports_members_modes_and_origins(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    delivery.make(Mode.COPY, append=Append.MEMBER)
    seen = Seen(page_of(capsys, delivery))
    assert "2 members, 30 files" in seen.text
    assert seen.text.count(str(delivery.origin)) >= 2
    assert re.search(r"group_ouss_id/member_ouss_id2: a member was added,\s+mode copy", seen.text)


def test_it_tells_who_signed(capsys: Capsys, delivery: Delivery, key: Key, signers: Path) -> None:
    delivery.make(Mode.COPY)
    assert "signature" not in Seen(page_of(capsys, delivery)).text
    sign_package(key, delivery.path)
    words = ("tarsplit", delivery.path, "-n", "2012-06-20", "--output", delivery.path.parent, "--sign", key.path)
    assert run_here(capsys, *words).code == 0
    known = ("--allowed-signers", str(signers), "--require-signature")
    page = Seen(page_of(capsys, delivery, *known))
    assert page.text.count(f"signed by {ALICE}, {key.fingerprint}") == 2
    delivery.path.with_name(f"{delivery.path.name}.pack").joinpath("manifests").joinpath(
        "group_ouss_id.member_ouss_id.manifest.sha256.sig"
    ).unlink()
    assert "Nobody has signed this." in Seen(page_of(capsys, delivery, *known)).text
    assert run_here(capsys, "report", delivery.path, *known).code == Exit.PROBLEMS


def test_it_lists_products_with_sizes_and_names_block_and_documents(
    capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(delivery.origin / "second.fits", b"x" * 3000)
    delivery.make()
    text = " ".join(Seen(page_of(capsys, delivery)).text.split())
    assert "product/second.fits 2.9 KiB" in text
    assert f"scheduling block{delivery.origin.name} " in text
    assert [page for page in ("report.md", "glossary.md", "problems.md") if f"docs/{page}" not in text] == []
    monkeypatch.setattr("qa2pack.pack.report.contents._MOST_CANDIDATES", 1)
    text = " ".join(Seen(page_of(capsys, delivery)).text.split())
    assert ("product/second.fits" in text, "and 1 more" in text.split("Products")[1].split("Pictures")[0]) == (
        False,
        True,
    )


def test_it_reports_tables_and_their_columns(capsys: Capsys, delivery: Delivery) -> None:
    add_measurement_sets(delivery.origin)
    delivery.make()
    text = Seen(page_of(capsys, delivery)).text
    assert f"{UID} 3 tables, " in text
    assert f"calibration/{UID}.calibration/{UID}.ms.tsys" in text
    assert text.count("keeps DATA; dropped: MODEL_DATA, CORRECTED_DATA, ") == 2


def test_bars_show_the_sizes(capsys: Capsys, delivery: Delivery) -> None:
    write(delivery.origin / "a.fits", bytes(10_000_000))
    delivery.make()
    bars = [fields for tag, fields in Seen(page_of(capsys, delivery)).tags if tag == "rect" and "class" not in fields]
    assert max(float(bar["width"]) for bar in bars) == 100
    assert min(float(bar["width"]) for bar in bars) < 1


def test_pictures_are_in_the_page(capsys: Capsys, delivery: Delivery) -> None:
    write(delivery.origin / "X8c/qa2/qa2_part1.png", png())
    delivery.make()
    images = [fields for tag, fields in Seen(page_of(capsys, delivery)).tags if tag == "img"]
    assert [image["alt"] for image in images] == [f"qa/{UID}__qa2_part1.png"]
    assert base64.b64decode(images[0]["src"].partition(",")[2]) == png()


def test_what_is_no_picture_is_reported(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    seen = Seen(page_of(capsys, delivery))
    assert "img" not in dict(seen.tags)
    assert seen.text.count("not a picture that browsers show") == 3


def test_texts_are_readable_in_place(capsys: Capsys, delivery: Delivery) -> None:
    write(delivery.origin / "X8c/checklist.txt", b"all <b>well</b> & good\r\n\x1b[31mred\xff")
    delivery.make()
    page = page_of(capsys, delivery)
    assert "all &lt;b&gt;well&lt;/b&gt; &amp; good\n\\x1b[31mred\\xff</pre>" in page
    assert f"|-- {delivery.path.name}/" in Seen(page).text


def test_what_was_left_out_is_reported_with_its_reason(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    assert re.search(
        r"no rule of layout cycle0 takes it 1\s+notes of the reducer", Seen(page_of(capsys, delivery)).text
    )


def test_warnings_are_reported(capsys: Capsys, delivery: Delivery) -> None:
    write(delivery.origin / "a b.fits", b"x")
    delivery.make()
    text = Seen(page_of(capsys, delivery)).text
    assert "warning-name: Receiving programs refuse this name. 1" in text


def test_placeholders_are_reported(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    text = Seen(page_of(capsys, delivery)).text
    assert "15 files of it are empty placeholders" in text
    assert "No picture is shown." in text


def test_what_is_not_as_packaged_is_reported(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    (delivery.member / "script/scriptForImaging.py").unlink()
    ran = run_here(capsys, "report", delivery.path, "--json")
    assert ran.code == Exit.PROBLEMS
    assert json.loads(ran.out)["problem_count"] == 1
    text = Seen(Path(f"{delivery.path}.report.html").read_text()).text
    assert re.search(r"Not as packaged:\s+1 problem", text)
    assert "sg_ouss_id/group_ouss_id/member_ouss_id/script/scriptForImaging.py" in text


def test_content_is_compared_only_if_requested(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    script = delivery.member / "script/scriptForImaging.py"
    script.write_bytes(bytes(script.stat().st_size))
    quick, full = page_of(capsys, delivery), page_of(capsys, delivery, "--verify")
    assert "names, types and sizes compared" in Seen(quick).text
    assert "Not as packaged" in full
    assert "Not as packaged" not in quick


def test_a_delivery_beside_the_package_is_reported(
    capsys: Capsys, delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.make()
    monkeypatch.chdir(tmp_path)
    assert run_here(capsys, "tarsplit", "-n", "2012-06-20", delivery.path).code == Exit.DONE
    tar = tmp_path / "2011.0.00229.S_2012-06-20_001_of_001.tar"
    assert tar.name in Seen(page_of(capsys, delivery)).text
    with tar.open("ab") as file:
        file.write(b"x")
    assert f"has {tar.stat().st_size:,} bytes" in Seen(page_of(capsys, delivery)).text
    tar.unlink()
    assert "not in the folder" in Seen(page_of(capsys, delivery)).text


def test_a_delivery_elsewhere_is_reported_if_it_is_named(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    run_here(capsys, "tarsplit", "-n", "2012-06-20", delivery.path, "--output", tmp_path / "tars")
    assert "No tar files of this package were found." in page_of(capsys, delivery)
    assert "_001_of_001.tar" in page_of(capsys, delivery, "--delivery", str(tmp_path / "tars"))


def test_a_delivery_folder_that_is_not_there_is_refused(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    ran = run_here(capsys, "report", delivery.path, "--delivery", tmp_path / "tars")
    assert ran.code == Exit.FAILED
    assert f"  path-missing: There is no such file or folder.\n      {tmp_path / 'tars'}: " in ran.err


def test_more_texts_than_fit_are_counted(capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reportdata, "_MOST_CANDIDATES", 1)
    for name in "abc":
        write(delivery.origin / f"scriptFor{name}.py", b"x")
        write(delivery.origin / f"X8c/{UID}.ms.tsys.plots/{name}.png", png())
    delivery.make()
    text = Seen(page_of(capsys, delivery)).text
    assert re.search(r"And 6 more\.", text)
    assert re.search(r"Pictures that are not shown 5\s", text)


def test_an_adopted_package_is_reported(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    shutil.rmtree(os.fsdecode(delivery.package.control))
    without = run_here(capsys, "report", delivery.path)
    assert without.code == Exit.PROBLEMS
    assert "it has no manifest" in Path(f"{delivery.path}.report.html").read_text()
    run_here(capsys, "adopt", delivery.path)
    assert "found as it is, not made by this program" in page_of(capsys, delivery)


def test_hostile_names_and_contents_are_text(capsys: Capsys, delivery: Delivery) -> None:
    hostile = os.fsdecode(EVIL)
    write(delivery.origin / "X8c/qa2" / (hostile + "qa2.txt"), b"</pre></details><script>alert(3)</script>" + EVIL)
    write(delivery.origin / "X8c/qa2" / (hostile + "qa2_part1.png"), png())
    write(delivery.origin / (hostile + ".fits"), b"x")
    write(delivery.origin / (hostile + "left"), b"x")
    delivery.make()
    page = page_of(capsys, delivery)
    seen = Seen(page)
    tags = {tag for tag, _ in seen.tags}
    assert not tags & {"script", "iframe", "object", "embed", "link", "form", "base", "audio", "video"}
    assert [fields for tag, fields in seen.tags if any(name.startswith("on") for name in fields)] == []
    sources = [fields["src"] for _, fields in seen.tags if "src" in fields]
    assert sources
    assert [source for source in sources if not source.startswith("data:image/png;base64,")] == []
    assert {fields["href"][:1] for _, fields in seen.tags if "href" in fields} == {"#"}
    assert seen.text.count(hostile) >= 4


def test_the_policy_allows_the_style_of_the_page_alone(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    page = page_of(capsys, delivery)
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', page)[0])
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"\sstyle=", page)


def test_the_page_holds_nothing_from_elsewhere(capsys: Capsys, delivery: Delivery) -> None:
    add_measurement_sets(delivery.origin)
    delivery.make()
    page = page_of(capsys, delivery)
    assert not re.search(r"https?:|@import|url\(", page)


def test_large_pictures_are_left_out_by_the_rule(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embedding, "PICTURE_BYTES", 100)
    (tmp_path / "a.png").write_bytes(png(16))
    (tmp_path / "b.png").write_bytes(png(8) + bytes(100 - len(png(8)) + 1))
    candidates = [Candidate(name, (tmp_path / name.decode()).stat().st_size) for name in (b"a.png", b"b.png")]
    first, second = embed_pictures(os.fsencode(tmp_path), candidates, Budget())
    assert (bool(first.uri), second.uri, second.note) == (True, "", "too large")


def test_pictures_stop_when_the_page_is_full(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    candidates = [Candidate(b"a.png", len(png()))] * 3
    pictures = embed_pictures(os.fsencode(tmp_path), candidates, Budget(picture_bytes=2 * len(png())))
    assert [picture.note for picture in pictures] == ["", "", "the report is full"]


def test_only_the_start_of_a_long_text_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * 5000)
    candidates = [Candidate(b"a.txt", 5000)] * 3
    texts = embed_texts(os.fsencode(tmp_path), candidates, Budget(text_bytes=7000))
    assert [len(text.text) for text in texts] == [5000, 2000, 0]
    assert [text.note for text in texts] == ["", "only the first 2,000 bytes", "the report is full"]


def test_a_link_in_place_of_a_file_is_not_followed(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    delivery.make(Mode.COPY)
    write(tmp_path / "secret", b"the secret")
    checklist = delivery.member / "qa/X8c.checklist.txt"
    checklist.unlink()
    checklist.symlink_to(tmp_path / "secret")
    run_here(capsys, "report", delivery.path)
    page = Path(f"{delivery.path}.report.html").read_text()
    assert "the secret" not in page
    assert "not as it was packaged" in page


@pytest.mark.parametrize("place", ["2011.0.00229.S/x.html", "2011.0.00229.S.pack/x.html"])
def test_it_never_goes_into_the_package(capsys: Capsys, delivery: Delivery, tmp_path: Path, place: str) -> None:
    delivery.make()
    before = contents(tmp_path)
    assert run_here(capsys, "report", delivery.path, "-o", tmp_path / place).code == Exit.FAILED
    assert contents(tmp_path) == before


def test_it_replaces_a_report_and_nothing_else(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    mine = write(tmp_path / "mine.html", b"<!DOCTYPE html>\n<html><p>mine")
    refused = run_here(capsys, "report", delivery.path, "-o", mine)
    assert (refused.code, mine.read_bytes()) == (Exit.FAILED, b"<!DOCTYPE html>\n<html><p>mine")
    page = tmp_path / "page.html"
    assert run_here(capsys, "report", delivery.path, "-o", page).code == Exit.DONE
    delivery.make(append=Append.MEMBER)
    assert run_here(capsys, "report", delivery.path, "-o", page).code == Exit.DONE
    assert "2 members" in page.read_text()


def test_a_full_disk_leaves_the_old_page(capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery.make()
    run_here(capsys, "report", delivery.path)
    before = contents(delivery.path.parent)

    def fsync(self: Disk, fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Disk, "fsync", fsync)
    ran = run_here(capsys, "report", delivery.path)
    assert ran.code == Exit.FAILED
    assert "the disk is full" in ran.err
    assert contents(delivery.path.parent) == before


def test_names_may_be_broken_where_their_parts_end_and_are_escaped() -> None:
    assert breakable("qa/<u__1>&.png") == "qa/<wbr>&lt;u__<wbr>1&gt;&amp;.<wbr>png"


def report_of(bundled: Bundled, *options: str) -> str:
    ran = bundled.run("report", bundled.package, "--json", *options)
    return Path(json.loads(ran.out)["report"]).read_text()


def test_it_lists_the_files_in_bundles_with_what_was_found(tmp_path: Path, capsys: Capsys) -> None:
    bundled = Bundled(tmp_path, capsys)
    (bundled.origin / "a.cal" / os.fsdecode(EVIL)).write_bytes(b"evil")
    bundled.make()
    seen = Seen(report_of(bundled))
    text = " ".join(seen.text.split())
    assert text.count(": its size is as packaged") == 2 and "all/a.cal/sub/inner 14.6 KiB" in text
    assert f"all/a.cal/{EVIL.decode()} 4 B" in text and "script" not in [tag for tag, _ in seen.tags]
    tar = bundled.package / TAR
    tar.write_bytes(gzip.compress(gzip.decompress(tar.read_bytes()).replace(b"innera.cal", b"innerX.cal", 1)))
    text = " ".join(Seen(report_of(bundled, "--verify")).text.split())
    assert ": 1 file not as packaged" in text and text.count(": as packaged") == 1
    assert "all/a.cal/sub/inner 14.6 KiB not as packaged" in text and text.count("KiB not as packaged") == 1


def test_it_is_no_longer_than_the_files_in_bundles_may_make_it(tmp_path: Path, capsys: Capsys) -> None:
    bundled = Bundled(tmp_path, capsys)
    for number in range(2000):
        (bundled.origin / f"a.cal/&{'long_' * 40}{number}").touch()
    assert bundled.plan("fake").code == 0 and bundled.run("apply", bundled.package, "--jobs", "1").code == 0
    page = report_of(bundled)
    listed = page.count("<li><code>all/a.cal/")
    assert 500 < listed < 1500 and f"and {2003 - listed:,} more (pack show" in page
    assert len(page) < 2 << 20 and "a placeholder" in page
