"""Files between a board and the ground: real bus, real datagrams, real files."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from heliograph.core import (
    CommandFailedError,
    CommandRefusedError,
    HeliographError,
    LinkLostError,
    OutputError,
    SettingError,
    TransferError,
)
from heliograph.link.bus import Bus
from heliograph.link.carrier import Carrier, OnProgress, files_of
from heliograph.link.cfdp.transaction import State, TransferStatus
from heliograph.link.cfdp.transfers import Transfers
from heliograph.link.command import Stage, StageReport
from heliograph.link.commander import Commander, outcome
from heliograph.link.discovery import Node, find_node
from heliograph.link.entity import entity_of
from heliograph.link.filestore import RootedSource, RootedTarget
from heliograph.link.keys import PrivateKey
from heliograph.link.roots import Root
from heliograph.testing.bus import connected_buses
from heliograph.testing.file_board import FileBoard, file_board

USER = "ada"


@dataclass(frozen=True)
class Link:
    """Both ends, and a folder for the files of each."""

    ground: Bus
    key: PrivateKey
    node: Node
    commander: Commander
    board: FileBoard
    here: Path
    there: Path

    def command(self, name: str, **arguments: Any) -> Any:
        return outcome(self.commander.send(self.node, name, arguments, user=USER))

    @contextmanager
    def carrier(self, state: str = "", *, rate_bps: float | None = None) -> Iterator["Ground"]:
        root, stop = Root(self.here), threading.Event()
        # As programs of the same key are told apart.
        entity = entity_of(self.key.public, state)
        with Transfers(
            self.here.parent / f"state {state}",
            entity=entity,
            rate_bps=rate_bps,
            sources=partial(RootedSource.named, root),
            targets=partial(RootedTarget.named, root),
        ) as transfers:
            yield Ground(Carrier(self.commander, self.node, transfers, root, entity=entity, user=USER, stop=stop), stop)

    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.command("files.transfers")
        return found


@dataclass(frozen=True)
class Ground:
    carrier: Carrier
    stop: threading.Event


@pytest.fixture(scope="module")
def pair() -> Iterator[list[Bus]]:
    with connected_buses(2) as buses:
        yield buses


@pytest.fixture
def link(pair: list[Bus], tmp_path: Path) -> Iterator[Link]:
    with linked(pair, tmp_path) as made:
        yield made


@contextmanager
def linked(pair: list[Bus], folder: Path, rate_bps: float | None = None) -> Iterator[Link]:
    ground, board = pair
    key, own = PrivateKey.generate(), PrivateKey.generate()
    (folder / "here").mkdir()
    with file_board(board, folder / "board", key, [own.public], rate_bps=rate_bps) as running:
        node = find_node(ground, key.public.hex, key=own)
        commander = Commander(ground, own, folder / "counters")
        yield Link(ground, own, node, commander, running, folder / "here", folder / "board" / "files")


def when_active(event: threading.Event) -> OnProgress:
    """Set an event when a transfer is under way."""
    return lambda status: event.set() if status.state is State.ACTIVE else None


def ignored(_: TransferStatus) -> None:
    return None


@pytest.mark.parametrize(
    ("name", "size_bytes"),
    [("empty", 0), ("one", 1), ("Grüße an alle.txt", 70_001), ("-dash = 'quote' \\", 100_000_000)],
)
def test_a_file_goes_up_and_comes_down(link: Link, name: str, size_bytes: int) -> None:
    content = os.urandom(size_bytes)
    (link.here / name).write_bytes(content)
    seen: list[TransferStatus] = []
    with link.carrier() as ground:
        up = ground.carrier.uplink(name, f"new/folder/{name}", seen.append)
        down = ground.carrier.downlink(f"new/folder/{name}", "back", ignored)
    assert (up.state, down.state) == (State.COMPLETED, State.COMPLETED)
    assert (link.there / "new/folder" / name).read_bytes() == content
    assert (link.here / "back").read_bytes() == content
    assert seen[-1].verified_bytes == size_bytes
    # Nothing else is left on either side.
    assert sorted(each.name for each in link.here.iterdir()) == sorted({name, "back"})
    assert [each.name for each in (link.there / "new/folder").iterdir()] == [name]
    link.board.heard.wait_for(lambda: {"file.received", "file.sent"} <= set(link.board.heard.event_names))
    assert [row["state"] for row in link.rows()] == ["completed", "completed"]


def test_what_the_node_does_not_take_is_said_in_its_words(link: Link) -> None:
    (link.here / "x").write_bytes(b"new")
    (link.there / "x").write_bytes(b"old")
    (link.there / "folder").mkdir()
    (link.there / "way").symlink_to("/tmp")
    with link.carrier() as ground:
        for remote, reason in (
            ("x", "there already"),
            ("folder", "is a folder"),
            ("x/y", "cannot be entered"),
            ("way/y", "cannot be entered"),
        ):
            with pytest.raises(CommandFailedError, match=reason):
                ground.carrier.uplink("x", remote, ignored)
        with pytest.raises(SettingError, match="goes up"):
            ground.carrier.uplink("x", "../y", ignored)
        for remote, reason in (("none", "there is no none"), ("folder", "no plain file"), ("way", "no plain file")):
            with pytest.raises(CommandFailedError, match=reason):
                ground.carrier.downlink(remote, "back", ignored)
    assert (link.there / "x").read_bytes() == b"old"
    assert not any(not row["state"] for row in link.rows())
    assert sorted(each.name for each in link.there.iterdir()) == ["folder", "way", "x"]


def test_a_file_is_replaced_only_when_told(link: Link) -> None:
    (link.here / "x").write_bytes(b"new")
    (link.there / "x").write_bytes(b"old")
    with link.carrier() as ground:
        with pytest.raises(OutputError, match="there already"):
            ground.carrier.downlink("x", "x", ignored)
        ground.carrier.uplink("x", "x", ignored, replace=True)
        assert (link.there / "x").read_bytes() == b"new"
        (link.there / "x").write_bytes(b"newer")
        ground.carrier.downlink("x", "x", ignored, replace=True)
        assert (link.here / "x").read_bytes() == b"newer"


def test_a_file_that_is_there_is_not_moved_again(link: Link) -> None:
    for folder in (link.here, link.there):
        (folder / "x").write_bytes(b"same")
    inode = (link.there / "x").stat().st_ino
    with link.carrier() as ground:
        for status in (ground.carrier.uplink("x", "x", ignored), ground.carrier.downlink("x", "x", ignored)):
            assert (status.state, status.size_bytes, status.reason) == (State.COMPLETED, 4, "it is there already")
    assert (link.there / "x").stat().st_ino == inode
    assert link.rows() == []


def test_there_must_be_room(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    (link.here / "x").write_bytes(b"12345")
    (link.there / "y").write_bytes(b"12345")
    monkeypatch.setattr(Root, "free_bytes", lambda _: 4)
    with link.carrier() as ground:
        with pytest.raises(CommandFailedError, match="no room for 5 bytes: 4 are free"):
            ground.carrier.uplink("x", "x", ignored)
        announcement: dict[str, Any] = {"size_bytes": 3, "sha256": "0" * 64}
        link.command("files.uplink", destination="y1", transaction="7-1", **announcement)
        with pytest.raises(CommandFailedError, match="no room for 3 bytes: 1 are free beside what is under way"):
            link.command("files.uplink", destination="y2", transaction="7-2", **announcement)
        link.command("files.cancel", transaction="7-1")
        with pytest.raises(OutputError, match="no room for 5 bytes: 4 are free here"):
            ground.carrier.downlink("y", "y", ignored)
    assert [row["state"] for row in link.rows()] == ["cancelled"] * 2


def test_a_transfer_that_is_stopped_goes_on_where_it_was(pair: list[Bus], tmp_path: Path) -> None:
    content = os.urandom(12_000_000)
    with linked(pair, tmp_path, rate_bps=40e6) as link:
        (link.here / "up").write_bytes(content)
        (link.there / "down").write_bytes(content)
        for direction in ("up", "down"):
            seen: list[TransferStatus] = []
            with link.carrier(direction, rate_bps=40e6) as ground:

                def stop(status: TransferStatus, ended: threading.Event = ground.stop) -> None:
                    if status.verified_bytes > 1_000_000:
                        ended.set()

                assert move(ground.carrier, direction, stop).state is State.SUSPENDED
            assert link.rows()[-1]["state"] == "suspended"
            with link.carrier(direction) as ground:
                status = move(ground.carrier, direction, seen.append)
            assert status.state is State.COMPLETED
            # A sender learns at once how much the receiver has.
            assert next(each.verified_bytes for each in seen if each.verified_bytes) > 1_000_000
        assert [row["state"] for row in link.rows()] == ["completed", "completed"]
        assert (link.there / "up").read_bytes() == (link.here / "down").read_bytes() == content


def test_a_file_that_arrived_while_the_node_was_asked_for_it_is_not_fetched_twice(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    (link.there / "x").write_bytes(b"hello")
    ask = link.commander.send
    with link.carrier() as ground:
        ground.carrier.downlink("x", "x", ignored)
        (link.here / "x").rename(link.here / "late")

        def late(node: Node, name: str, *arguments: Any, **options: Any) -> StageReport:
            report = ask(node, name, *arguments, **options)
            if name == "files.downlink":
                (link.here / "late").rename(link.here / "x")
            return report

        monkeypatch.setattr(link.commander, "send", late)
        assert ground.carrier.downlink("x", "x", ignored).state is State.COMPLETED
    assert [row["state"] for row in link.rows()] == ["completed", "cancelled"]


def test_a_refusal_ends_no_transfer_that_is_under_way(
    pair: list[Bus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with linked(pair, tmp_path, rate_bps=8e6) as link:
        (link.here / "up").write_bytes(os.urandom(3_000_000))
        with link.carrier(rate_bps=8e6) as ground:
            assert move(ground.carrier, "up", when_active(ground.stop)).state is State.SUSPENDED
        # As when the node restarts twice while it is told.
        report = StageReport(command="1", number=2, stage=Stage.REFUSED, boot_time_ns=0, wall_time_ns=0, reason="busy")
        with link.carrier() as ground, monkeypatch.context() as patch:
            patch.setattr(link.commander, "send", lambda *_, **__: report)
            for path in ("up", "never begun"):
                with pytest.raises(CommandRefusedError, match="busy"):
                    ground.carrier.uplink("up", path, ignored)
        with link.carrier() as ground:
            assert move(ground.carrier, "up", ignored).state is State.COMPLETED
        assert [row["state"] for row in link.rows()] == ["completed"]
        assert [each.name for each in link.there.iterdir()] == ["up"]


def move(carrier: Carrier, direction: str, on_progress: Any) -> TransferStatus:
    return (carrier.uplink if direction == "up" else carrier.downlink)(direction, direction, on_progress)


def test_a_file_that_changed_meanwhile_is_moved_anew(pair: list[Bus], tmp_path: Path) -> None:
    with linked(pair, tmp_path, rate_bps=8e6) as link:
        for direction, folder in (("up", link.here), ("down", link.there)):
            (folder / direction).write_bytes(os.urandom(3_000_000))
            with link.carrier(direction, rate_bps=8e6) as ground:
                assert move(ground.carrier, direction, when_active(ground.stop)).state is State.SUSPENDED
            content = os.urandom(30_000)
            (folder / direction).write_bytes(content)
            with link.carrier(direction) as ground:
                assert move(ground.carrier, direction, ignored).state is State.COMPLETED
            other = link.there if direction == "up" else link.here
            assert (other / direction).read_bytes() == content
            assert [each.name for each in other.iterdir() if each.name.endswith(".part")] == []


def test_a_stop_is_heeded_while_the_node_is_asked(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    (link.here / "x").write_bytes(b"hello")
    asked, answer = threading.Event(), threading.Event()

    def never(*_: object, **__: object) -> None:
        asked.set()
        answer.wait(10)
        raise LinkLostError("no answer")

    with link.carrier() as ground:
        monkeypatch.setattr(link.commander, "send", never)
        threading.Timer(0.1, ground.stop.set).start()
        with pytest.raises(TransferError, match="stopped before board had agreed"):
            ground.carrier.uplink("x", "x", ignored)
        answer.set()
    assert asked.is_set()
    assert not list(link.there.iterdir())


def test_what_another_operator_cancels_ends_here_too(pair: list[Bus], tmp_path: Path) -> None:
    with linked(pair, tmp_path, rate_bps=8e6) as link:
        (link.there / "down").write_bytes(os.urandom(3_000_000))

        def cancel(status: TransferStatus) -> None:
            if status.state is State.ACTIVE:
                link.command("files.cancel", transaction=str(status.id))

        with link.carrier() as ground, pytest.raises(TransferError, match="cancelled"):
            ground.carrier.downlink("down", "down", cancel)
        assert list(link.here.iterdir()) == []


def test_files_share_the_link_by_priority(pair: list[Bus], tmp_path: Path) -> None:
    with linked(pair, tmp_path, rate_bps=24e6) as link:
        names = {"low": -1, "high": 5}
        for name in names:
            (link.there / name).write_bytes(os.urandom(3_000_000 if name == "low" else 1_000_000))
        ended: list[str] = []
        begun = threading.Event()

        def fetch(name: str) -> None:
            with link.carrier(name) as ground:
                ground.carrier.downlink(name, name, when_active(begun), priority=names[name])
            ended.append(name)

        low = threading.Thread(target=fetch, args=("low",))
        low.start()
        assert begun.wait(10)
        fetch("high")
        low.join()
        assert ended == ["high", "low"]


def test_listings_come_whole_over_pages(link: Link) -> None:
    (link.there / "folder").mkdir()
    for number in range(600):
        (link.there / "folder" / f"{number:0150d}").touch()
    (link.there / "x").write_bytes(b"hello")
    (link.there / os.fsdecode(b"bad \xff")).touch()
    found = list(files_of(link.commander, link.node, ".", user=USER, recursive=True, hashes=True))
    assert len(found) == 603
    assert found[-1].sha256 == hashlib.sha256(b"hello").hexdigest()
    assert (found[0].path, found[0].unreachable) == ("bad \\xff", True)
    (entry,) = files_of(link.commander, link.node, "x", user=USER)
    assert (entry.path, entry.size_bytes, entry.sha256) == ("x", 5, "")
    with pytest.raises(CommandFailedError, match="there is no none"):
        list(files_of(link.commander, link.node, "none", user=USER))


def test_files_are_deleted_on_board(link: Link) -> None:
    (link.there / "x").touch()
    assert link.command("files.delete", path="x") == {"path": "x"}
    with pytest.raises(CommandFailedError, match="there is no x"):
        link.command("files.delete", path="x")


def test_a_file_queued_as_f_prime_does_waits_for_who_asks(link: Link) -> None:
    (link.there / "images").mkdir()
    (link.there / "images" / "one.png").write_bytes(b"picture")
    queued = link.command("fileDownlink.SendFile", sourceFileName="/images/one.png", destFileName="1.png")
    (row,) = link.rows()
    assert (row["transaction"], row["path"], row["state"]) == (queued["transaction"], "images/one.png", "waiting")
    with link.carrier() as ground:
        status = ground.carrier.downlink("images/one.png", "one.png", ignored)
    assert str(status.id) == queued["transaction"]
    assert (link.here / "one.png").read_bytes() == b"picture"


def test_transfers_are_held_and_ended_by_command(link: Link) -> None:
    (link.there / "x").write_bytes(b"hello")
    transaction = link.command("files.downlink", path="x")["transaction"]
    for name, state in (("suspend", "suspended"), ("resume", "waiting"), ("cancel", "cancelled")):
        assert link.command(f"files.{name}", transaction=transaction)["state"] == state, name
    other = link.command("files.downlink", path="x")["transaction"]
    assert other != transaction
    assert link.command("files.abandon", transaction=other)["state"] == "abandoned"
    for wrong in ("", "x", "1-", "99999-1"):
        with pytest.raises(CommandFailedError, match=r"transaction|transfer"):
            link.command("files.cancel", transaction=wrong)
    assert link.board.heard.event_names.count("file.failed") == 2


def test_many_transfers_are_listed_as_far_as_there_is_room(link: Link) -> None:
    name = "x" * 200
    (link.there / name).write_bytes(b"hello")
    for path in (name, *("./" * number + name for number in range(1, 4))):
        # One file, however its path is written.
        first = link.command("files.downlink", path=path)["transaction"]
    assert [row["transaction"] for row in link.rows()] == [first]
    for entity in range(1, 99):
        link.command("files.downlink", path=name, entity=entity)
    link.command("files.cancel", transaction=first)
    assert link.rows()[0]["transaction"] == first
    for entity in (100, 101):
        last = link.command("files.downlink", path=name, entity=entity)["transaction"]
    with pytest.raises(CommandFailedError, match="100 transfers are under way"):
        link.command("files.downlink", path=name, entity=102)
    assert link.rows()[-1]["transaction"] == last


def test_an_announcement_must_make_sense(link: Link) -> None:
    good: dict[str, Any] = {"destination": "x", "size_bytes": 1, "sha256": "0" * 64, "transaction": "7-1"}
    for wrong in (
        {"sha256": "g" * 64},
        {"sha256": "00"},
        {"sha256": "00 " * 21 + "0"},
        {"transaction": "x"},
        {"destination": "."},
    ):
        with pytest.raises(HeliographError) as refused:
            link.command("files.uplink", **good | wrong)
        assert not isinstance(refused.value, SettingError)
    link.command("files.uplink", **good)
    assert link.command("files.uplink", **good)["state"] == "waiting"
    assert link.command("files.uplink", **good | {"destination": "./x"})["path"] == "x"
    with pytest.raises(CommandFailedError, match="new number"):
        link.command("files.uplink", **good | {"destination": "y"})
