"""GVCP packets against bytes that others sent (vectors/README.md), and against whatever may arrive."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from heliograph.core import RemoteProtocolError
from heliograph.gige import gvcp
from heliograph.gige.bootstrap import DeviceMode, PacketSizeBit, Register
from heliograph.gige.gvcp import AckPacket, Command, CommandPacket, Flag, Status


def vectors() -> dict[str, bytes]:
    """Read the golden packets by name."""
    packets: dict[str, str] = {}
    name = ""
    for line in (Path(__file__).parent / "vectors" / "gvcp.txt").read_text().splitlines():
        if line.startswith(" "):
            packets[name] += line.strip()
        else:
            name = line
            packets[name] = ""
    return {name: bytes.fromhex(text) for name, text in packets.items()}


VECTORS = vectors()
COMMANDS = {name: data for name, data in VECTORS.items() if name.startswith("aravis ")}
ACKS = {name: data for name, data in VECTORS.items() if name.startswith("aravis-fake ")}


@pytest.mark.parametrize(
    ("name", "command", "request_id"),
    [
        ("aravis discovery", Command.DISCOVERY, 0xFFFF),
        ("aravis readmem", Command.READMEM, 0xFF39),
        ("aravis readreg", Command.READREG, 0xFF38),
        ("aravis writereg", Command.WRITEREG, 0xFF36),
        ("aravis writemem", Command.WRITEMEM, 0xFF38),
    ],
)
def test_commands_of_aravis(name: str, command: Command, request_id: int) -> None:
    packet = CommandPacket.unpack(COMMANDS[name])
    assert (packet.command, packet.request_id, packet.flags) == (command, request_id, Flag.ACK_REQUIRED)
    assert packet.ack_required
    assert packet.pack() == COMMANDS[name]


def test_payloads_of_aravis() -> None:
    payloads = {name.split()[1]: CommandPacket.unpack(data).payload for name, data in COMMANDS.items()}
    assert gvcp.unpack_memory_read(payloads["readmem"]) == (Register.MANUFACTURER_NAME, 32)
    assert gvcp.unpack_addresses(payloads["readreg"]) == [Register.GVCP_CAPABILITY]
    assert gvcp.unpack_writes(payloads["writereg"]) == [(Register.CONTROL_CHANNEL_PRIVILEGE, 2)]
    size = (PacketSizeBit.DO_NOT_FRAGMENT | 1500).to_bytes(4, "big")
    assert gvcp.unpack_memory(payloads["writemem"]) == (Register.STREAM_CHANNEL_PACKET_SIZE, size)


@pytest.mark.parametrize("name", ACKS)
def test_acknowledges_of_aravis_fake(name: str) -> None:
    packet = AckPacket.unpack(ACKS[name])
    assert packet.status == Status.SUCCESS
    assert packet.pack() == ACKS[name]


def test_payloads_of_aravis_fake() -> None:
    payloads = {name.split()[1]: AckPacket.unpack(data).payload for name, data in ACKS.items()}
    assert len(payloads["discovery-ack"]) == 0xF8
    assert payloads["discovery-ack"][Register.CURRENT_IP :][:4] == bytes([127, 0, 0, 1])
    assert payloads["discovery-ack"][Register.SERIAL_NUMBER :][:5] == b"GV01\0"
    assert gvcp.unpack_memory(payloads["readmem-ack"]) == (Register.MANUFACTURER_NAME, b"Aravis".ljust(32, b"\0"))
    assert gvcp.unpack_addresses(payloads["readreg-ack"]) == [0x100]
    assert gvcp.unpack_write_done(payloads["writereg-ack"]) == 1


def test_discovery_acknowledge_of_a_flir_camera() -> None:
    begin = VECTORS["flir discovery-ack-beginning"]
    packet = AckPacket.unpack(begin.ljust(8 + 0xF8, b"\0"))
    assert (packet.status, packet.command, packet.request_id) == (0, Command.DISCOVERY + 1, 0xFFFF)
    assert packet.payload[Register.VERSION :][:4] == bytes.fromhex("00010002")
    mode = int.from_bytes(packet.payload[Register.DEVICE_MODE :][:4], "big")
    assert DeviceMode(mode) == DeviceMode.BIG_ENDIAN | DeviceMode.UTF8
    assert packet.payload[Register.MAC_HIGH + 2 :][:6].hex(":") == "2c:dd:a3:31:87:d7"
    with pytest.raises(RemoteProtocolError, match="announces 248 bytes"):
        AckPacket.unpack(begin)


@pytest.mark.parametrize("name", [*COMMANDS, *ACKS])
def test_every_truncation_is_a_protocol_error(name: str) -> None:
    data = VECTORS[name]
    unpack = CommandPacket.unpack if name in COMMANDS else AckPacket.unpack
    for length in range(len(data)):
        with pytest.raises(RemoteProtocolError):
            unpack(data[:length])


PAYLOADS: list[tuple[Callable[[bytes], object], bytes]] = [
    (gvcp.unpack_addresses, gvcp.pack_addresses([0x0A00])),
    (gvcp.unpack_writes, gvcp.pack_writes([(0x0A00, 2)])),
    (gvcp.unpack_write_done, gvcp.pack_write_done(1)),
    (gvcp.unpack_memory_read, gvcp.pack_memory_read(0x200, 512)),
    (gvcp.unpack_pending, gvcp.pack_write_done(2000)),
]


@pytest.mark.parametrize(("unpack", "payload"), PAYLOADS)
def test_every_truncation_of_a_payload_is_a_protocol_error(unpack: Callable[[bytes], object], payload: bytes) -> None:
    unpack(payload)
    for length in range(len(payload)):
        with pytest.raises(RemoteProtocolError):
            unpack(payload[:length])


@pytest.mark.parametrize("length", range(5))
def test_memory_packet_without_data_is_a_protocol_error(length: int) -> None:
    with pytest.raises(RemoteProtocolError):
        gvcp.unpack_memory(bytes(length))


U32 = st.integers(0, 0xFFFF_FFFF)
U16 = st.integers(0, 0xFFFF)
DATA = st.binary(max_size=gvcp.MAX_DATA_BYTES)


@given(U16, U16, DATA, st.integers(0, 0xFF))
def test_commands_read_back(command: int, request_id: int, payload: bytes, flags: int) -> None:
    packet = CommandPacket(command, request_id, payload, Flag(flags))
    assert CommandPacket.unpack(packet.pack()) == packet
    assert packet.ack_required == bool(flags & 1)


@given(U16, U16, U16, DATA)
def test_acknowledges_read_back(status: int, command: int, request_id: int, payload: bytes) -> None:
    packet = AckPacket(status, command, request_id, payload)
    assert AckPacket.unpack(packet.pack()) == packet


@given(st.lists(U32, min_size=1), st.lists(st.tuples(U32, U32), min_size=1), U32, U16, DATA.filter(bool))
def test_payloads_read_back(
    addresses: list[int], writes: list[tuple[int, int]], address: int, count: int, data: bytes
) -> None:
    assert gvcp.unpack_addresses(gvcp.pack_addresses(addresses)) == addresses
    assert gvcp.unpack_writes(gvcp.pack_writes(writes)) == writes
    assert gvcp.unpack_memory_read(gvcp.pack_memory_read(address, count)) == (address, count)
    assert gvcp.unpack_memory(gvcp.pack_memory(address, data)) == (address, data)
    assert gvcp.unpack_write_done(gvcp.pack_write_done(count)) == count


@given(st.binary(max_size=100))
@example(COMMANDS["aravis writereg"])
@example(ACKS["aravis-fake readreg-ack"])
def test_arbitrary_bytes_give_a_packet_or_a_protocol_error(data: bytes) -> None:
    readers = (CommandPacket.unpack, AckPacket.unpack, gvcp.unpack_memory, *(unpack for unpack, _ in PAYLOADS))
    for unpack in readers:
        with contextlib.suppress(RemoteProtocolError):
            unpack(data)
