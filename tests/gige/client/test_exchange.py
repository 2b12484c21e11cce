"""One command and its acknowledge, without sockets and clocks."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from heliograph.core import CameraLostError, RemoteStatusError
from heliograph.gige import gvcp
from heliograph.gige.client.exchange import Exchange
from heliograph.gige.gvcp import PENDING_ACK, AckPacket, Command, CommandPacket, Status

MS = 1_000_000
COMMAND = CommandPacket(Command.READREG, 7, gvcp.pack_addresses([0xA00]))
ANSWER = AckPacket(0, Command.READREG + 1, 7, gvcp.pack_addresses([2]))


def pending(time_ms: int, request_id: int = 7) -> bytes:
    return AckPacket(0, PENDING_ACK, request_id, gvcp.pack_write_done(time_ms)).pack()


def test_the_acknowledge_ends_the_exchange() -> None:
    exchange = Exchange(COMMAND, now_ns=0)
    assert exchange.datagram == COMMAND.pack()
    assert exchange.receive_datagram(ANSWER.pack(), now_ns=MS) == ANSWER


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"hello",
        ANSWER.pack()[:-1],
        AckPacket(0, Command.READREG + 1, 6, ANSWER.payload).pack(),
        AckPacket(0, Command.READMEM + 1, 7, ANSWER.payload).pack(),
        AckPacket(Status.ACCESS_DENIED, Command.READREG + 1, 8).pack(),
        AckPacket(Status.ACCESS_DENIED, Command.WRITEREG + 1, 7).pack(),
        AckPacket(0, PENDING_ACK, 7, b"\0\0").pack(),
        COMMAND.pack(),
    ],
)
def test_whatever_is_not_the_acknowledge_changes_nothing(other: bytes) -> None:
    exchange = Exchange(COMMAND, now_ns=0)
    deadline_ns = exchange.deadline_ns
    assert exchange.receive_datagram(other, now_ns=MS) is None
    assert exchange.deadline_ns == deadline_ns
    assert exchange.receive_datagram(ANSWER.pack(), now_ns=2 * MS) == ANSWER


def test_a_busy_camera_is_asked_again_and_refuses_in_the_end() -> None:
    exchange = Exchange(COMMAND, now_ns=0)
    busy = AckPacket(Status.BUSY, Command.READREG + 1, 7).pack()
    for second in range(5):
        assert exchange.receive_datagram(busy, now_ns=second * 1000 * MS) is None
        assert not exchange.handle_timer(now_ns=(second * 1000 + 49) * MS)
        assert exchange.handle_timer(now_ns=(second * 1000 + 50) * MS)
    with pytest.raises(RemoteStatusError, match="busy"):
        exchange.receive_datagram(busy, now_ns=5_000 * MS)


def ask_for(exchange: Exchange, seconds: int, heard: bytes = b"") -> list[int]:
    """Let time pass, in steps of 10 ms with a datagram at each, and give when the command was sent, in ms."""
    sent_ms = []
    for now_ms in range(0, seconds * 1000, 10):
        exchange.receive_datagram(heard, now_ms * MS)
        if exchange.handle_timer(now_ms * MS):
            sent_ms.append(now_ms)
    return sent_ms


def test_a_silent_camera_is_asked_five_times_and_no_more() -> None:
    exchange = Exchange(COMMAND, now_ns=0)
    assert ask_for(exchange, seconds=2) == [500, 1000, 1500]
    exchange = Exchange(COMMAND, now_ns=0)
    with pytest.raises(CameraLostError, match="does not answer"):
        ask_for(exchange, seconds=10)
    # The last try went out at 2000 and had its 500 ms.
    assert exchange.deadline_ns == 2500 * MS


def test_pending_is_waited_for_and_shows_that_the_camera_lives() -> None:
    exchange = Exchange(COMMAND, now_ns=0)
    now_ns = 0
    for _ in range(12):
        # The camera says "2 s more" to every repeat, as ours does while a driver is at work.
        assert exchange.receive_datagram(pending(2000), now_ns) is None
        assert not exchange.handle_timer(now_ns + 2499 * MS)
        now_ns += 2500 * MS
        assert exchange.handle_timer(now_ns)
    assert exchange.receive_datagram(ANSWER.pack(), now_ns) == ANSWER


def test_pending_for_ever_ends_after_a_minute() -> None:
    exchange = Exchange(COMMAND, now_ns=0)
    with pytest.raises(RemoteStatusError, match="still at work after 60 s") as caught:
        ask_for(exchange, seconds=120, heard=pending(65_535))
    assert caught.value.status == Status.BUSY


def test_pending_of_another_request_is_not_ours() -> None:
    exchange = Exchange(COMMAND, now_ns=0)
    exchange.receive_datagram(pending(60_000, request_id=6), now_ns=0)
    assert exchange.handle_timer(500 * MS)


@pytest.mark.parametrize(
    "status", [each for each in Status if each >= 0x8000 and each != Status.BUSY] + [0x8888, 0x0001]
)
def test_a_refusal_says_why_and_keeps_the_status(status: int) -> None:
    exchange = Exchange(COMMAND, now_ns=0)
    with pytest.raises(RemoteStatusError, match="the camera refused: ") as caught:
        exchange.receive_datagram(AckPacket(status, Command.READREG + 1, 7).pack(), now_ns=0)
    assert caught.value.status == status


acks = st.builds(
    AckPacket,
    st.integers(0, 0xFFFF),
    st.sampled_from([Command.READREG + 1, PENDING_ACK, 0, 0xFFFF]),
    st.sampled_from([0, 6, 7, 0xFFFF]),
    st.binary(max_size=12),
).map(AckPacket.pack)


@given(st.lists(st.binary(max_size=24) | acks, max_size=8))
@example([pending(0), ANSWER.pack()])
def test_any_bytes_give_the_acknowledge_nothing_or_a_refusal(datagrams: list[bytes]) -> None:
    exchange = Exchange(COMMAND, now_ns=0)
    for datagram in datagrams:
        with contextlib.suppress(RemoteStatusError):
            ack = exchange.receive_datagram(datagram, now_ns=0)
            assert ack is None or (ack.request_id, ack.command) == (7, Command.READREG + 1)
        assert 500 * MS <= exchange.deadline_ns <= 60_000 * MS
