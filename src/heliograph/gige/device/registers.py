"""The address space of a camera: registers and memory that clients read and write, and the status each failure has."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from heliograph.core import FeatureAccessError, FeatureValueError, RemoteProtocolError, RemoteStatusError, SettingError
from heliograph.gige.gvcp import Status

REGISTER_BYTES = 4


@dataclass(frozen=True, slots=True)
class Cell:
    """A run of bytes that is read and written as one: a number, a text, a file.

    `read` is given the time in ns and gives all `length_bytes` bytes; `write` is given all of them and the time.
    Without one of the two the cell is write-only or read-only.
    """

    address: int
    length_bytes: int
    read: Callable[[int], bytes] | None = None
    write: Callable[[bytes, int], None] | None = None

    @property
    def end(self) -> int:
        """Address of the first byte behind the cell."""
        return self.address + self.length_bytes


def constant_cell(address: int, data: bytes) -> Cell:
    """A cell that never changes."""
    return Cell(address, len(data), lambda now_ns: data)


def number_cell(
    address: int, read: Callable[[], int], write: Callable[[int], None] | None = None, length_bytes: int = 4
) -> Cell:
    """A cell that holds an unsigned big-endian number."""

    def write_bytes(data: bytes, now_ns: int) -> None:
        if write is not None:
            write(int.from_bytes(data, "big"))

    return Cell(
        address, length_bytes, lambda now_ns: read().to_bytes(length_bytes, "big"), write_bytes if write else None
    )


class RegisterMap:
    """All cells of a camera by address.

    >>> memory = RegisterMap([constant_cell(0x100, bytes(range(8)))])
    >>> memory.read(0x104, 4, now_ns=0).hex()
    '04050607'

    Every failure is a `RemoteStatusError` with the GVCP status that the client is to get.
    """

    def __init__(self, cells: Iterable[Cell]) -> None:
        self._cells = sorted(cells, key=lambda cell: cell.address)
        self._starts = [cell.address for cell in self._cells]

    def read(self, address: int, count_bytes: int, now_ns: int) -> bytes:
        """Read bytes that one cell or several adjoining ones hold."""
        self._check_aligned(address, count_bytes)
        parts = []
        for cell, start, end in self._covering(address, count_bytes):
            if cell.read is None:
                raise RemoteStatusError(f"register 0x{cell.address:x} is write-only", Status.ACCESS_DENIED)
            parts.append(cell.read(now_ns)[start:end])
        return b"".join(parts)

    def write(self, address: int, data: bytes, now_ns: int) -> None:
        """Write bytes; nothing is written when any of them cannot be."""
        self._check_aligned(address, len(data))
        covered = list(self._covering(address, len(data)))
        for cell, start, end in covered:
            if cell.write is None:
                raise RemoteStatusError(f"register 0x{cell.address:x} is read-only", Status.WRITE_PROTECT)
            if end - start < cell.length_bytes and cell.length_bytes <= 8:
                raise RemoteStatusError(f"register 0x{cell.address:x} is written whole", Status.INVALID_PARAMETER)
        for cell, start, end in covered:
            offset = cell.address + start - address
            part = data[offset : offset + end - start]
            if cell.write is not None:
                before = cell.read(now_ns) if len(part) < cell.length_bytes and cell.read is not None else b""
                cell.write(before[:start] + part + before[end:], now_ns)

    def _check_aligned(self, address: int, count_bytes: int) -> None:
        if address % REGISTER_BYTES or count_bytes % REGISTER_BYTES:
            raise RemoteStatusError("addresses and counts are multiples of 4", Status.BAD_ALIGNMENT)
        if not count_bytes:
            raise RemoteStatusError("0 bytes is no access", Status.INVALID_PARAMETER)

    def _covering(self, address: int, count_bytes: int) -> Iterator[tuple[Cell, int, int]]:
        """Give the cells of a range and which of their bytes are in it."""
        end = address + count_bytes
        index = bisect.bisect_right(self._starts, address) - 1
        while address < end:
            cell = self._cells[index] if 0 <= index < len(self._cells) else None
            if cell is None or not cell.address <= address < cell.end:
                raise RemoteStatusError(f"there is no register at 0x{address:x}", Status.INVALID_ADDRESS)
            yield cell, address - cell.address, min(end, cell.end) - cell.address
            address = cell.end
            index += 1


def status_of(error: Exception) -> Status:
    """Give the GVCP status that says best what went wrong."""
    # A camera that is itself remote may have a status of its own maker, which would mean nothing to our client.
    if isinstance(error, RemoteStatusError) and error.status in list(Status):
        return Status(error.status)
    if isinstance(error, (FeatureValueError, RemoteProtocolError, SettingError)):
        return Status.INVALID_PARAMETER
    if isinstance(error, FeatureAccessError):
        return Status.ACCESS_DENIED
    return Status.ERROR
