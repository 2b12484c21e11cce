"""Random, mutated and hostile datagrams, seeded, for a device and for a client: at real sockets, in a namespace.

    unshare --net sh -c 'ip link set lo up; python -m heliograph.testing.fuzz gvcp 1000000 1'
    unshare --net sh -c 'ip link set lo up; python -m heliograph.testing.fuzz gvsp 1000000 1'

prints what was sent, and the memory in use half-way and at the end, as a line of JSON. A fuzzer with control may point
a stream at any address: only ever run it where no packet gets out.
"""

from __future__ import annotations

import json
import os
import random
import socket
import struct
import sys
import time
from collections.abc import Iterator

import heliograph
from heliograph.gige import gvcp
from heliograph.gige.bootstrap import ControlPrivilege, Register
from heliograph.gige.client.device import GigeDevice
from heliograph.gige.gvcp import Command, CommandPacket
from heliograph.testing.processes import children, private_bytes, served

_BURST = 32
_RELEASE_S = 20.0
_COMMANDS = (0, 0xFFFF, *(int(command) for command in Command), *(int(command) + 1 for command in Command))
_LONGEST_BYTES = 600


def gvcp_datagrams(seed: int) -> Iterator[bytes]:
    """Give GVCP commands without end: some garbage, some with a true header, some that are nearly right."""
    dice = random.Random(seed)
    registers = [int(register) for register in Register] + [0x1_0000 + 0x100 * n for n in range(80)]
    while True:
        kind = dice.random()
        if kind < 0.1:
            yield dice.randbytes(dice.randrange(64))
            continue
        command = dice.choice(_COMMANDS)
        payload = dice.randbytes(dice.choice((0, 4, 8, 12, 20, 56, dice.randrange(_LONGEST_BYTES))))
        if kind < 0.6:
            address, value = dice.choice(registers), dice.choice((0, 1, 2, 0xFFFF_FFFF, dice.getrandbits(32)))
            command, payload = dice.choice(
                (
                    (Command.READREG, struct.pack(">I", address) * dice.choice((1, 2, 100))),
                    (Command.WRITEREG, struct.pack(">II", address, value)),
                    (Command.READMEM, struct.pack(">II", address, dice.choice((0, 3, 4, 512, 0xFFFF)))),
                    (Command.WRITEMEM, struct.pack(">I", address) + payload),
                )
            )
        datagram = bytearray(CommandPacket(command, dice.getrandbits(16), payload).pack())
        if dice.random() < 0.3:
            datagram[dice.randrange(len(datagram))] = dice.getrandbits(8)
        yield bytes(datagram[: len(datagram) - (dice.randrange(4) if dice.random() < 0.1 else 0)])


def gvsp_datagrams(seed: int) -> Iterator[bytes]:
    """Give GVSP packets without end, about blocks near those of a real stream, and garbage."""
    dice = random.Random(seed)
    while True:
        if dice.random() < 0.1:
            yield dice.randbytes(dice.randrange(100))
            continue
        block_id = dice.choice((0, 1, 0xFFFF, dice.getrandbits(16), dice.randrange(1, 400)))
        packet_id = dice.choice((0, 1, 0xFF_FFFF, dice.getrandbits(24), dice.randrange(3_300)))
        status = dice.choice((0, 0, 0, 0x0100, 0x800C, 0x8010, 0x8012, dice.getrandbits(16)))
        packet_format = dice.choice((1, 2, 3, 0x81, 0x82, 0x83, dice.getrandbits(8)))
        header = struct.pack(">HHI", status, block_id, packet_format << 24 | packet_id)
        if packet_format & 0x80:
            header += struct.pack(">QI", dice.choice((block_id, dice.getrandbits(64))), packet_id)
        size = (dice.choice((2028, 0, 1, 0xFFFF_FFFF)), dice.choice((1520, 0, 3, 0xFFFF_FFFF)))
        leader = struct.pack(">HHQI4I", 0, dice.choice((1, 0x4001, 9)), dice.getrandbits(64), 0x0108_0009, *size, 0, 0)
        body = dice.choice((leader, leader + bytes(4), dice.randbytes(1464), dice.randbytes(dice.randrange(1465)), b""))
        yield header + body


