"""Any address and length on registers that come in words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import RemoteProtocolError
from heliograph.gige.bootstrap import DeviceMode, Register
from heliograph.gige.client.port import RegisterPort

SIZE = 64


class Words:
    """A camera that serves whole words only, and keeps them in its own byte order."""

    def __init__(self, order: Any) -> None:
        self.order = order
        self.memory = bytearray(range(SIZE))
        self.calls: list[str] = []

    def read_register(self, address: int) -> int:
        if address == Register.DEVICE_MODE and not self.calls:
            return DeviceMode.BIG_ENDIAN if self.order == "big" else 0
        assert address % 4 == 0
        self.calls.append("READREG")
        return int.from_bytes(self.memory[address : address + 4], self.order)

    def write_register(self, address: int, value: int) -> None:
        assert address % 4 == 0
        self.calls.append("WRITEREG")
        self.memory[address : address + 4] = value.to_bytes(4, self.order)

    def read_memory(self, address: int, count_bytes: int) -> bytes:
        assert address % 4 == 0
        self.calls.append("READMEM")
        return bytes(self.memory[address : address + count_bytes])

    def write_memory(self, address: int, data: bytes) -> None:
        assert address % 4 == 0
        assert len(data) % 4 == 0
        self.calls.append("WRITEMEM")
        self.memory[address : address + len(data)] = data


def port(device: Words) -> RegisterPort:
    made = RegisterPort(device)  # type: ignore[arg-type]  # four methods of a device are enough
    device.calls.append("made")
    return made


@given(order=st.sampled_from(["big", "little"]), address=st.integers(0, SIZE - 1), data=st.data())
def test_bytes_are_read_and_written_and_their_neighbours_stay(order: str, address: int, data: st.DataObject) -> None:
    device = Words(order)
    registers = port(device)
    model = bytearray(device.memory)
    length = data.draw(st.integers(1, SIZE - address))
    assert registers.read(address, length) == model[address : address + length]
    written = data.draw(st.binary(min_size=length, max_size=length))
    registers.write(address, written)
    model[address : address + length] = written
    assert device.memory == model


@pytest.mark.parametrize(("order", "commands"), [("big", ["READREG", "WRITEREG"]), ("little", ["READMEM", "WRITEMEM"])])
def test_a_word_goes_by_the_commands_that_every_camera_has(order: str, commands: list[str]) -> None:
    device = Words(order)
    registers = port(device)
    registers.write(8, registers.read(8, 4))
    assert device.calls == ["made", *commands]
    assert device.memory == bytearray(range(SIZE))


@pytest.mark.parametrize("address", [-4, (1 << 32) - 2, 1 << 32])
def test_a_register_that_no_camera_can_have_breaks_the_protocol(address: int) -> None:
    registers = port(Words("big"))
    with pytest.raises(RemoteProtocolError, match="names a register at"):
        registers.read(address, 4)
    with pytest.raises(RemoteProtocolError, match="names a register at"):
        registers.write(address, bytes(4))


def test_a_register_of_any_length_does_not_fill_memory() -> None:
    registers = port(Words("big"))
    with pytest.raises(RemoteProtocolError, match="register of 1073741824 bytes"):
        registers.read(0, 1 << 30)
