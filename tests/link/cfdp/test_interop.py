"""Files to and from `cfdp-py`, which others wrote: class 2 over UDP on loopback, on a clean link."""

# mypy: disable-error-code="import-untyped,no-any-unimported,misc"
from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cfdppy.defs import CfdpState
from cfdppy.handler.dest import DestHandler
from cfdppy.handler.source import SourceHandler
from cfdppy.mib import (
    CheckTimerProvider,
    DefaultFaultHandlerBase,
    IndicationConfig,
    LocalEntityConfig,
    RemoteEntityConfig,
    RemoteEntityConfigTable,
)
from cfdppy.request import PutRequest
from cfdppy.user import CfdpUserBase
from spacepackets.cfdp import ChecksumType, TransmissionMode
from spacepackets.cfdp.pdu import PduFactory
from spacepackets.countdown import Countdown
from spacepackets.seqcount import SeqCountProvider
from spacepackets.util import ByteFieldU8

from heliograph.link.cfdp.files import FileSource, FileTarget
from heliograph.link.cfdp.transaction import State
from heliograph.link.cfdp.transfers import Transfers

OURS, THEIRS = 1, 2

# cfdp-py 0.7 uses what its own codec has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class User(CfdpUserBase):
    """Is told of everything and wants to know of the end alone."""

    def __init__(self) -> None:
        super().__init__()
        self.finished: list[Any] = []

    def transaction_finished_indication(self, params: Any) -> None:
        self.finished.append(params.finished_params)

    def ignore(self, *_: Any) -> None:
        """Be told."""

    transaction_indication = ignore
    eof_sent_indication = ignore
    abandoned_indication = ignore
    eof_recv_indication = ignore
    fault_indication = ignore
    file_segment_recv_indication = ignore
    metadata_recv_indication = ignore
    report_indication = ignore
    resumed_indication = ignore
    suspended_indication = ignore


class Faults(DefaultFaultHandlerBase):
    """Faults end the transfer, which the tests then see."""

    def ignore(self, *_: Any) -> None:
        """Be told."""

    notice_of_suspension_cb = ignore
    notice_of_cancellation_cb = ignore
    abandoned_cb = ignore
    ignore_cb = ignore


class Timers(CheckTimerProvider):
    def provide_check_timer(self, *_: Any, **__: Any) -> Countdown:
        return Countdown(timedelta(seconds=5))


class Peer:
    """A `cfdp-py` entity with a socket; `handler` sends or receives one file."""

    def __init__(self, checksum: ChecksumType) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.02)
        self.user = User()
        self.local = LocalEntityConfig(ByteFieldU8(THEIRS), IndicationConfig(), Faults())
        ours = RemoteEntityConfig(ByteFieldU8(OURS), None, 1_400, True, False, TransmissionMode.ACKNOWLEDGED, checksum)
        self.table = RemoteEntityConfigTable([ours])

    def run(self, handler: SourceHandler | DestHandler, to: tuple[str, int], stop: threading.Event) -> None:
        started = False
        while not stop.is_set() and not (started and handler.state == CfdpState.IDLE):
            packet = None
            if isinstance(handler, DestHandler) or handler.num_packets_ready == 0:
                with suppress(TimeoutError):
                    packet = PduFactory.from_raw(self.socket.recv(65_536))
            handler.state_machine(packet)
            started = started or handler.state != CfdpState.IDLE
            while (holder := handler.get_next_packet()) is not None:
                self.socket.sendto(holder.pack(), to)


@contextmanager
def running(peer: Peer, handler: SourceHandler | DestHandler, to: tuple[str, int]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=peer.run, args=(handler, to, stop))
    thread.start()
    try:
        yield
        thread.join(10)
    finally:
        stop.set()
        thread.join()
        peer.socket.close()


CHECKSUMS = [ChecksumType.CRC_32, ChecksumType.CRC_32C, ChecksumType.MODULAR]


@pytest.mark.parametrize("size_bytes", [0, 1, 60_001])
def test_our_file_arrives_at_theirs(tmp_path: Path, size_bytes: int) -> None:
    data = os.urandom(size_bytes)
    (tmp_path / "source").write_bytes(data)
    peer = Peer(ChecksumType.CRC_32)
    handler = DestHandler(peer.local, peer.user, peer.table, Timers())
    with (
        Transfers(tmp_path / "state", entity=OURS, datagram_bytes=1_400) as transfers,
        running(peer, handler, transfers.address),
    ):
        id = transfers.send(
            FileSource(str(tmp_path / "source")),
            str(tmp_path / "copy"),
            peer=THEIRS,
            peer_address=peer.socket.getsockname(),
            foreign=True,
        )
        assert transfers.wait(id, 8).state is State.COMPLETED
    assert (tmp_path / "copy").read_bytes() == data
    assert [finished.condition_code for finished in peer.user.finished] == [0]


@pytest.mark.parametrize("checksum", CHECKSUMS)
@pytest.mark.parametrize("size_bytes", [0, 1, 60_001])
def test_their_file_arrives_at_ours(tmp_path: Path, size_bytes: int, checksum: ChecksumType) -> None:
    data = os.urandom(size_bytes)
    (tmp_path / "source").write_bytes(data)
    peer = Peer(checksum)
    handler = SourceHandler(peer.local, peer.user, peer.table, Timers(), SeqCountProvider(16))
    handler.put_request(
        PutRequest(ByteFieldU8(OURS), tmp_path / "source", Path("wish"), TransmissionMode.ACKNOWLEDGED, True)
    )
    target = FileTarget(tmp_path / "copy")
    with Transfers(tmp_path / "state", entity=OURS, accept=lambda offer: target) as transfers:
        with running(peer, handler, transfers.address):
            pass
        [status] = transfers.statuses()
        assert transfers.wait(status.id, 8).state is State.COMPLETED
        assert (status.destination, status.size_bytes) == ("wish", size_bytes)
    assert (tmp_path / "copy").read_bytes() == data
    assert [finished.condition_code for finished in peer.user.finished] == [0]


def test_without_leave_a_file_of_theirs_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"data")
    peer = Peer(ChecksumType.CRC_32)
    handler = SourceHandler(peer.local, peer.user, peer.table, Timers(), SeqCountProvider(16))
    handler.put_request(
        PutRequest(ByteFieldU8(OURS), tmp_path / "source", Path("wish"), TransmissionMode.ACKNOWLEDGED, True)
    )
    with Transfers(tmp_path / "state", entity=OURS) as transfers:
        stop = threading.Timer(0.3, lambda: None)
        ended = threading.Event()
        stop.function = ended.set
        stop.start()
        peer.run(handler, transfers.address, ended)
        peer.socket.close()
        assert transfers.statuses() == []