def fuzz_gvcp(count: int, seed: int) -> dict[str, object]:
    """Send commands to a served camera, as its controller and as strangers; tell whether it still works."""
    with served("sim://bench") as ([address], pid), GigeDevice(address, control=False) as bystander:
        _first_frame(address)
        half_bytes = 0
        sockets = [_udp("127.0.0.1") for _ in range(4)]
        for number, datagram in zip(range(count), gvcp_datagrams(seed), strict=False):
            if number == count // 2:
                _release(sockets, address, bystander)
                half_bytes = private_bytes(pid)
            if number % 10_000 == 0:
                _write_privilege(sockets[0], address, ControlPrivilege.CONTROL)
            sockets[number % len(sockets)].sendto(datagram, (address, gvcp.PORT))
            if number % _BURST == 0:
                # An answer to a bystander shows that the device keeps up, and that it answers.
                bystander.read_register(Register.VERSION)
        _release(sockets, address, bystander)
        for sock in sockets:
            sock.close()
        end_bytes = private_bytes(pid)
        _first_frame(address)
    return {"sent": count, "seed": seed, "half_bytes": half_bytes, "end_bytes": end_bytes}


def fuzz_gvsp(count: int, seed: int) -> dict[str, object]:
    """Send packets in a camera's name into a stream of it; tell whether its frames still come."""
    with served("sim://bench") as ([address], _), heliograph.open(f"gige://{address}?packet_size=1500") as camera:
        camera.grab()
        pid = max(children(os.getpid()))
        with GigeDevice(address, control=False) as bystander:
            port = bystander.read_register(Register.STREAM_CHANNEL_PORT) & 0xFFFF
        half_bytes = 0
        with _udp(address) as spoofed:
            for number, datagram in zip(range(count), gvsp_datagrams(seed), strict=False):
                if number == count // 2:
                    half_bytes = private_bytes(pid)
                spoofed.sendto(datagram, ("127.0.0.1", port))
                if number % 1_000 == 0:
                    camera.grab(timeout_s=20)
        end_bytes = private_bytes(pid)
        camera.stop()
        whole = camera.grab(timeout_s=20).missing_packets == 0
    return {"sent": count, "seed": seed, "half_bytes": half_bytes, "end_bytes": end_bytes, "whole": whole}


def _first_frame(address: str) -> None:
    """Open the camera, put it to its factory settings, and take a picture; whatever is wrong raises."""
    with heliograph.open(f"gige://{address}?packet_size=1500") as camera:
        camera.features["UserSetSelector"] = "Default"
        camera.features.execute("UserSetLoad")
        camera.grab()


def _udp(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 0))
    return sock


def _release(sockets: list[socket.socket], address: str, bystander: GigeDevice) -> None:
    """Give control back, whoever has it, which ends a stream and lets go of the pictures kept for it."""
    for sock in sockets:
        # An unlucky heartbeat timeout would keep it for minutes.
        _write_privilege(sock, address, ControlPrivilege.NONE)
    deadline_s = time.monotonic() + _RELEASE_S
    while bystander.read_register(Register.CONTROL_CHANNEL_PRIVILEGE):
        if time.monotonic() > deadline_s:
            raise TimeoutError("nobody gives control back")


def _write_privilege(sock: socket.socket, address: str, privilege: int) -> None:
    payload = gvcp.pack_writes([(Register.CONTROL_CHANNEL_PRIVILEGE, privilege)])
    sock.sendto(CommandPacket(Command.WRITEREG, 1, payload).pack(), (address, gvcp.PORT))


def main(protocol: str, count: str, seed: str) -> None:
    """Fuzz one protocol."""
    told = {"gvcp": fuzz_gvcp, "gvsp": fuzz_gvsp}[protocol](int(count), int(seed))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
