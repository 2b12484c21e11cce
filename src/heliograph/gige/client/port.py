"""Reads and writes of any address and length, as GenICam asks for them, on registers that come in words."""

from __future__ import annotations

from heliograph.core import RemoteProtocolError
from heliograph.gige.bootstrap import DeviceMode, Register
from heliograph.gige.client.device import GigeDevice

_WORD_BYTES = 4
_END = 1 << 32
# A hostile XML may give a register any length; what real ones read at once (file access, look-up tables) is smaller.
_LONGEST_BYTES = 1 << 20


class RegisterPort:
    """The registers of a camera as one run of bytes.

    A single word goes by READREG and WRITEREG, which every camera serves (WRITEMEM is optional: GVCP capability bit
    1); all else by memory commands, widened to whole words. A camera that keeps its memory in little-endian order
    says so in its device mode; its words go by memory commands too, because READREG turns them round.
    """

    def __init__(self, device: GigeDevice) -> None:
        self._device = device
        self._words_turn = not device.read_register(Register.DEVICE_MODE) & DeviceMode.BIG_ENDIAN

    def read(self, address: int, length_bytes: int) -> bytes:
        """Read bytes; raises what `GigeDevice.read_memory` raises."""
        _check_range(address, length_bytes)
        if self._is_word(address, length_bytes):
            return self._device.read_register(address).to_bytes(_WORD_BYTES, "big")
        before = address % _WORD_BYTES
        return self._device.read_memory(address - before, before + length_bytes)[before:]

    def write(self, address: int, data: bytes) -> None:
        """Write bytes; raises what `GigeDevice.write_memory` raises."""
        _check_range(address, len(data))
        if self._is_word(address, len(data)):
            self._device.write_register(address, int.from_bytes(data, "big"))
            return
        before, after = address % _WORD_BYTES, -(address + len(data)) % _WORD_BYTES
        start = address - before
        # The neighbours in the first and the last word keep what they have.
        head = self._device.read_memory(start, _WORD_BYTES)[:before] if before else b""
        tail = self._device.read_memory(address + len(data) + after - _WORD_BYTES, _WORD_BYTES) if after else b""
        self._device.write_memory(start, head + data + tail[_WORD_BYTES - after :])

    def _is_word(self, address: int, length_bytes: int) -> bool:
        return length_bytes == _WORD_BYTES and address % _WORD_BYTES == 0 and not self._words_turn


def _check_range(address: int, length_bytes: int) -> None:
    if length_bytes > _LONGEST_BYTES:
        raise RemoteProtocolError(
            f"the camera's description names a register of {length_bytes} bytes: at most {_LONGEST_BYTES} are read"
        )
    # Its XML says where, and may compute it from other registers.
    if not 0 <= address <= _END - length_bytes:
        raise RemoteProtocolError(
            f"the camera's description names a register at 0x{address:x}: GVCP's end at 0x{_END:x}"
        )
