"""Who may have packets sent again, and in which words: PACKETRESEND and the register of 64-bit block ids."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import RemoteProtocolError
from heliograph.gige import gvcp
from heliograph.gige.bootstrap import GvcpCapability, Register
from heliograph.gige.device.state import Address, ResendRequested
from heliograph.gige.gvcp import Command, CommandPacket, Flag, Status

Bench = Any  # conftest.py's, which test modules cannot import

# The receiving socket of a client at 10.0.0.1; its controlling socket is another one.
RECEIVER = ("10.0.0.2", 49_152)
WISH = struct.pack(">HHII", 0, 7, 2, 5)
EXTENDED_WISH = struct.pack(">HHIIQ", 0, 0, 2, 5, 0x1_0000_0007)


def wishes(
    bench: Bench, payload: bytes, client: Address, flags: Flag = Flag.NONE, *, broadcast: bool = False
) -> list[object]:
    packet = CommandPacket(Command.PACKETRESEND, 9, payload, flags).pack()
    bench.control.receive_datagram(packet, client, bench.now_ns, broadcast=broadcast)
    assert bench.control.datagrams_to_send() == [], "never acknowledged"
    assert bench.control.next_job() is None
    return [event for event in bench.control.events() if isinstance(event, ResendRequested)]


@pytest.fixture
def streaming(bench: Bench) -> Bench:
    bench.take_control(("10.0.0.1", 50_000))
    assert bench.write(Register.STREAM_CHANNEL_DESTINATION, 0x0A000002) == Status.SUCCESS
    return bench


def test_golden_payloads() -> None:
    assert gvcp.unpack_resend(WISH, extended=False) == (7, 2, 5)
    assert gvcp.unpack_resend(EXTENDED_WISH, extended=True) == (0x1_0000_0007, 2, 5)
    # The upper 8 bits of a packet id are not part of it.
    assert gvcp.unpack_resend(struct.pack(">HHII", 0, 7, 0xFF00_0002, 0xFFFF_FFFF), extended=False) == (7, 2, 0xFFFFFF)


@pytest.mark.parametrize(
    ("payload", "extended"), [(WISH, True), (EXTENDED_WISH, False), (b"", False), (WISH[:-1], False)]
)
def test_a_wish_of_another_length_is_none(payload: bytes, extended: bool) -> None:
    with pytest.raises(RemoteProtocolError, match=f"{len(payload)} bytes"):
        gvcp.unpack_resend(payload, extended=extended)


@given(st.binary(max_size=40), st.booleans())
def test_arbitrary_bytes_are_a_wish_or_the_one_error(payload: bytes, extended: bool) -> None:
    try:
        block_id, first, last = gvcp.unpack_resend(payload, extended=extended)
    except RemoteProtocolError:
        return
    assert 0 <= block_id < 1 << 64
    assert 0 <= min(first, last) <= max(first, last) < 1 << 32


@pytest.mark.parametrize("flags", [Flag.NONE, Flag.ACK_REQUIRED])
def test_any_port_of_the_receiver_or_of_the_controller_may_ask(streaming: Bench, flags: Flag) -> None:
    for client in (RECEIVER, ("10.0.0.2", 1), ("10.0.0.1", 1)):
        assert wishes(streaming, WISH, client, flags) == [ResendRequested(client, 7, 2, 5)]


def test_nobody_else_may_ask(streaming: Bench) -> None:
    assert wishes(streaming, WISH, ("10.0.0.3", 49_152)) == []
    assert wishes(streaming, WISH, RECEIVER, broadcast=True) == []
    assert streaming.write(Register.CONTROL_CHANNEL_PRIVILEGE, 0) == Status.SUCCESS
    assert wishes(streaming, WISH, ("10.0.0.1", 1)) == []


def test_everybody_who_hears_a_multicast_stream_may_ask(streaming: Bench) -> None:
    assert streaming.write(Register.STREAM_CHANNEL_DESTINATION, 0xEF010203) == Status.SUCCESS
    client = ("10.0.0.3", 1)
    assert wishes(streaming, WISH, client) == [ResendRequested(client, 7, 2, 5)]


def test_64_bit_block_ids_and_nonsense(streaming: Bench) -> None:
    wish = ResendRequested(RECEIVER, 0x1_0000_0007, 2, 5)
    assert wishes(streaming, EXTENDED_WISH, RECEIVER, Flag.EXTENDED) == [wish]
    before = streaming.control.rejected_datagrams
    assert wishes(streaming, EXTENDED_WISH, RECEIVER) == []
    assert wishes(streaming, struct.pack(">HHII", 1, 7, 2, 5), RECEIVER) == [], "there is one stream channel"
    assert streaming.control.rejected_datagrams == before + 2


def test_resend_is_announced_and_extended_ids_are_switched_while_nothing_streams(streaming: Bench) -> None:
    assert streaming.read(Register.GVCP_CAPABILITY) & GvcpCapability.PACKET_RESEND
    assert streaming.read(Register.GVSP_CONFIGURATION) == 0
    assert streaming.write(Register.GVSP_CONFIGURATION, 0x4000_0000) == Status.SUCCESS
    assert streaming.read(Register.GVSP_CONFIGURATION) == 0x4000_0000
    assert streaming.write(Register.GVSP_CONFIGURATION, 0x4000_0001) == Status.INVALID_PARAMETER
    assert streaming.write(Register.STREAM_CHANNEL_PORT, 4000) == Status.SUCCESS
    streaming.transport.execute("AcquisitionStart")
    assert streaming.write(Register.GVSP_CONFIGURATION, 0) == Status.ACCESS_DENIED
    streaming.transport.execute("AcquisitionStop")
    assert streaming.write(Register.GVSP_CONFIGURATION, 0) == Status.SUCCESS
