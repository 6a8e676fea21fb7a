"""The survey of an origin: kinds, links, and what is not entered."""

import os
import socket
from pathlib import Path

import pytest

from qa2pack.manifest.layout.survey import DEPTH_LIMIT, Kind, Node, survey
from qa2pack.manifest.problem import Code, Refused
from support.trees import make_tree
from support.users import as_ordinary_user, folder_of_everybody


def look(root: Path, *, follow_outside: bool = False) -> dict[str, Node]:
    """Survey a folder, plots being opaque; return its nodes by their visible paths."""
    origin = survey(os.fsencode(root), opaque=lambda name: name.endswith(b".plots"), follow_outside=follow_outside)
    return dict(by_path(origin, ""))


def by_path(node: Node, path: str) -> list[tuple[str, Node]]:
    below = [
        pair for child in node.children for pair in by_path(child, f"{path}/{os.fsdecode(child.name)}".lstrip("/"))
    ]
    return [(path, node), *below]


def test_files_have_sizes_and_sources(tmp_path: Path) -> None:
    nodes = look(make_tree(tmp_path, ["a/b.fits\t12"]))
    assert nodes["a/b.fits"] == Node(b"b.fits", Kind.FILE, size=12, source=b"a/b.fits")


def test_children_are_sorted_by_name(tmp_path: Path) -> None:
    nodes = look(make_tree(tmp_path, ["b", "a", "c/", "B"]))
    assert [child.name for child in nodes[""].children] == [b"B", b"a", b"b", b"c"]


def test_folder_with_table_dat_is_a_table_and_not_entered(tmp_path: Path) -> None:
    nodes = look(make_tree(tmp_path, ["u.ms/table.dat", "u.ms/ANTENNA/table.dat"]))
    assert nodes["u.ms"] == Node(b"u.ms", Kind.TABLE, source=b"u.ms")


def test_opaque_folder_is_not_entered(tmp_path: Path) -> None:
    nodes = look(make_tree(tmp_path, ["t.plots/a.png"]))
    assert nodes["t.plots"] == Node(b"t.plots", Kind.FOLDER, source=b"t.plots", opaque=True)


def test_table_with_an_opaque_name_is_still_a_table(tmp_path: Path) -> None:
    assert look(make_tree(tmp_path, ["t.plots/table.dat"]))["t.plots"].kind is Kind.TABLE


def test_raw_observation_is_opaque_whatever_its_name(tmp_path: Path) -> None:
    nodes = look(make_tree(tmp_path, ["asdm/ASDM.xml", "asdm/Main.xml"]))
    assert nodes["asdm"].opaque
    assert "asdm/Main.xml" not in nodes


