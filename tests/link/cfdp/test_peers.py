"""Where the other end is: forged addresses, hijackers, and ends that come back elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliograph.link.cfdp.contact import Probe, Report, decode_contact, is_contact
from heliograph.link.cfdp.entity import Entity
from heliograph.link.cfdp.entry import Entry
from heliograph.link.cfdp.files import FileTarget
from heliograph.link.cfdp.pdu import Condition, Eof, FileData, Header, encode
from heliograph.link.cfdp.transaction import Role, State, TransactionId
from heliograph.sim.net import PathModel
from heliograph.testing.transfers import Pair

MS = 1_000_000
S = 1_000_000_000
DONE = (State.COMPLETED, State.COMPLETED)
PATH = PathModel(10 * MS, 10 * MS, rate_bps=20e6)
STRANGER = ("stranger", 9)


def under_way(folder: Path, rate_bps: float | None, size_bytes: int = 4_000_000) -> tuple[Pair, TransactionId]:
    pair = Pair(folder, PATH, 1, rate_bps)
    id = pair.send(bytes(size_bytes))
    pair.run(lambda: False, 0.5)
    assert pair.states(id) == (State.ACTIVE, State.ACTIVE)
    return pair, id


@pytest.mark.parametrize("rate_bps", [10e6, None])
@pytest.mark.parametrize("there", [True, False])
def test_a_forged_address_is_sent_no_more_than_thrice_what_came_in_its_name(
    tmp_path: Path, rate_bps: float | None, there: bool
) -> None:
    pair, _ = under_way(tmp_path, rate_bps)
    with pair:
        pair.cut = not there
        pair.run(lambda: False, 3)
        forged_bytes = 0
        for count in range(60):
            now_ns, sent = pair.now_ns, pair.bytes_sent
            forged = (Probe(2, now_ns, 0), Report(2, now_ns - MS, sent, sent, now_ns, 1 << 20))[count % 2].pack()
            forged_bytes += len(forged)
            pair.sender.entity.receive_datagram(forged, STRANGER, now_ns)
            pair.run(lambda: False, 0.05)
        assert {address for _, address in pair.astray} == {STRANGER}
        assert sum(len(datagram) for datagram, _ in pair.astray) < 3 * forged_bytes


def test_nobody_takes_the_place_of_one_who_is_heard(tmp_path: Path) -> None:
    pair, id = under_way(tmp_path, None)
    with pair:
        for _ in range(50):
            pair.sender.entity.receive_datagram(Probe(2, pair.now_ns, 0).pack(), STRANGER, pair.now_ns)
            pair.run(lambda: pair.over(id), 0.02)
            for datagram, _ in pair.astray:
                contact = decode_contact(datagram)
                if isinstance(contact, Probe):
                    answer = Report(2, contact.stamp_ns, contact.sent_bytes, 0, pair.now_ns, 1 << 20).pack()
                    pair.sender.entity.receive_datagram(answer, STRANGER, pair.now_ns)
            pair.astray.clear()
        pair.run(lambda: pair.over(id), 30)
        assert pair.states(id) == DONE
        assert pair.astray == []


def test_what_a_stranger_says_in_a_transfer_is_not_heard(tmp_path: Path) -> None:
    pair, id = under_way(tmp_path, 10e6)
    with pair:
        header = Header(id, 2)
        for pdu in (
            Eof(0, 0, Condition.CANCEL_REQUEST_RECEIVED),
            Eof(0, 7),
            FileData(1 << 31, b"x"),
            FileData(0, b"y"),
        ):
            pair.receiver.entity.receive_datagram(encode(header, pdu), STRANGER, pair.now_ns)
        pair.run(lambda: pair.over(id), 30)
        assert pair.states(id) == DONE


@pytest.mark.parametrize("end", [1, 2])
def test_an_end_that_comes_back_elsewhere_is_found(tmp_path: Path, end: int) -> None:
    pair, id = under_way(tmp_path, 10e6)
    with pair:
        moved, other = (pair.sender, pair.receiver) if end == 1 else (pair.receiver, pair.sender)
        moved.kill()
        moved.address = ("elsewhere", 5)
        moved.start(other.address)
        verified = pair.receiver.entity.status(id).verified_bytes
        assert pair.run(lambda: pair.receiver.entity.status(id).verified_bytes > verified, 60) < 4
        pair.run(lambda: pair.over(id), 30)
        assert pair.states(id) == DONE


@pytest.mark.parametrize("stamp_ns", [0, 1 << 62, -(1 << 62)])
def test_a_report_to_nothing_that_was_asked_teaches_nothing(tmp_path: Path, stamp_ns: int) -> None:
    pair, id = under_way(tmp_path, None)
    with pair:
        forged = Report(2, stamp_ns, 1 << 60, 1 << 60, 1 << 60, 1 << 30).pack()
        pair.sender.entity.receive_datagram(forged, pair.receiver.address, pair.now_ns)
        assert pair.run(lambda: pair.over(id), 60) < 4
        assert pair.states(id) == DONE


def test_who_was_heard_before_there_was_a_transfer_is_asked_at_once() -> None:
    entity = Entity(1, datagram_bytes=lambda _: 1_400)
    for number in range(300):
        entity.receive_datagram(Probe(number + 2, 0, 0).pack(), ("host", number), 0)
    assert entity.datagrams_to_send(0) == []
    id = TransactionId(301, 1)
    entity.receive(Entry(id, Role.RECEIVING, 301, ":/tmp/none", "x", 5), FileTarget(Path("/tmp/none")))
    [(datagram, address)] = entity.datagrams_to_send(0)
    assert is_contact(datagram)
    assert address == ("host", 299)


def test_a_peer_is_forgotten_with_the_last_of_its_transfers() -> None:
    entity = Entity(1, datagram_bytes=lambda _: 1_400)
    target = FileTarget(Path("/tmp/none"))
    ids = [TransactionId(7, number) for number in range(2)]
    for id in ids:
        entity.receive(Entry(id, Role.RECEIVING, 7, target.name, "x", 5, state=State.COMPLETED, closed=True), target)
    answered = []
    for id in ids:
        entity.receive_datagram(Probe(7, 0, 0).pack(), ("host", 7), 0)
        answered.append(len(entity.datagrams_to_send(0)) > 0)
        entity.forget(id)
    entity.receive_datagram(Probe(7, 0, 0).pack(), ("host", 7), 0)
    assert (answered, entity.datagrams_to_send(0)) == ([True, True], [])
