"""`pack report` about many members: a page for each and an index, as a whole or not at all."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.transaction.history import Finished, History
from qa2pack.executor.transaction.journal_records import Publishing
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.problem import Code, Problem
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.report.deliveries import Delivery as Delivered
from qa2pack.pack.report.embed import Picture, Text
from qa2pack.pack.report.members import Block, Group, Part, Row
from qa2pack.pack.report.page import NO_HISTORY, Link, Page, Verified, render_page
from qa2pack.pack.report.page_set import MOST_LINKS, MOST_ON_ONE_PAGE, write_member, write_page_set
from qa2pack.pack.report.sheets import PAGE_BYTES
from support.commands import run_here
from support.in_process import Delivery, write
from support.report_pages import png
from support.snapshots import contents

Capsys = pytest.CaptureFixture[str]
NOTHING_DIFFERS = Verified((), False, 7)


@pytest.fixture
def many(package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of more members than one page takes."""
    monkeypatch.setattr("qa2pack.pack.report.make.MOST_ON_ONE_PAGE", 1)
    return package


def index_of(package: Path) -> Path:
    return Path(f"{package}.report.html")


def folder_of(package: Path) -> Path:
    return Path(f"{package}.report_members")


def links_of(page: Path) -> list[str]:
    """Return the links that lead to other pages."""
    return [link for link in re.findall(r'href="([^"]*)"', page.read_text()) if not link.startswith("#")]


def pages_of(package: Path) -> list[Path]:
    return [package.parent / unquote(link) for link in links_of(index_of(package))]


def whole() -> Page:
    return Page("2011.0.00229.S", "/data/2011.0.00229.S", NOTHING_DIFFERS, (), NO_HISTORY, ())


def test_the_index_links_to_a_page_of_each_member_and_these_to_the_index(capsys: Capsys, many: Path) -> None:
    ran = run_here(capsys, "report", many, "--progress", "json")
    assert ran.code == Exit.DONE
    events = [json.loads(line) for line in ran.err.splitlines()]
    ended = [(event["phase"], event["file_count"]) for event in events if event["event"] == "phase-end"]
    assert ended[-1] == ("write pages", 2)
    assert "3 linked pages for any browser" in ran.out
    assert f"  {folder_of(many)}/\n" in ran.out
    pages = pages_of(many)
    assert sorted(pages) == sorted(folder_of(many).iterdir())
    assert len(pages) == 2
    titles = [re.findall("<title>(.*)</title>", page.read_text()) for page in (index_of(many), *pages)]
    member = f"{many.name}: group_ouss_id/member_ouss_id"
    assert titles == [[many.name], [member], [f"{member}2"]]
    for number, page in enumerate(pages):
        assert [(page.parent / link).resolve() for link in links_of(page)] == [index_of(many)]
        assert page.read_text().count('<section id="member-') == 1
        assert ("member_ouss_id2" in page.read_text()) == (number == 1)
    assert '<section id="member-' not in index_of(many).read_text()
    assert 'id="history"' in index_of(many).read_text()


def test_reports_whose_names_differ_in_the_ending_alone_have_pages_of_their_own(
    capsys: Capsys, many: Path, tmp_path: Path
) -> None:
    for name in ("q.html", "q"):
        assert run_here(capsys, "report", many, "-o", tmp_path / name).code == Exit.DONE
    for name in ("q.html", "q"):
        links = links_of(tmp_path / name)
        assert len(links) == 2
        assert all((tmp_path / unquote(link)).is_file() for link in links)