def test_any_linux_name_is_kept(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n"))).touch()
    assert [child.name for child in look(tmp_path)[""].children] == [b"\xff\n"]


def test_link_to_a_file_counts_as_the_file(tmp_path: Path) -> None:
    nodes = look(make_tree(tmp_path, ["a/real\t5", "b/link -> ../a/real"]))
    assert nodes["b/link"] == Node(b"link", Kind.FILE, size=5, source=b"a/real")


def test_chain_of_links_leads_to_its_end(tmp_path: Path) -> None:
    nodes = look(make_tree(tmp_path, ["real\t5", "one -> real", "two -> one"]))
    assert nodes["two"].source == b"real"


def test_link_to_a_table_counts_as_the_table(tmp_path: Path) -> None:
    nodes = look(make_tree(tmp_path, ["a/u.ms/table.dat", "b/v.ms -> ../a/u.ms"]))
    assert nodes["b/v.ms"] == Node(b"v.ms", Kind.TABLE, source=b"a/u.ms")


def test_what_is_in_a_linked_folder_is_read_where_it_is(tmp_path: Path) -> None:
    nodes = look(make_tree(tmp_path, ["a/deep/x\t1", "b -> a/deep"]))
    assert nodes["b/x"].source == b"a/deep/x"


def test_origin_may_be_a_link(tmp_path: Path) -> None:
    make_tree(tmp_path, ["real/x\t1", "real/y -> x", "origin -> real"])
    assert look(tmp_path / "origin")["y"].source == b"x"


def test_dangling_link_is_reported(tmp_path: Path) -> None:
    assert look(make_tree(tmp_path, ["gone -> nowhere"]))["gone"].kind is Kind.BROKEN_LINK


def test_link_through_a_file_is_dangling(tmp_path: Path) -> None:
    assert look(make_tree(tmp_path, ["file", "gone -> file/below"]))["gone"].kind is Kind.BROKEN_LINK


def test_link_to_itself_is_a_loop(tmp_path: Path) -> None:
    assert look(make_tree(tmp_path, ["self -> self"]))["self"].kind is Kind.LOOP


@pytest.mark.parametrize("target", [".", "..", "../.."])
def test_link_to_a_folder_around_it_is_a_loop(tmp_path: Path, target: str) -> None:
    nodes = look(make_tree(tmp_path / "origin", [f"a/b/loop -> {target}"]))
    assert nodes["a/b/loop"].kind is Kind.LOOP


def test_link_to_a_folder_around_the_origin_is_a_loop_even_when_followed(tmp_path: Path) -> None:
    nodes = look(make_tree(tmp_path / "origin", ["up -> ../.."]), follow_outside=True)
    assert nodes["up"].kind is Kind.LOOP


def test_folders_that_link_to_each_other_are_a_loop(tmp_path: Path) -> None:
    nodes = look(make_tree(tmp_path, ["a/b -> ../b", "b/a -> ../a"]))
    assert nodes["a/b/a"].kind is Kind.LOOP


def test_link_out_of_the_origin_is_not_followed(tmp_path: Path) -> None:
    make_tree(tmp_path, ["other/x\t5", "origin/x -> ../other/x"])
    node = look(tmp_path / "origin")["x"]
    assert (node.kind, node.source) == (Kind.OUTSIDE, os.fsencode(tmp_path / "other/x"))


def test_folder_whose_name_begins_like_the_origins_is_outside(tmp_path: Path) -> None:
    make_tree(tmp_path, ["origin2/x\t5", "origin/x -> ../origin2/x"])
    assert look(tmp_path / "origin")["x"].kind is Kind.OUTSIDE


def test_link_out_of_the_origin_is_followed_when_wanted(tmp_path: Path) -> None:
    make_tree(tmp_path, ["other/deep/x\t5", "origin/d -> ../other"])
    nodes = look(tmp_path / "origin", follow_outside=True)
    expected = Node(b"x", Kind.FILE, size=5, source=os.fsencode(tmp_path / "other/deep/x"))
    assert nodes["d/deep/x"] == expected


def test_where_an_outside_link_leads_is_escaped(tmp_path: Path) -> None:
    make_tree(tmp_path, ["o\x1bther", "origin/x -> ../o\x1bther"])
    assert look(tmp_path / "origin")["x"].detail.endswith(r"o\x1bther")


def test_pipe_is_special(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    node = look(tmp_path)["pipe"]
    assert (node.kind, node.detail) == (Kind.SPECIAL, "a named pipe")


def test_socket_behind_a_link_is_special(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the address of a socket has room for 107 bytes only
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        make_tree(tmp_path, ["link -> socket"])
        assert look(tmp_path)["link"].detail == "a socket"


def test_folder_without_permission_is_unreadable() -> None:
    with folder_of_everybody() as folder, as_ordinary_user():  # root may read everything
        make_tree(folder, ["locked/x"])
        (folder / "locked").chmod(0)
        node = look(folder)["locked"]
    assert (node.kind, node.detail) == (Kind.UNREADABLE, "permission denied")


def test_folder_too_deep_for_the_kernel_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(4096 // 250 + 1):
        monkeypatch.chdir(make_tree(Path(), ["d" * 250 + "/"]) / ("d" * 250))
    nodes = look(tmp_path)
    assert [node.detail for node in nodes.values() if node.kind is Kind.UNREADABLE] == ["file name too long"]


def test_link_to_a_folder_that_cannot_be_read_is_named_itself() -> None:
    with folder_of_everybody() as folder, as_ordinary_user():
        make_tree(folder, ["secret/x", "b/l -> ../secret"])
        (folder / "secret").chmod(0)
        nodes = look(folder)
    assert (nodes["b/l"].kind, nodes["b/l"].source) == (Kind.UNREADABLE, b"b/l")


def test_bottomless_tree_ends_as_unreadable(tmp_path: Path) -> None:
    make_tree(tmp_path, ["/".join(["d"] * (DEPTH_LIMIT + 1)) + "/x"])
    nodes = look(tmp_path)
    assert nodes["/".join(["d"] * DEPTH_LIMIT)].kind is Kind.UNREADABLE


def test_missing_origin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        look(tmp_path / "missing")
    assert [problem.code for problem in refused.value.problems] == [Code.ORIGIN_MISSING]


def test_file_as_origin_is_refused(tmp_path: Path) -> None:
    make_tree(tmp_path, ["file"])
    with pytest.raises(Refused) as refused:
        look(tmp_path / "file")
    assert [problem.code for problem in refused.value.problems] == [Code.ORIGIN_NOT_FOLDER]
