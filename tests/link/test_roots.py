"""A root that no name, link or device leads out of, also while somebody exchanges folders."""

import ctypes
import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from heliograph.core import HeliographError, OutputError, SettingError, SourceError, SourceNotFoundError
from heliograph.link.paths import DEEPEST, is_path
from heliograph.link.roots import Root, kind_of

# Of renameat2(2).
_HERE, _EXCHANGE = -100, 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    (inside / "a" / "b").mkdir(parents=True)
    (inside / "a" / "b" / "Grüße 1.txt").write_text("hello")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    return inside


@pytest.fixture
def root(folder: Path) -> Root:
    return Root(folder)


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def read(root: Root, path: str) -> bytes:
    with root.open(path) as stream:
        return stream.read()


@pytest.mark.parametrize("path", ["a/b/Grüße 1.txt", "a//b/./Grüße 1.txt"])
def test_a_file_below_is_read(root: Root, path: str) -> None:
    assert read(root, path) == b"hello"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../outside/secret.txt",
        "a/../../outside/secret.txt",
        "..",
        "two\nlines",
        "bell\x07",
        "c1\x9b2J",
        "line\u2028separator",
        "nul\x00",
        "no utf-8 \udcff",
        "x" * 256,
        "ü" * 128,
        "/".join("x" * (DEEPEST + 1)),
        "/".join(["y" * 200] * 6),
    ],
)
def test_a_path_that_cannot_be_is_refused_in_one_line(root: Root, path: str) -> None:
    for use in (root.open, root.delete, root.look, lambda name: root.open_part(name, "1-1")):
        with pytest.raises(SettingError) as refused:
            use(path)
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 400
    assert not is_path(path)


@pytest.mark.parametrize("path", [".", "", "./"])
def test_the_root_itself_is_no_file(root: Root, path: str) -> None:
    with pytest.raises(SettingError, match="below it"):
        root.open(path)


def test_what_is_not_there(root: Root) -> None:
    for path in ("none.txt", "none/a.txt", "a/none/b.txt"):
        with pytest.raises(SourceNotFoundError, match="there is no"):
            root.open(path)
        with pytest.raises(SourceNotFoundError):
            root.delete(path)
        assert root.look(path) is None


