"""Listings: whole over any number of pages, escaped where a name cannot be said, and bounded."""

import hashlib
import os
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core import SettingError, SourceError, SourceNotFoundError, TransferError
from heliograph.link import listing
from heliograph.link.digest import Digests
from heliograph.link.listing import FileEntry, Listing, ListingRequest, list_files
from heliograph.link.roots import Root


def listed(folder: Path, path: str = ".", *, recursive: bool = False, hashes: bool = False) -> list[FileEntry]:
    """Give all pages."""
    root, digests, after = Root(folder), Digests(), ""
    entries: list[FileEntry] = []
    while True:
        request = ListingRequest(path=path, recursive=recursive, hashes=hashes, after=after)
        page = list_files(root, request, digests, threading.Event())
        entries += page.entries
        if not page.more:
            return entries
        assert page.entries
        after = page.entries[-1].path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "deep.txt").write_text("deep")
    (tmp_path / "b-1").write_text("one")
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "link").symlink_to("a.txt")
    (tmp_path / "way").symlink_to("b")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def test_a_folder_is_listed_in_order_and_links_are_not_followed(tree: Path) -> None:
    assert [(each.path, each.kind, each.size_bytes) for each in listed(tree)] == [
        ("a.txt", "file", 5),
        ("b", "folder", 0),
        ("b-1", "file", 3),
        ("link", "link", 0),
        ("pipe", "device", 0),
        ("way", "link", 0),
    ]


def test_what_is_below_comes_after_its_folder(tree: Path) -> None:
    paths = [each.path for each in listed(tree, recursive=True)]
    assert paths == ["a.txt", "b", "b/c", "b/c/deep.txt", "b-1", "link", "pipe", "way"]


def test_paths_are_told_from_the_root(tree: Path) -> None:
    assert [each.path for each in listed(tree, "b", recursive=True)] == ["b/c", "b/c/deep.txt"]
    (entry,) = listed(tree, "./b//c/deep.txt")
    assert (entry.path, entry.kind, entry.size_bytes) == ("b/c/deep.txt", "file", 4)
    assert entry.modified_wall_ns == (tree / "b/c/deep.txt").stat().st_mtime_ns
    assert [each.kind for each in listed(tree, "way")] == ["link"]


def test_digests_are_of_the_content(tree: Path) -> None:
    found = {each.path: each.sha256 for each in listed(tree, recursive=True, hashes=True)}
    assert found["b/c/deep.txt"] == hashlib.sha256(b"deep").hexdigest()
    assert not any(found[path] for path in ("b", "link", "pipe"))


def test_what_cannot_be_listed_is_refused(tree: Path) -> None:
    for path, error in (("none", SourceNotFoundError), ("way/c", SourceError), ("../x", SettingError)):
        with pytest.raises(error):
            listed(tree, path)


def test_names_that_cannot_be_said_are_escaped_and_marked(tmp_path: Path) -> None:
    names = {b"bad \xff": "bad \\xff", b"two\nlines": "two\\nlines", b"esc\x1b[2J": "esc\\x1b[2J"}
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    (tmp_path / os.fsdecode(b"folder \xfe")).mkdir()
    (tmp_path / os.fsdecode(b"folder \xfe") / "inside.txt").touch()
    (tmp_path / "straight \\xff").touch()
    found = {each.path: each.unreachable for each in listed(tmp_path, recursive=True, hashes=True)}
    assert found == {
        **dict.fromkeys(names.values(), True),
        "folder \\xfe": True,
        "folder \\xfe/inside.txt": True,
        "straight \\xff": False,
    }
    assert msgspec.json.encode(list(found))


def test_deep_folders_end_the_walk_and_not_the_program(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    found = listed(tmp_path, recursive=True)
    assert [each.unreachable for each in found] == [False] * 64 + [True]


def test_a_listing_can_be_cancelled(tree: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(TransferError, match="cancelled"):
        list_files(Root(tree), ListingRequest(hashes=True), Digests(), cancelled)


def test_pages_are_bounded_and_nothing_is_left_out(tmp_path: Path) -> None:
    for number in range(700):
        (tmp_path / f"{number:0200d}").touch()
    pages: list[Listing] = []
    after = ""
    while not pages or pages[-1].more:
        pages.append(list_files(Root(tmp_path), ListingRequest(after=after), Digests(), threading.Event()))
        after = pages[-1].entries[-1].path
    assert sum(len(page.entries) for page in pages) == 700
    # A command's result has at most 64 kB.
    assert max(len(msgspec.msgpack.encode(msgspec.to_builtins(page))) for page in pages) < 60_000
    assert msgspec.convert(msgspec.to_builtins(pages[0]), Listing) == pages[0]


names = st.text(st.sampled_from("ab-./!ü"), min_size=1, max_size=3).filter(lambda name: name.strip("./") != "")


@settings(max_examples=60)
@given(paths=st.lists(names, max_size=12), page_bytes=st.integers(200, 900))
def test_any_tree_is_listed_once_over_pages_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, paths: list[str], page_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    for path in paths:
        try:
            file = folder.joinpath(*[part for part in path.split("/") if part not in ("", ".", "..")])
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        except OSError:
            continue  # a file where this one needs a folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_PAGE_BYTES", page_bytes)
        found = [each.path for each in listed(folder, recursive=True)]
    assert sorted(found) == sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))
    assert found == sorted(found, key=lambda path: path.split("/"))


def test_long_hashing_ends_a_page(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_HASHED_BYTES", 4)
    page = list_files(Root(tree), ListingRequest(hashes=True), Digests(), threading.Event())
    assert page.more
    assert [each.path for each in page.entries] == ["a.txt"]
