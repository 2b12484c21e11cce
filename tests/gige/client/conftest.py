"""A camera on a loopback socket that answers as a test tells it to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from heliograph.gige import gvcp
from heliograph.gige.bootstrap import Register
from heliograph.gige.gvcp import AckPacket, Command, CommandPacket, Status

Script = Callable[[CommandPacket], "list[bytes] | None"]


class ScriptedDevice:
    """Memory behind GVCP. `script` gives the datagrams that answer a command; None for the honest answer."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.memory = bytearray(0x20000)
        self.commands: list[tuple[float, CommandPacket]] = []
        self.clients: set[tuple[str, int]] = set()
        self.script: Script = lambda command: None
        self.written: Callable[[int, int], None] = lambda address, value: None
        self.set(Register.DEVICE_MODE, 0x8000_0001)
        self.set(Register.HEARTBEAT_TIMEOUT, 30_000)
        self.set(Register.STREAM_CHANNEL_COUNT, 1)
        self._ended = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, gvcp.PORT))
        self.socket.settimeout(0.02)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def set(self, address: int, value: int) -> None:
        """Give a register a value."""
        self.memory[address : address + 4] = value.to_bytes(4, "big")

    def get(self, address: int) -> int:
        """Give a register's value."""
        return int.from_bytes(self.memory[address : address + 4], "big")

    def put(self, address: int, data: bytes) -> None:
        """Write bytes into memory."""
        self.memory[address : address + len(data)] = data

    def count(self, code: int) -> int:
        """Count the commands of a kind that came."""
        return sum(command.command == code for _, command in self.commands)

    def honest(self, command: CommandPacket) -> AckPacket:
        """Give the answer of a camera that works."""
        payload = b""
        match command.command:
            case Command.READREG:
                (address,) = gvcp.unpack_addresses(command.payload)
                payload = gvcp.pack_addresses([self.get(address)])
            case Command.WRITEREG:
                ((address, value),) = gvcp.unpack_writes(command.payload)
                self.set(address, value)
                self.written(address, value)
                payload = gvcp.pack_write_done(1)
            case Command.READMEM:
                address, count = gvcp.unpack_memory_read(command.payload)
                if address % 4 or count % 4:
                    return self.refusal(command, Status.BAD_ALIGNMENT)
                payload = gvcp.pack_memory(address, bytes(self.memory[address : address + count]))
            case Command.WRITEMEM:
                address, data = gvcp.unpack_memory(command.payload)
                if address % 4 or len(data) % 4:
                    return self.refusal(command, Status.BAD_ALIGNMENT)
                self.put(address, data)
                payload = gvcp.pack_write_done(len(data))
            case Command.DISCOVERY:
                payload = bytes(self.memory[:0xF8])
        return AckPacket(0, command.command + 1, command.request_id, payload)

    def refusal(self, command: CommandPacket, status: Status) -> AckPacket:
        """Give an answer that says no."""
        return AckPacket(status, command.command + 1, command.request_id)

    def close(self) -> None:
        """End."""
        self._ended = True
        self._thread.join()
        self.socket.close()

    def _serve(self) -> None:
        while not self._ended:
            with contextlib.suppress(TimeoutError):
                data, client = self.socket.recvfrom(2048)
                self.clients.add(client)
                command = CommandPacket.unpack(data)
                self.commands.append((time.monotonic(), command))
                answers = self.script(command)
                for answer in [self.honest(command).pack()] if answers is None else answers:
                    self.socket.sendto(answer, client)


@pytest.fixture
def scripted(address: str) -> Iterator[ScriptedDevice]:
    """Give a camera that answers as told, at the test's address."""
    device = ScriptedDevice(address)
    try:
        yield device
    finally:
        device.close()


@pytest.fixture
def wait_for() -> Callable[[Callable[[], object]], None]:
    """Give what waits until something is so, 10 s at most."""

    def wait(condition: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline_s, "it did not happen within 10 s"
            time.sleep(0.005)

    return wait


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make clients wait 60 ms for an answer instead of 500."""
    monkeypatch.setattr("heliograph.gige.client.exchange._ANSWER_NS", 60_000_000)