def test_no_folder_is_no_root(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no folder"):
        Root(tmp_path / "none")


def test_a_root_that_went_away_is_told(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    root = Root(tmp_path / "root")
    (tmp_path / "root").rmdir()
    for use in (lambda: root.open("a"), root.free_bytes):
        with pytest.raises(SourceNotFoundError, match="root is gone"):
            use()


def test_links_are_not_followed(root: Root, folder: Path) -> None:
    (folder / "file").symlink_to("../outside/secret.txt")
    (folder / "way").symlink_to("../outside")
    (folder / "a" / "here").symlink_to("b")
    for path in ("file", "way/secret.txt", "a/here/Grüße 1.txt"):
        with pytest.raises(SourceError):
            root.open(path)
    for path in ("way/new.txt", "way/new/new.txt"):
        with pytest.raises(SourceError):
            root.open_part(path, "1-1")
    with pytest.raises(SourceError):
        root.delete("way/secret.txt")
    root.delete("way")  # the link, not what it leads to
    assert names_in(folder.parent / "outside") == ["secret.txt"]


def test_devices_pipes_and_sockets_are_not_opened(root: Root, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        names = ["pipe", "socket", "a"]
        if os.geteuid() == 0:
            os.mknod(folder / "null", 0o20666, os.makedev(1, 3))
            names.append("null")
        for name in names:
            with pytest.raises(SourceError, match="no plain file"):
                root.open(name)
    assert kind_of((folder / "pipe").stat().st_mode) == "device"


def test_a_part_becomes_the_file(root: Root, folder: Path) -> None:
    with root.open_part("new/deep/x.bin", "7-1") as part:
        part.write(b"one")
    with root.open_part("new/deep/x.bin", "7-1") as part:
        assert part.read() == b"one"
        part.write(b"two")
        assert not (folder / "new/deep/x.bin").exists()
        root.publish_part("new/deep/x.bin", "7-1", replace=False)
    assert names_in(folder / "new/deep") == ["x.bin"]
    assert read(root, "new/deep/x.bin") == b"onetwo"


def test_a_file_is_replaced_only_when_told(root: Root, folder: Path) -> None:
    (folder / "x.bin").write_bytes(b"old")
    with root.open_part("x.bin", "7-1") as part:
        part.write(b"new")
        with pytest.raises(OutputError, match="there already"):
            root.publish_part("x.bin", "7-1", replace=False)
        assert (folder / "x.bin").read_bytes() == b"old"
        root.publish_part("x.bin", "7-1", replace=True)
    assert (folder / "x.bin").read_bytes() == b"new"


def test_without_hard_links_nothing_is_replaced_either(
    root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)  # as FAT answers
    with root.open_part("x.bin", "7-1") as part:
        part.write(b"one")
        root.publish_part("x.bin", "7-1", replace=False)
    assert read(root, "x.bin") == b"one"
    root.open_part("x.bin", "7-2").close()
    with pytest.raises(OutputError, match="there already"):
        root.publish_part("x.bin", "7-2", replace=False)


def test_a_folder_keeps_its_name(root: Root) -> None:
    root.open_part("a", "7-1").close()
    with pytest.raises(OutputError):
        root.publish_part("a", "7-1", replace=True)


def test_what_was_received_can_be_forgotten(root: Root, folder: Path) -> None:
    root.open_part("new/x.bin", "7-1").close()
    root.discard_part("new/x.bin", "7-1")
    root.discard_part("new/x.bin", "7-1")
    root.discard_part("never/x.bin", "7-1")
    assert names_in(folder / "new") == []


def test_a_part_with_a_second_name_is_not_written(root: Root, folder: Path) -> None:
    os.link(folder.parent / "outside" / "secret.txt", folder / ".7-1.part")
    with pytest.raises(OutputError, match="second name"):
        root.open_part("x.bin", "7-1")


@pytest.mark.parametrize("what", ["link", "pipe"])
def test_a_part_that_is_something_else_is_not_opened(root: Root, folder: Path, what: str) -> None:
    part = folder / ".7-1.part"
    part.symlink_to("../outside/secret.txt") if what == "link" else os.mkfifo(part)
    with pytest.raises(SourceError, match="no plain file"):
        root.open_part("x.bin", "7-1")


def test_a_part_that_was_exchanged_for_a_link_gets_no_name(root: Root, folder: Path) -> None:
    root.open_part("x.bin", "7-1").close()
    (folder / ".7-1.part").unlink()
    (folder / ".7-1.part").symlink_to("../outside/secret.txt")
    with pytest.raises(SourceError, match="no plain file"):
        root.publish_part("x.bin", "7-1", replace=True)
    assert root.look("x.bin") is None


def test_after_a_crash_between_its_steps_a_name_is_given_again(root: Root, folder: Path) -> None:
    for replace in (False, True):
        with root.open_part("x.bin", "7-1") as part:
            part.write(b"one")
        os.link(folder / ".7-1.part", folder / "x.bin")  # and the power fails
        with root.open_part("x.bin", "7-1") as part:
            assert part.read() == b"one"
        for _ in range(2):
            root.publish_part("x.bin", "7-1", replace=replace)
            assert names_in(folder) == ["a", "x.bin"]
        root.delete("x.bin")


def test_a_part_that_was_deleted_gets_no_name(root: Root) -> None:
    root.open_part("x.bin", "7-1").close()
    root.discard_part("x.bin", "7-1")
    with pytest.raises(OutputError, match="send it again"):
        root.publish_part("x.bin", "7-1", replace=False)


def test_files_and_empty_folders_are_deleted(root: Root, folder: Path) -> None:
    with pytest.raises(OutputError, match="not empty"):
        root.delete("a/b")
    root.delete("a/b/Grüße 1.txt")
    root.delete("a/b")
    assert names_in(folder / "a") == []


def test_a_full_disk_is_told_as_such(root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a transfer waits for room."""
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(os, "mkdir", Mock(side_effect=full))
    with pytest.raises(OutputError, match="No space left") as refused:
        root.open_part("new/x.bin", "7-1")
    assert refused.value.errno == errno.ENOSPC
    root.open_part("x.bin", "7-1").close()
    monkeypatch.setattr(os, "link", Mock(side_effect=full))
    with pytest.raises(OutputError, match="No space left") as refused:
        root.publish_part("x.bin", "7-1", replace=False)
    assert refused.value.errno == errno.ENOSPC


def test_there_is_room(root: Root) -> None:
    assert root.free_bytes() > 0


@contextmanager
def exchanging(first: Path, second: Path) -> Iterator[None]:
    """Exchange two names in one step, again and again, in a thread."""
    ended = threading.Event()
    exchange = ctypes.CDLL(None).renameat2
    words = (_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE)

    def run() -> None:
        while not ended.is_set():
            exchange(*words)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_folders_exchanged_for_links_meanwhile_never_lead_out(root: Root, folder: Path) -> None:
    (folder / "way").mkdir()
    (folder / "way" / "secret.txt").write_text("mine")
    (folder / "link").symlink_to("../outside")
    seen, refused, written = 0, 0, 0
    with exchanging(folder / "way", folder / "link"):
        for number in range(3_000):
            try:
                assert read(root, "way/secret.txt") == b"mine"
                seen += 1
                if number % 8 == 0:
                    root.open_part("way/new.txt", str(number)).close()
                    root.publish_part("way/new.txt", str(number), replace=True)
                    written += 1
            except HeliographError:
                refused += 1
    assert min(seen, refused, written) > 0
    assert names_in(folder.parent / "outside") == ["secret.txt"]


def test_files_exchanged_for_links_meanwhile_are_not_followed(root: Root, folder: Path) -> None:
    (folder / "file").write_text("mine")
    (folder / "link").symlink_to("../outside/secret.txt")
    outcomes = set()
    with exchanging(folder / "file", folder / "link"):
        for _ in range(3_000):
            try:
                outcomes.add(read(root, "file"))
            except SourceError:
                outcomes.add(b"refused")
    assert outcomes == {b"mine", b"refused"}
