"""Transfers as a program has them: real sockets on loopback, real threads, real journals."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from heliograph.core import AddressError, TransferError
from heliograph.link.cfdp.files import FileSource, FileTarget
from heliograph.link.cfdp.transaction import State, TransactionId, TransferStatus
from heliograph.link.cfdp.transfers import Transfers


@contextmanager
def two(folder: Path, **settings: float) -> Iterator[tuple[Transfers, Transfers]]:
    with (
        Transfers(folder / "a", entity=1, rate_bps=settings.get("rate_bps")) as sender,
        Transfers(folder / "b", entity=2) as receiver,
    ):
        yield sender, receiver


def source(folder: Path, data: bytes, name: str = "source") -> FileSource:
    (folder / name).write_bytes(data)
    return FileSource(str(folder / name))


def uplink(folder: Path, sender: Transfers, receiver: Transfers, data: bytes, **options: bool) -> TransactionId:
    """Send a file as an uplink does: the sender knows the address, the receiver hears of it by announcement."""
    sha256 = hashlib.sha256(data).digest()
    id = sender.send(source(folder, data), "copy", peer=2, peer_address=receiver.address, sha256=sha256)
    receiver.expect(id, FileTarget(folder / "copy", **options), size_bytes=len(data), sha256=sha256)
    return id


@pytest.mark.parametrize("size_bytes", [0, 1, 59_000, 3_000_001])
def test_a_file_arrives_whole_under_its_name(tmp_path: Path, size_bytes: int) -> None:
    data = os.urandom(size_bytes)
    with two(tmp_path) as (sender, receiver):
        id = uplink(tmp_path, sender, receiver, data)
        assert receiver.wait(id, 20).state is State.COMPLETED
        assert sender.wait(id, 20).state is State.COMPLETED
        assert sender.status(id).verified_bytes == size_bytes
        assert (tmp_path / "copy").read_bytes() == data
        assert not (tmp_path / ".copy.part").exists()


def test_the_receiver_pokes_a_sender_that_does_not_know_where_it_is(tmp_path: Path) -> None:
    data = os.urandom(500_000)
    with two(tmp_path) as (sender, receiver):
        id = sender.send(source(tmp_path, data), "copy", peer=2)
        assert sender.status(id).state is State.WAITING
        receiver.expect(
            id,
            FileTarget(tmp_path / "copy"),
            size_bytes=len(data),
            sha256=hashlib.sha256(data).digest(),
            peer_address=sender.address,
        )
        assert receiver.wait(id, 20).state is State.COMPLETED
        assert (tmp_path / "copy").read_bytes() == data


def test_several_share_the_link_by_priority(tmp_path: Path) -> None:
    over: list[str] = []
    with (
        Transfers(tmp_path / "b", entity=2, on_event=lambda status: note(over, status)) as receiver,
        Transfers(tmp_path / "a", entity=1, rate_bps=20e6) as sender,
    ):
        ids = []
        for name, priority in (("low", 0), ("high", 5), ("other low", 0)):
            data = os.urandom(600_000)
            sha256 = hashlib.sha256(data).digest()
            file = source(tmp_path, data, name)
            ids.append(sender.send(file, name, peer=2, peer_address=receiver.address, priority=priority))
            receiver.expect(ids[-1], FileTarget(tmp_path / f"copy {name}"), size_bytes=len(data), sha256=sha256)
        for id in ids:
            assert receiver.wait(id, 20).state is State.COMPLETED
    assert over[0].endswith("copy high")


def note(over: list[str], status: TransferStatus) -> None:
    if status.state is State.COMPLETED:
        over.append(status.name)


def test_what_is_not_the_announced_file_is_refused(tmp_path: Path) -> None:
    with two(tmp_path) as (sender, receiver):
        data = os.urandom(100_000)
        id = sender.send(source(tmp_path, data), "copy", peer=2, peer_address=receiver.address)
        receiver.expect(id, FileTarget(tmp_path / "copy"), size_bytes=len(data), sha256=bytes(32))
        assert receiver.wait(id, 20).state is State.FAILED
        assert "not the file that was announced" in receiver.status(id).reason
        assert sender.wait(id, 20).state is State.FAILED
        assert list(tmp_path.glob("*copy*")) == []


def test_an_older_file_is_replaced_only_when_that_was_asked_for(tmp_path: Path) -> None:
    with two(tmp_path) as (sender, receiver):
        (tmp_path / "copy").write_bytes(b"old")
        id = uplink(tmp_path, sender, receiver, b"new")
        assert receiver.wait(id, 20).state is State.FAILED
        assert "exists already" in receiver.status(id).reason
        assert (tmp_path / "copy").read_bytes() == b"old"
        id = uplink(tmp_path, sender, receiver, b"new", replace=True)
        assert receiver.wait(id, 20).state is State.COMPLETED
        assert (tmp_path / "copy").read_bytes() == b"new"


def test_held_at_either_end_and_let_go(tmp_path: Path) -> None:
    with two(tmp_path, rate_bps=8e6) as (sender, receiver):
        id = uplink(tmp_path, sender, receiver, os.urandom(1_500_000))
        for end, other in ((sender, receiver), (receiver, sender)):
            reach(receiver, id, State.ACTIVE)
            end.suspend(id)
            reach(other, id, State.SUSPENDED)
            assert end.status(id).reason == "at this end"
            assert other.status(id).reason == "at the other end"
            end.resume(id)
        assert receiver.wait(id, 20).state is State.COMPLETED


def test_cancelled_and_abandoned(tmp_path: Path) -> None:
    with two(tmp_path, rate_bps=1e6) as (sender, receiver):
        for end in (sender, receiver):
            id = uplink(tmp_path, sender, receiver, os.urandom(1_000_000))
            reach(receiver, id, State.ACTIVE)
            end.cancel(id)
            assert sender.wait(id, 20).state is State.CANCELLED
            assert receiver.wait(id, 20).state is State.CANCELLED
            with pytest.raises(TransferError, match="is over: cancelled"):
                end.suspend(id)
        id = uplink(tmp_path, sender, receiver, os.urandom(1_000_000))
        sender.abandon(id)
        assert sender.wait(id, 1).state is State.ABANDONED
        assert receiver.status(id).state is not State.ABANDONED
        receiver.abandon(id)
    assert list(tmp_path.glob("*copy*")) == []


def test_a_file_that_changes_while_it_is_sent_is_not_delivered(tmp_path: Path) -> None:
    with two(tmp_path, rate_bps=4e6) as (sender, receiver):
        id = uplink(tmp_path, sender, receiver, os.urandom(1_000_000))
        reach(receiver, id, State.ACTIVE)
        with (tmp_path / "source").open("r+b") as file:
            file.write(b"changed")
        assert sender.wait(id, 20).state is State.FAILED
        assert "changed while it was being sent" in sender.status(id).reason
        assert receiver.wait(id, 20).state is State.CANCELLED
        assert list(tmp_path.glob("*copy*")) == []


def test_only_one_program_has_a_journal(tmp_path: Path) -> None:
    with Transfers(tmp_path, entity=1), pytest.raises(TransferError, match="another program uses it"):
        Transfers(tmp_path, entity=1)


def test_of_transfers_that_are_over_only_the_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heliograph.link.cfdp.journal._KEPT", 2)
    with two(tmp_path) as (sender, receiver):
        ids = []
        for number in range(5):
            data = bytes([number])
            sha256 = hashlib.sha256(data).digest()
            ids.append(sender.send(source(tmp_path, data, str(number)), "copy", peer=2, peer_address=receiver.address))
            receiver.expect(ids[-1], FileTarget(tmp_path / f"copy {number}"), size_bytes=1, sha256=sha256)
            assert receiver.wait(ids[-1], 20).state is State.COMPLETED
            assert sender.wait(ids[-1], 20).state is State.COMPLETED
        with pytest.raises(TransferError, match="is known"):
            sender.wait(ids[0], 20)
        assert len(sender.statuses()) <= 3
        assert len(sender._last) <= 4


def test_wrong_calls_get_one_line(tmp_path: Path) -> None:
    with Transfers(tmp_path / "a", entity=1) as transfers:
        with pytest.raises(TransferError, match=r"no transfer 1-2 is known"):
            transfers.status(TransactionId(1, 2))
        with pytest.raises(TransferError, match="No such file"):
            transfers.send(FileSource(str(tmp_path / "none")), "x", peer=2)
        with pytest.raises(AddressError, match="no address for"):
            transfers.send(source(tmp_path, b""), "x", peer=2, peer_address=("no such host.invalid", 1))
        with pytest.raises(AddressError, match="cannot listen"):
            Transfers(tmp_path / "b", entity=1, listen=transfers.address)
    with pytest.raises(TransferError, match="not running"):
        transfers.statuses()


RECEIVER = """
import sys
from pathlib import Path
from heliograph.link.cfdp.transfers import Transfers
with Transfers(Path(sys.argv[1]), entity=2, listen=("127.0.0.1", int(sys.argv[2]))) as transfers:
    print(transfers.address[1], flush=True)
    sys.stdin.read()
