"""`heliograph uplink`, `downlink` and `ls`, with a board on loopback."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from heliograph.cli.carrying import _locked as locked
from heliograph.cli.carrying import told
from heliograph.cli.downlink import _parsed as downlink_words
from heliograph.cli.ls import _rows as rows
from heliograph.cli.uplink import _parsed as uplink_words
from heliograph.core import (
    HeliographError,
    OutputError,
    SettingError,
    SourceError,
    SourceNotFoundError,
    TransferError,
)
from heliograph.link.cfdp.transaction import Role, State, TransactionId, TransferStatus
from heliograph.link.keys import PrivateKey
from heliograph.link.listing import FileEntry
from heliograph.link.settings import PORT, LinkSettings
from heliograph.link.zenoh import open_bus
from heliograph.testing.addresses import loopback_address
from heliograph.testing.file_board import board_process, file_board

Program = Callable[..., Any]
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Board:
    """Where the files of a board are, and what a program of the ground is told about it."""

    files: Path
    environment: dict[str, str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    folder = tmp_path_factory.mktemp("board")
    own = PrivateKey.generate()
    own.write(folder / "key")
    with loopback_address() as address:
        endpoint = f"tcp/{address}:{PORT}"
        bus = open_bus(LinkSettings(mode="router", listen=(endpoint,)))
        try:
            with file_board(bus, folder, PrivateKey.generate(), [own.public]):
                yield Board(folder / "files", {"HELIOGRAPH_CONNECT": endpoint, "HELIOGRAPH_KEY": str(folder / "key")})
        finally:
            bus.close()


@pytest.fixture
def board(running: Board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Board]:
    monkeypatch.chdir(tmp_path)
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    yield running
    for each in sorted(running.files.rglob("*"), reverse=True):
        each.rmdir() if each.is_dir() and not each.is_symlink() else each.unlink()


def test_files_go_up_and_come_down(program: Program, board: Board, tmp_path: Path) -> None:
    (tmp_path / "a b.txt").write_bytes(b"hello")
    (tmp_path / "ü.txt").write_bytes(b"")
    ended = program("uplink", "a b.txt", "ü.txt", "board:/new/folder/")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[0].startswith("a b.txt -> board:new/folder/a b.txt: 5 bytes, ")
    assert (board.files / "new/folder/a b.txt").read_bytes() == b"hello"
    (tmp_path / "back").mkdir()
    ended = program("downlink", "board:new/folder/a b.txt", "board:new/folder/ü.txt", "back")
    assert ended.code == 0, ended.err
    assert {each.name: each.read_bytes() for each in (tmp_path / "back").iterdir()} == {
        "a b.txt": b"hello",
        "ü.txt": b"",
    }
    # Nothing is kept of what is done.
    state = Path(os.environ["XDG_STATE_HOME"]) / "heliograph" / "files"
    assert not list(state.iterdir())


def test_one_file_may_get_another_name(program: Program, board: Board, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hello")
    assert program("uplink", "a", "board:b", "--priority", "3").code == 0
    assert program("downlink", "board:b", "c", "--priority", "-3").code == 0
    assert program("downlink", "board:b").code == 0
    assert {each.name for each in tmp_path.iterdir()} == {"a", "b", "c"}


def test_a_file_that_is_there_is_replaced_only_when_asked(program: Program, board: Board, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"new")
    (board.files / "a").write_bytes(b"old")
    ended = program("uplink", "a", "board:")
    assert (ended.code, ended.err.count("\n")) == (11, 1)
    assert "a is there already" in ended.err
    ended = program("downlink", "board:a")
    assert (ended.code, ended.err.count("\n")) == (7, 1)
    assert "--replace" in ended.err
    assert program("uplink", "a", "board:", "--replace").code == 0
    assert (board.files / "a").read_bytes() == b"new"
    # The same again is done already.
    for words in (("uplink", "a", "board:"), ("downlink", "board:a")):
        ended = program(*words)
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.endswith("3 bytes, it is there already\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["downlink", "board:none"], 11, "there is no none"),
        (["downlink", "board:folder"], 11, "no plain file"),
        (["downlink", "nobody:a"], 3, "these do: board"),
        (["downlink", "board:../a"], 5, "goes up"),
        (["uplink", "here", "board:a/../../b"], 5, "goes up"),
        (["ls", "board:.."], 5, "goes up"),
        (["uplink", "here", "nobody:a"], 3, "these do: board"),
        (["uplink", "here", "board:folder"], 11, "is a folder"),
        (["ls", "board:none"], 11, "there is no none"),
        (["ls", "nobody"], 3, "these do: board"),
    ],
)
def test_what_the_node_refuses_is_one_line(
    program: Program, board: Board, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    (board.files / "folder").mkdir()
    (tmp_path / "here").write_bytes(b"hello")
    ended = program(*words)
    assert (ended.code, ended.err.count("\n")) == (code, 1), ended.err
    assert said in ended.err


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["board:"], SettingError, "which file"),
        (["a", "b"], SettingError, "NODE:PATH"),
        (["a", "b", "board:c"], SettingError, "write board:c/"),
        (["none", "board:c"], SourceNotFoundError, "no file none"),
        (["folder", "board:c"], SourceError, "no plain file"),
        (["board:x", "board:c"], SettingError, "downlink fetches"),
    ],
)
def test_words_of_uplink_that_make_no_sense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], error: type[HeliographError], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name in "ab":
        (tmp_path / name).touch()
    with pytest.raises(error, match=said):
        uplink_words(words)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["folder"], SettingError, "which file"),
        (["a", "board:b"], SettingError, "NODE:PATH"),
        (["board:"], SettingError, "is a folder"),
        (["board:images/"], SettingError, "is a folder"),
        (["board:a", "board:b", "c"], SettingError, "write c/"),
        (["board:a", "none/"], OutputError, "make it first"),
        (["board:a", "none/b"], OutputError, "make it first"),
        (["board:x/a", "board:y/a", "folder"], SettingError, "two files would be called folder/a"),
    ],
)
def test_words_of_downlink_that_make_no_sense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], error: type[HeliographError], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(error, match=said):
        downlink_words(words)


def test_what_is_on_board_is_listed(program: Program, board: Board) -> None:
    assert "nothing there" in program("ls", "board").err
    (board.files / "folder").mkdir()
    (board.files / "folder" / "a.txt").write_bytes(b"hello")
    (board.files / os.fsdecode(b"bad \x1b\xff")).touch()
    listed = program("ls", "board")
    assert listed.code == 0, listed.err
    out = listed.out
    assert "folder/" in out
    assert "bad \\x1b\\xff" in out
    assert "cannot be asked for" in out
    assert "a.txt" not in out
    sha256 = hashlib.sha256(b"hello").hexdigest()
    assert sha256 in program("ls", "board:", "-r", "--hash").out
    (entry,) = json.loads(program("ls", "board:folder/", "--hash", "--json").out)
    assert entry.pop("modified_wall_ns") == (board.files / "folder" / "a.txt").stat().st_mtime_ns
    assert entry == {
        "path": "folder/a.txt",
        "kind": "file",
        "size_bytes": 5,
        "sha256": sha256,
        "unreachable": False,
    }


def test_a_table_of_files_has_the_same_columns_in_every_row() -> None:
    entries = [FileEntry(path="a", kind="file"), FileEntry(path="b\\n", kind="link", unreachable=True)]
    first, second = rows(entries, hashes=True)
    assert list(first) == list(second) == ["kind", "bytes", "modified", "path", "sha256", "note"]
    assert "note" not in rows(entries[:1], hashes=True)[0]


def test_two_programs_do_not_move_one_file(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with locked(state), pytest.raises(TransferError, match="another heliograph"), locked(state):
        pass
    with locked(state) as folder:
        assert folder.is_dir()


def test_a_state_folder_that_cannot_be_made_is_told() -> None:
    with pytest.raises(OutputError, match="cannot be written"), locked(Path("/proc/none")):
        pass


def test_the_line_about_a_file_has_no_control_characters() -> None:
    status = TransferStatus(TransactionId(1, 1), Role.SENDING, State.COMPLETED, 3_000_000, 3_000_000, 1)
    assert told("a\x1b", "b", status, 2.0) == "a\ufffd -> b: 3000000 bytes, 1.5 MB/s"
    assert told("a", "b", status, 60.0) == "a -> b: 3000000 bytes, 60.0 s"


@contextmanager
def heliograph(*words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run the program as one of its own."""
    script = str(Path(sysconfig.get_path("scripts")) / "heliograph")
    with subprocess.Popen(
        [script, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_part(folder: Path, size_bytes: int) -> Path:
    """Wait until so much has come of the one file that is not whole yet."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        for part in folder.glob(".*.part"):
            if part.stat().st_blocks * 512 > size_bytes:
                return part
        assert time.monotonic() < deadline_s, "it did not come in time"
        time.sleep(0.02)


def test_an_uplink_whose_ground_is_killed_and_interrupted_goes_on(
    program: Program, board: Board, tmp_path: Path
) -> None:
    content = os.urandom(8_000_000)
    (tmp_path / "big").write_bytes(content)
    parts = set()
    # What came is in the journal once a second.
    for ending, code, came_bytes in ((signal.SIGKILL, -signal.SIGKILL, 3_500_000), (signal.SIGINT, 130, 4_500_000)):
        with heliograph("uplink", "big", "board:", "--rate", "20") as process:
            parts.add(wait_for_part(board.files, came_bytes).stat().st_ino)
            process.send_signal(ending)
            _, err = process.communicate(timeout=_PATIENCE_S)
            assert process.returncode == code, err
            assert ("the same command goes on" in err) == (code == 130)
    assert program("uplink", "big", "board:").code == 0
    assert (board.files / "big").read_bytes() == content
    # All that came went into one part, which became the file.
    assert parts == {(board.files / "big").stat().st_ino}
    assert len(list(board.files.iterdir())) == 1


def test_a_board_that_is_killed_in_the_middle_goes_on(tmp_path: Path) -> None:
    own, key = PrivateKey.generate(), PrivateKey.generate()
    own.write(tmp_path / "own")
    key.write(tmp_path / "key")
    here, there = tmp_path / "here", tmp_path / "board" / "files"
    here.mkdir()
    there.mkdir(parents=True)
    for file in (here / "up", there / "down"):
        file.write_bytes(os.urandom(8_000_000))
    with loopback_address() as address:
        endpoint = f"tcp/{address}:{PORT}"
        board = partial(
            board_process, tmp_path / "board", tmp_path / "key", own.public, endpoint, free_port(), rate_bps=40e6
        )
        given = {"HELIOGRAPH_CONNECT": endpoint, "HELIOGRAPH_KEY": str(tmp_path / "own")}
        with (
            board() as first,
            heliograph("uplink", str(here / "up"), "board:", "--rate", "40", **given) as up,
            heliograph("downlink", "board:down", str(here), **given) as down,
        ):
            for folder in (there, here):
                wait_for_part(folder, 1_000_000)
            # Without a word to anybody.
            first.kill()
            first.wait()
            with board():
                for process in (up, down):
                    _, err = process.communicate(timeout=_PATIENCE_S)
                    assert process.returncode == 0, err
    for name in ("up", "down"):
        assert (here / name).read_bytes() == (there / name).read_bytes()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
