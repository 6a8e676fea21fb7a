"""The report page in a real browser: asks for nothing, runs nothing, works with keyboard, on a phone, in print."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qa2pack.pack.cli import main
from support.browser import CHROMIUM, Tab, opened_tab
from support.in_process import Delivery, add_measurement_sets, make_reduction, write
from support.report_pages import EVIL, png

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here (Debian: apt install chromium)")


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with opened_tab(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with pictures, tables, long names, and texts that would do harm."""
    folder = tmp_path_factory.mktemp("report")
    delivery = Delivery(make_reduction(folder / "sb1"), folder / "2011.0.00229.S")
    add_measurement_sets(delivery.origin)
    for number in (1, 2, 3):
        write(delivery.origin / f"X8c/qa2/qa2_part{number}.png", png(200))
    write(delivery.origin / f"X8c/qa2/{EVIL.decode()}qa2.txt", b"</pre><script>document.title = 1</script>" + EVIL)
    write(delivery.origin / f"{'long_name_' * 20}.fits", b"x")
    delivery.make()
    assert main(["report", str(delivery.path), "--quiet"]) == 0
    return Path(f"{delivery.path}.report.html")


@pytest.fixture
def shown(tab: Tab, page: Path) -> Tab:
    """The report in the browser, on a screen of usual size."""
    tab.show_as()
    tab.resize(1000)
    tab.requested.clear()
    tab.open("about:blank")
    tab.open(page.as_uri())
    return tab


@contextmanager
def listening() -> Iterator[str]:
    """Yield the address of a server that answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def test_a_request_would_be_seen(tab: Tab, tmp_path: Path) -> None:
    """The test of the next test: a page that does ask is distinguished."""
    with listening() as address:
        (tmp_path / "asking.html").write_text(f"<script>fetch('{address}').catch(() => 0)</script>")
        tab.requested.clear()
        tab.open((tmp_path / "asking.html").as_uri())
        tab.value("1")
    assert address in tab.requested


def test_no_request_leaves_the_page(shown: Tab, page: Path) -> None:
    asked = {address for address in shown.requested if not address.startswith("data:image/png")}
    assert asked - {"about:blank"} == {page.as_uri()}


def test_the_policy_stops_what_would_ask(shown: Tab, page: Path, tmp_path: Path) -> None:
    with listening() as address:
        broken = page.read_text().replace(
            "</main>", f"<script>document.title = 'ran'</script><img src='{address}'></main>"
        )
        (tmp_path / "broken.html").write_text(broken)
        shown.open((tmp_path / "broken.html").as_uri())
        assert shown.value("document.title") == "2011.0.00229.S"
        assert shown.value("document.querySelector('main > img').naturalWidth") == 0


def test_nothing_of_the_package_runs(shown: Tab) -> None:
    assert shown.value("document.scripts.length") == 0
    assert shown.value("document.title") == "2011.0.00229.S"


def test_its_own_style_is_allowed(shown: Tab) -> None:
    assert shown.value("getComputedStyle(document.querySelector('nav ul')).display") == "flex"


def test_every_picture_is_drawn(shown: Tab) -> None:
    shown.value("[...document.images].forEach(image => image.loading = 'eager')")
    assert shown.value("Promise.all([...document.images].map(i => i.decode())).then(all => all.length)") == 3


def test_a_picture_opens_large_and_closes_by_keyboard(shown: Tab) -> None:
    width = "document.querySelector('.open img').getBoundingClientRect().width"
    small = shown.value(width)
    shown.value("document.querySelector('.open').focus()")
    shown.press("Enter", "\r")
    assert shown.value("location.hash") == "#picture-1-1"
    assert shown.value(width) > 3 * small
    shown.press("Tab")
    assert shown.value("document.activeElement.textContent") == "close"
    shown.press("Enter", "\r")
    assert shown.value(width) == small


def test_every_text_opens_by_keyboard(shown: Tab) -> None:
    shown.value("document.querySelector('pre').closest('details').querySelector('summary').focus()")
    shown.press("Enter", "\r")
    assert shown.value("document.querySelector('pre').closest('details').open")


@pytest.mark.parametrize("width", [320, 360, 768, 1400])
def test_nothing_sticks_out_at_the_side(shown: Tab, width: int) -> None:
    shown.resize(width)
    shown.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert shown.value("document.documentElement.scrollWidth") <= width


def test_dark_and_light_differ_and_can_be_read(shown: Tab) -> None:
    colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color].join()"
    light = shown.value(colours)
    shown.show_as(scheme="dark")
    dark = shown.value(colours)
    assert (light, dark) == ("rgb(253, 253, 252),rgb(27, 31, 36)", "rgb(21, 24, 28),rgb(230, 232, 235)")


def test_in_print_closed_texts_are_there_and_menus_are_not(shown: Tab) -> None:
    is_visible = "document.querySelector('pre').checkVisibility()"
    assert not shown.value(is_visible)
    shown.show_as(medium="print")
    assert shown.value(is_visible)
    assert shown.value("getComputedStyle(document.querySelector('nav')).display") == "none"


def test_every_link_leads_to_a_part_of_the_page(shown: Tab) -> None:
    lost = "[...document.links].filter(a => !document.querySelector(a.getAttribute('href'))).length"
    assert shown.value("document.links.length") > 5
    assert shown.value(lost) == 0


def test_an_index_leads_to_the_page_of_a_member_and_back(
    tab: Tab, tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa2pack.pack.report.make.MOST_ON_ONE_PAGE", 1)
    index = tmp_path / "of #two %members?.html"
    assert main(["report", str(package), "--quiet", "-o", str(index)]) == 0
    tab.resize(360)
    tab.open(index.as_uri())
    assert tab.value("document.documentElement.scrollWidth") <= 360
    page = tab.value("document.querySelectorAll('#members a')[1].href")
    tab.open(page)
    assert tab.value("document.querySelectorAll('main h2')[0].textContent").endswith("member_ouss_id2")
    assert tab.value("document.documentElement.scrollWidth") <= 360
    back = tab.value("document.querySelector('nav a').href")
    assert back == index.as_uri()
    tab.open(back)
    assert tab.value("document.querySelectorAll('#members a').length") == 2


def test_pictures_without_room_are_on_further_pages_that_lead_there_and_back(
    tab: Tab, tmp_path: Path, delivery: Delivery
) -> None:
    for number in (1, 2, 3, 4):
        write(delivery.origin / f"X8c/qa2/qa2_part{number}.png", png(200) + bytes(1_200_000))
    delivery.make()
    first = tmp_path / "of #one %member?.html"
    assert main(["report", str(delivery.path), "--quiet", "-o", str(first)]) == 0
    tab.resize(360)
    tab.open(first.as_uri())
    further = tab.value("[...document.querySelectorAll('.further a')].map(a => a.href)")
    seen = []
    for address in (first.as_uri(), *further):
        tab.open(address)
        drawn = "Promise.all([...document.images].map(i => (i.loading = 'eager', i.decode())))"
        seen.append(tab.value(f"{drawn}.then(all => all.length)"))
        assert tab.value("document.documentElement.scrollWidth") <= 360
    assert seen == [1, 1, 1, 1]
    tab.open(tab.value("[...document.links].find(a => a.textContent == 'Previous page').href"))
    assert tab.value("location.href") == further[1]
    tab.open(tab.value("document.querySelector('nav a').href"))
    assert tab.value("location.href") == first.as_uri()


def test_ids_are_unique(shown: Tab) -> None:
    assert (
        shown.value("(ids => ids.length - new Set(ids).size)([...document.querySelectorAll('[id]')].map(e => e.id))")
        == 0
    )