def test_json_has_the_folder_of_the_pages(capsys: Capsys, many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = json.loads(run_here(capsys, "report", many, "--json").out)
    assert (fields["members"], fields["page_count"]) == (str(folder_of(many)), 3)
    monkeypatch.setattr("qa2pack.pack.report.make.MOST_ON_ONE_PAGE", 20)
    fields = json.loads(run_here(capsys, "report", many, "--json").out)
    assert (fields["members"], fields["page_count"]) == (None, 1)


def test_twenty_members_are_on_one_page(capsys: Capsys, package: Path) -> None:
    assert MOST_ON_ONE_PAGE == 20
    assert "one page for any browser" in run_here(capsys, "report", package).out
    assert not folder_of(package).exists()


def test_a_problem_is_on_the_page_of_its_member_and_on_the_index(capsys: Capsys, many: Path) -> None:
    damaged = many / "sg_ouss_id/group_ouss_id/member_ouss_id2/README"
    damaged.unlink()
    assert run_here(capsys, "report", many).code == Exit.PROBLEMS
    first, second = (page.read_text() for page in pages_of(many))
    assert ("Nothing differs." in first, "Not as packaged" in first) == (True, False)
    assert ("Nothing differs." in second, "Not as packaged" in second) == (False, True)
    assert "Not as packaged: 1 problem" in index_of(many).read_text()


def test_pages_of_an_earlier_report_go_and_all_other_files_stay(capsys: Capsys, many: Path) -> None:
    run_here(capsys, "report", many)
    earlier = pages_of(many)
    others = {
        write(folder_of(many) / "notes.txt", b"mine"),
        write(folder_of(many) / "0009.5.html", b"<!DOCTYPE html>mine"),
        write(folder_of(many) / "mine.html", earlier[0].read_bytes()),
    }
    write(folder_of(many) / "0001.5.html.qa2pack-partial", b"of a report that was stopped")
    run_here(capsys, "report", many)
    assert set(folder_of(many).iterdir()) == others | set(pages_of(many))
    assert set(earlier).isdisjoint(pages_of(many))


def test_pages_of_members_go_when_one_page_is_enough(
    capsys: Capsys, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_here(capsys, "report", many)
    monkeypatch.setattr("qa2pack.pack.report.make.MOST_ON_ONE_PAGE", 20)
    run_here(capsys, "report", many)
    assert not folder_of(many).exists()


@pytest.mark.parametrize("is_first", [True, False])
def test_a_report_that_fails_leaves_the_earlier_one(
    capsys: Capsys, many: Path, monkeypatch: pytest.MonkeyPatch, *, is_first: bool
) -> None:
    if not is_first:
        run_here(capsys, "report", many)
    before = contents(many.parent)
    for number in range(3):
        monkeypatch.setattr("qa2pack.pack.report.make.Disk", lambda number=number: FullDisk(number))
        assert run_here(capsys, "report", many).code != Exit.DONE
        assert contents(many.parent) == before
    monkeypatch.setattr("qa2pack.pack.report.make.Disk", lambda: FullDisk(3))
    assert run_here(capsys, "report", many).code == Exit.DONE


class FullDisk(Disk):
    """A disk that has room for so many files more."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def create(self, name: bytes, *, dir_fd: int | None = None, mode: int = 0o666) -> int:
        if not self.room:
            raise OSError(28, "No space left on device", os.fsdecode(name))
        self.room -= 1
        return super().create(name, dir_fd=dir_fd, mode=mode)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_something_else_in_the_place_of_the_folder_is_refused(capsys: Capsys, many: Path, kind: str) -> None:
    if kind == "link":
        folder_of(many).symlink_to(many.parent)
    else:
        folder_of(many).write_text("mine")
    before = contents(many.parent)
    ran = run_here(capsys, "report", many)
    assert ran.code == Exit.FAILED
    assert "  output-exists: " in ran.err
    assert str(folder_of(many)) in ran.err
    assert contents(many.parent) == before


def test_the_folder_of_pages_is_never_the_package(capsys: Capsys, many: Path) -> None:
    package = many.rename(many.with_name("p_members"))
    Path(f"{many}.pack").rename(f"{package}.pack")
    before = contents(package)
    ran = run_here(capsys, "report", package, "-o", package.with_name("p.html"))
    assert ran.code == Exit.FAILED
    assert contents(package) == before


def large_parts() -> Iterator[tuple[Part, Verified]]:
    """Yield sections with more than a page takes: of long names, and of a text where each character is escaped."""
    names = [f"product/{'&' * 240}{number}.fits" for number in range(2000)]
    rows = tuple(Row(name, 1, 1, 1.0) for name in names)
    groups = (Group("left", tuple(names[:1000]), 0),)
    texts = (Text("README", 1, '"' * (128 << 10)),)
    yield Part("products", products=rows, texts=texts), NOTHING_DIFFERS
    yield Part("tables", blocks=(Block("a", 1, rows), Block("b", 1, rows))), NOTHING_DIFFERS
    yield Part("left out", facts=(("from", "/data"),), left_out=groups, warnings=groups * 3), NOTHING_DIFFERS


def test_no_page_is_larger_than_two_megabytes_and_what_is_not_listed_is_counted(tmp_path: Path) -> None:
    index, folder = tmp_path / "report.html", tmp_path / "report_members"
    total = write_page_set(Disk(), os.fsencode(index), os.fsencode(folder), whole(), large_parts())
    pages = sorted(folder.iterdir())
    assert total.byte_count == sum(page.stat().st_size for page in [index, *pages])
    assert max(page.stat().st_size for page in pages) <= PAGE_BYTES
    products, text, tables, left_out = (page.read_text() for page in pages)
    assert products.count(pages[1].name) == 1 and "<pre" not in products
    assert '"' * (128 << 10) in text.replace("&#34;", '"')
    assert listed(products, "product/") + counted(products, "and {} more") == 2000
    assert listed(tables, "product/") + counted(tables, "And {} more") == 4000
    assert listed(left_out, "<li><code>product/") + counted(left_out, "and {} more") == 4000


def test_index_of_very_many_members_links_to_lists_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qa2pack.pack.report.page_set.MOST_LINKS", 3)
    index, folder = tmp_path / "report.html", tmp_path / "report_members"
    parts = [(Part(f"member{number}", file_count=2), NOTHING_DIFFERS) for number in range(7)]
    total = write_page_set(Disk(), os.fsencode(index), os.fsencode(folder), whole(), parts)
    lists = [tmp_path / unquote(link) for link in links_of(index)]
    linked = [(page, link) for page in lists for link in links_of(page)]
    members = {folder / unquote(link) for _, link in linked if not link.startswith("../")}
    assert (len(lists), len(members), total.page_count) == (3, 7, 11)
    assert {*lists, *members} == set(folder.iterdir())
    assert {(page.parent / link).resolve() for page, link in linked if link.startswith("../")} == {index}
    assert "7 members, 14 files" in index.read_text()
    assert "3 members, 6 files" in lists[0].read_text()
    assert "4 to 6: member3 to member5" in unbroken(index)


def test_list_of_members_with_the_longest_names_is_no_larger_than_a_page() -> None:
    link = Link("report_members/0001.1.html", "&" * 511, 1, 1, 1, 1, "x" * 100, 1, "")
    assert len(render_page(replace(whole(), links=(link,) * MOST_LINKS))) < PAGE_BYTES


def test_history_on_the_index_is_bounded_and_the_others_are_counted(tmp_path: Path) -> None:
    index = tmp_path / "report.html"
    applied = Finished(
        "1", b"m" * 500, b"", Mode.HARD, b"o" * 500, Publishing.EXCHANGE, "user", "host", 0, 1, 1, 1, 1, 1
    )
    problems = tuple(Problem(Code.MISSING, b"m" * 500 + b"%d" % number) for number in range(5000))
    deliveries = (Delivered("2012-06-20", "/data", ()),) * 2500
    journals = (b"j" * 200,) * 2500
    page = replace(
        whole(),
        deliveries=deliveries,
        history=History((applied,) * 5000, journals),
        verified=Verified(problems, False, 7),
    )
    write_page_set(Disk(), os.fsencode(index), os.fsencode(tmp_path / "members"), page, ())
    text = index.read_text()
    assert len(text) <= PAGE_BYTES
    assert listed(text, "<li><strong>") + counted(text, "And {} earlier ones") == 5000
    assert listed(text, "<li><code>mmm") + counted(text, "and {} more") == 5000
    assert listed(text, "<p>The journal jjj") + counted(text, "And {} more journals cannot be read") == 2500
    delivered = text.partition('id="delivery"')[2].partition("</section>")[0]
    assert listed(delivered, "<h3>2012-06-20") + counted(delivered, "And {} more") == 2500


def test_history_has_no_sizes_of_a_member_that_was_removed() -> None:
    removed = Finished("1", b"m", b"", Mode.HARD, b"", Publishing.MEMBER_REMOVAL, "ana", "vm", 0, 1, 1, 0, 0, 1)
    text = render_page(replace(whole(), history=History((removed,), ()))).decode()
    assert "m: a member was removed, mode hard; by ana on vm</li>" in text


def unbroken(page: Path) -> str:
    return page.read_text().replace("<wbr>", "")


def large_member() -> Part:
    """Return a section with more than a page takes: of pictures, texts that are escaped, and lists of long names."""
    (products, _), _, (left_out, _) = large_parts()
    sizes = [1_700_000, 90_000, 90_000, 900_000, 5, 1_500_000]
    return replace(
        products,
        pictures=tuple(
            Picture(f"qa/{'<' * 240}{number}.png", size, "data:image/png;base64," + "A" * size)
            for number, size in enumerate(sizes)
        ),
        unseen=tuple(Picture(f"qa/{number}.png", 9, note="too large") for number in range(1500)),
        texts=tuple(Text(f"script/{'&' * 240}{number}.py", 9, '"' * (256 << 10)) for number in range(4)),
        left_out=tuple(Group(path, (path,), 0) for path in left_out.left_out[0].paths),
        roles=tuple(Row("&" * 255, 1, 1, 1.0) for _ in range(1000)),
    )


def test_what_does_not_fit_on_the_page_of_the_only_member_is_on_further_pages(tmp_path: Path) -> None:
    index, folder = tmp_path / "the report.html", tmp_path / "report_members"
    part = large_member()
    page = replace(whole(), members=(part,))
    total = write_member(Disk(), os.fsencode(index), os.fsencode(folder), page)
    further = [tmp_path / unquote(link) for link in links_of(index)]
    assert sorted(further) == sorted(folder.iterdir())
    assert (total.page_count, total.picture_count) == (len(further) + 1, 6)
    assert total.byte_count == sum(each.stat().st_size for each in [index, *further])
    assert max(each.stat().st_size for each in [index, *further]) <= PAGE_BYTES
    pages = [each.read_text() for each in [index, *further]]
    assert [uri for each in pages for uri in re.findall(r'src="([^"]*)"', each)] == [
        each.uri for each in part.pictures
    ]
    assert sum(each.count("<pre") for each in pages) == 4
    assert "<title>2011.0.00229.S: products, Pictures 4 to 5 of 6</title>" in "".join(pages)
    assert {(each.parent / unquote(link)).resolve() for each in further for link in links_of(each)} == {
        index,
        *further,
    }
    unseen = pages[0].partition("Pictures that are not shown")[2].partition("<h3>Texts")[0]
    assert listed(unseen, "<li><code>qa/") + counted(unseen, "and {} more") == 1500
    groups = pages[0].partition("<h3>Left out")[2].partition("<section")[0]
    assert sum(int(count) for count in re.findall(r'<summary>.*<span class="count">(\d+)<', groups)) == 1000
    sizes = pages[0].partition("<h3>Sizes")[2].partition("<h3>")[0]
    assert listed(sizes, '<th scope="row">&amp;') + counted(sizes, "and {} more") == 1000


def test_few_members_that_do_not_fit_on_one_page_have_a_page_each(capsys: Capsys, delivery: Delivery) -> None:
    write(delivery.origin / "X8c/qa2/qa2_part1.png", png() + bytes(1_000_000))
    delivery.make()
    assert "one page" in run_here(capsys, "report", delivery.path).out
    delivery.make(append=Append.MEMBER)
    fields = json.loads(run_here(capsys, "report", delivery.path, "--json").out)
    assert (fields["page_count"], fields["picture_count"]) == (3, 2)
    assert [page.read_text().count("<img ") for page in pages_of(delivery.path)] == [1, 1]


def test_a_picture_too_large_for_any_page_is_a_file_that_the_next_report_removes(
    capsys: Capsys, delivery: Delivery
) -> None:
    content = png() + bytes(2_000_000)
    picture = write(delivery.origin / "X8c/qa2/qa2_part1.png", content)
    delivery.make()
    assert "one page and 1 picture for any browser" in run_here(capsys, "report", delivery.path).out
    (file,) = pages_of(delivery.path)
    assert (file.suffix, file.read_bytes()) == (".png", content)
    mine = write(file.with_name("0001.5.png"), content)
    picture.write_bytes(content + b"changed")  # linked by the package, which is not as packaged any more
    assert run_here(capsys, "report", delivery.path).code == Exit.PROBLEMS
    assert "_part1.png</code> 1.9 MiB: not as it was packaged" in index_of(delivery.path).read_text()
    assert list(folder_of(delivery.path).iterdir()) == [mine]


def listed(page: str, start: str) -> int:
    return page.count(start)


def counted(page: str, words: str) -> int:
    return sum(int(number.replace(",", "")) for number in re.findall(words.format("([0-9,]+)"), page))


def test_pictures_of_each_member_have_room_of_their_own(
    capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa2pack.pack.report.make.MOST_ON_ONE_PAGE", 0)
    write(delivery.origin / "X8c/qa2/qa2_part1.png", png())
    delivery.make()
    assert run_here(capsys, "report", delivery.path).code == Exit.DONE
    (page,) = pages_of(delivery.path)
    assert "data:image/png;base64," in page.read_text()