"""


def test_killed_in_the_middle_the_receiver_goes_on_from_what_it_has_on_disk(tmp_path: Path) -> None:
    data = os.urandom(6_000_000)
    sha256 = hashlib.sha256(data).digest()
    with Transfers(tmp_path / "a", entity=1, rate_bps=24e6) as sender:
        with Transfers(tmp_path / "b", entity=2) as receiver:
            port = receiver.address[1]
            id = sender.send(source(tmp_path, data), "copy", peer=2, peer_address=receiver.address, sha256=sha256)
            receiver.expect(id, FileTarget(tmp_path / "copy"), size_bytes=len(data), sha256=sha256)
        command = [sys.executable, "-c", RECEIVER, str(tmp_path / "b"), str(port)]
        held = 0
        for killed in (True, False):
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
                assert program.stdout is not None
                assert int(program.stdout.readline()) == port
                if killed:
                    reach(sender, id, verified_bytes=1)
                    held = sender.status(id).verified_bytes
                    program.send_signal(signal.SIGKILL)
                    assert 0 < held < len(data)
                else:
                    assert sender.wait(id, 30).state is State.COMPLETED
                    program.send_signal(signal.SIGTERM)
    assert (tmp_path / "copy").read_bytes() == data


def reach(end: Transfers, id: TransactionId, state: State = State.ACTIVE, verified_bytes: int = 0) -> None:
    """Wait until a transfer is so far."""
    end_s = time.monotonic() + 20
    while (status := end.status(id)).state is not state or status.verified_bytes < verified_bytes:
        assert time.monotonic() < end_s, status
        time.sleep(0.005)
