"""The engine over a path that loses, delays, doubles and reorders, is cut, and whose ends are killed and held."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core import RemoteProtocolError
from heliograph.link.cfdp.contact import Probe, Report
from heliograph.link.cfdp.entry import Entry
from heliograph.link.cfdp.extents import Extents
from heliograph.link.cfdp.files import FileTarget, Identity
from heliograph.link.cfdp.pdu import (
    Ack,
    ChecksumType,
    Directive,
    Eof,
    FileData,
    Finished,
    Header,
    KeepAlive,
    Metadata,
    Nak,
    Pdu,
    Prompt,
    encode,
)
from heliograph.link.cfdp.transaction import Role, State, TransactionId
from heliograph.sim.net import PathModel
from heliograph.testing.transfers import Pair

MS = 1_000_000
DONE = (State.COMPLETED, State.COMPLETED)

lossy = st.builds(
    lambda shortest_ms, spread_ms, duplicated, lost: PathModel(
        shortest_ms * MS, (shortest_ms + spread_ms) * MS, duplicated, lost
    ),
    st.integers(0, 300),
    st.integers(0, 100),
    st.floats(0, 0.1),
    st.floats(0, 0.3),
)
rates = st.sampled_from((None, 1e6, 2e7))
happenings = st.lists(
    st.tuples(
        st.floats(0, 4),
        st.sampled_from(("cut", "return", "hold 1", "hold 2", "go 1", "go 2", "kill 1", "kill 2")),
    ),
    max_size=6,
)


# Tens in CI, thousands in a soak.
fewer = settings(max_examples=settings().max_examples * 3 // 10)


def happen(pair: Pair, id: TransactionId, what: str) -> None:
    word, _, end = what.partition(" ")
    side = pair.receiver if end == "2" else pair.sender
    if word in ("hold", "go") and side.entity.status(id).state.final:
        return
    match word:
        case "cut" | "return":
            pair.cut = word == "cut"
        case "hold":
            side.entity.suspend(id)
        case "go":
            side.entity.resume(id)
        case "kill":
            side.kill()
            side.start()


@fewer
@given(lossy, st.integers(0, 99), st.integers(0, 150_000), rates, happenings)
def test_the_same_file_arrives_whatever_happens(
    model: PathModel, seed: int, size_bytes: int, rate_bps: float | None, happenings: list[tuple[float, str]]
) -> None:
    data = random.Random(seed).randbytes(size_bytes)
    with (
        tempfile.TemporaryDirectory() as folder,
        Pair(Path(folder), model, seed, rate_bps) as pair,
    ):
        id = pair.send(data, hashlib.sha256(data).digest())
        for after_s, what in happenings:
            pair.run(lambda: pair.over(id), after_s)
            if not pair.over(id):
                happen(pair, id, what)
        pair.cut = False
        for end in (pair.sender, pair.receiver):
            if not end.entity.status(id).state.final:
                end.entity.resume(id)
        pair.run(lambda: pair.settled(id), 600)
        assert pair.settled(id)
        assert pair.states(id) == DONE
        assert pair.copy(id).read_bytes() == data
        assert [file.name for file in Path(folder).iterdir() if file.name.endswith(".part")] == []


SEEN = st.floats(0, 3)


@fewer
@given(lossy, st.integers(0, 99), SEEN, st.sampled_from((1, 2)), st.booleans())
def test_cancelled_at_one_end_it_ends_at_both_and_nothing_stays(
    model: PathModel, seed: int, after_s: float, end: int, killed: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder, Pair(Path(folder), model, seed, 1e6) as pair:
        id = pair.send(bytes(200_000))
        pair.run(lambda: pair.over(id), after_s)
        side = pair.sender if end == 1 else pair.receiver
        if side.entity.status(id).state.final:
            return
        side.entity.cancel(id)
        side.work(pair.now_ns)
        if killed:
            side.kill()
            side.start()
        pair.run(lambda: pair.settled(id), 600)
        assert pair.settled(id)
        # Whole at the receiver before it heard: then it is whole.
        if pair.states(id) != DONE:
            assert pair.states(id) == (State.CANCELLED, State.CANCELLED)
            assert [file.name for file in Path(folder).iterdir() if "copy" in file.name] == []


def pair_over(tmp_path: Path, model: PathModel, rate_bps: float | None = None) -> Pair:
    return Pair(tmp_path, model, seed=1, rate_bps=rate_bps)


LINK_BPS = 5e6
SLOW = PathModel(300 * MS, 300 * MS, lost=0.02, rate_bps=LINK_BPS)


@pytest.mark.parametrize("rate_bps", [LINK_BPS, None])
def test_a_long_lossy_link_is_used_well(tmp_path: Path, rate_bps: float | None) -> None:
    with pair_over(tmp_path, SLOW, rate_bps) as pair:
        id = pair.send(random.Random(1).randbytes(6_000_000))
        # Once it has found out what the link carries.
        pair.run(lambda: pair.over(id), 5)
        sent, verified = pair.bytes_sent, pair.receiver.entity.status(id).verified_bytes
        pair.run(lambda: pair.over(id), 4)
        sent, verified = pair.bytes_sent - sent, pair.receiver.entity.status(id).verified_bytes - verified
        assert verified * 8 / 4 > 0.75 * LINK_BPS
        # What was lost is sent again, and little twice.
        assert sent < 1.15 * verified


@pytest.mark.parametrize("outage_s", [0.5, 10, 4 * 3600])
def test_after_an_outage_data_flows_at_once_and_little_is_said_during_it(tmp_path: Path, outage_s: float) -> None:
    with pair_over(tmp_path, SLOW, LINK_BPS) as pair:
        id = pair.send(bytes(3_000_000))
        pair.run(lambda: pair.over(id), 3)
        pair.cut = True
        before = pair.bytes_sent
        pair.run(lambda: False, outage_s)
        # Three seconds of data until the loss is seen, then a probe a second.
        assert pair.bytes_sent - before < 3 * LINK_BPS / 8 + 100 * outage_s
        pair.cut = False
        before = pair.receiver.entity.status(id).verified_bytes
        took_s = pair.run(lambda: pair.receiver.entity.status(id).verified_bytes > before, 60)
        # A probe that hears, an answer, data, and a second until it is saved.
        assert took_s < 3.6
        pair.run(lambda: pair.over(id), 60)
        assert pair.states(id) == DONE


def test_a_sender_that_died_is_not_told_for_ever_and_hears_when_it_asks(tmp_path: Path) -> None:
    with pair_over(tmp_path, PathModel(MS, MS)) as pair:
        id = pair.send(bytes(100_000), found_by_sender=True)
        pair.run(lambda: pair.states(id)[1].final, 60)
        pair.sender.kill()
        pair.cut = True
        pair.run(lambda: pair.statuses(id)[1].closed, 3_500)
        assert not pair.statuses(id)[1].closed
        pair.run(lambda: pair.statuses(id)[1].closed, 200)
        assert pair.statuses(id)[1].closed
        # Nobody is looked for any more.
        assert pair.receiver.entity.next_timer_ns(pair.now_ns) >= 1 << 62
        pair.cut = False
        pair.sender.start()
        pair.run(lambda: pair.settled(id), 60)
        assert pair.states(id) == DONE


def test_a_receiver_that_died_is_not_told_for_ever_and_hears_when_it_asks(tmp_path: Path) -> None:
    with pair_over(tmp_path, PathModel(MS, MS), 1e6) as pair:
        id = pair.send(bytes(300_000))
        pair.run(lambda: pair.statuses(id)[0].state is State.ACTIVE, 60)
        pair.receiver.kill()
        pair.cut = True
        pair.sender.entity.cancel(id)
        pair.run(lambda: pair.statuses(id)[0].closed, 3_500)
        assert not pair.statuses(id)[0].closed
        pair.run(lambda: pair.statuses(id)[0].closed, 200)
        assert pair.statuses(id)[0].closed
        assert pair.sender.entity.next_timer_ns(pair.now_ns) >= 1 << 62
        pair.cut = False
        pair.receiver.start()
        pair.run(lambda: pair.settled(id), 60)
        assert pair.settled(id)
        assert pair.states(id) == (State.CANCELLED, State.CANCELLED)


def test_the_sender_hears_why_the_receiver_gave_up_also_after_a_restart(tmp_path: Path) -> None:
    with pair_over(tmp_path, PathModel(MS, MS)) as pair:
        id = pair.send(b"data", sha256=bytes(32))
        pair.run(lambda: pair.states(id)[1].final, 60)
        pair.receiver.kill()
        pair.receiver.start()
        pair.run(lambda: pair.over(id), 60)
        assert "file checksum failure" in pair.statuses(id)[0].reason


def test_beyond_four_gigabytes_offsets_are_long(tmp_path: Path) -> None:
    size_bytes, there = 5 << 30, (5 << 30) - 100_000
    with pair_over(tmp_path, PathModel(MS, MS)) as pair:
        source = tmp_path / "source"
        with source.open("wb") as file:
            file.truncate(size_bytes)
            file.seek(there)
            file.write(random.Random(1).randbytes(100_000))
        with source.open("rb", buffering=0) as raw:
            identity = Identity.of(raw)
        # All but the end is at the receiver: that is what a restart near the end looks like.
        (tmp_path / ".copy.part").touch()
        os.truncate(tmp_path / ".copy.part", there)
        extents = Extents()
        extents.add(0, there)
        id, none = TransactionId(1, 1), ChecksumType.NULL_CHECKSUM
        name = FileTarget(tmp_path / "copy").name
        pair.receiver.write(
            Entry(id, Role.RECEIVING, 1, name, "copy", size_bytes, checksum=none, extents=extents.pack())
        )
        pair.sender.write(
            Entry(
                id,
                Role.SENDING,
                2,
                str(source),
                "copy",
                size_bytes,
                checksum=none,
                identity=identity,
                address=pair.receiver.address,
            )
        )
        pair.run(lambda: pair.over(id), 20)
        assert pair.states(id) == DONE
        assert pair.bytes_sent < 120_000
        with source.open("rb") as sent, (tmp_path / "copy").open("rb") as copy:
            assert sent.seek(there) == copy.seek(there)
            assert copy.read() == sent.read()


HEADERS = [Header(TransactionId(1, 1), 2, to_sender) for to_sender in (False, True)]
PDUS: list[Pdu] = [
    Nak(0, 1 << 30, ((0, 0), (5, 3), (90_000, 1 << 31))),
    KeepAlive(1 << 31),
    Ack(Directive.EOF_PDU),
    Ack(Directive.FINISHED_PDU),
    FileData(1 << 31, b"x"),
    Metadata(50, "a", "b"),
    Eof(3, 1_000),
    Prompt(),
    Finished(),
]
GOOD = [encode(header, pdu) for header in HEADERS for pdu in PDUS]
GOOD += [Probe(1, 2, 3).pack(), Report(2, 1 << 60, 1 << 50, 1 << 60, 5, 6).pack()]
flipped = st.builds(
    lambda datagram, at, bit: bytes(octet ^ (bit if place == at else 0) for place, octet in enumerate(datagram)),
    st.sampled_from(GOOD),
    st.integers(0, 60),
    st.sampled_from([0] + [1 << place for place in range(8)]),
)


@fewer
@given(st.lists(st.one_of(flipped, st.binary(max_size=60)), max_size=60))
def test_hostile_datagrams_are_refused_and_break_nothing(hostile: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder, Pair(Path(folder), PathModel(MS, MS), 1, 1e6) as pair:
        id = pair.send(bytes(50_000))
        for datagram in hostile:
            # In the name of the other end: what a stranger says is hardly looked at.
            for end, other in ((pair.sender, pair.receiver), (pair.receiver, pair.sender)):
                with contextlib.suppress(RemoteProtocolError):
                    end.entity.receive_datagram(datagram, other.address, pair.now_ns)
            pair.run(lambda: pair.over(id), 0.01)
        pair.run(lambda: pair.over(id), 1)
        assert len(pair.statuses(id)) == 2
