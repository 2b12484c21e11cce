"""The address space: what is read and written, and the status of each failure."""

import pytest

from heliograph.core import (
    CameraLostError,
    FeatureAccessError,
    FeatureValueError,
    RemoteProtocolError,
    RemoteStatusError,
)
from heliograph.gige.device.registers import (
    Cell,
    RegisterMap,
    constant_cell,
    number_cell,
    status_of,
)
from heliograph.gige.gvcp import Status


class Memory:
    """A map with a number, a text, a constant and a write-only register side by side."""

    def __init__(self) -> None:
        self.number = 0x01020304
        self.text = b"abcdefgh".ljust(16, b"\0")
        self.commands: list[bytes] = []
        self.map = RegisterMap(
            [
                Cell(0x118, 4, write=lambda data, now_ns: self.commands.append(data)),
                constant_cell(0x100, b"CONSTANT"),
                Cell(0x108, 16, lambda now_ns: self.text, lambda data, now_ns: setattr(self, "text", data)),
                number_cell(0x200, lambda: self.number, lambda value: setattr(self, "number", value)),
                Cell(0x300, 8, lambda now_ns: now_ns.to_bytes(8, "big")),
            ]
        )


@pytest.mark.parametrize(
    ("address", "count", "expected"),
    [
        (0x100, 8, b"CONSTANT"),
        (0x104, 4, b"TANT"),
        (0x104, 8, b"TANTabcd"),
        (0x100, 24, b"CONSTANTabcdefgh" + bytes(8)),
        (0x200, 4, b"\1\2\3\4"),
        (0x304, 4, b"\0\0\0\x2a"),
    ],
)
def test_reads_within_and_across_cells(address: int, count: int, expected: bytes) -> None:
    assert Memory().map.read(address, count, now_ns=42) == expected


@pytest.mark.parametrize(
    ("address", "count", "status"),
    [
        (0x0FC, 4, Status.INVALID_ADDRESS),
        (0x0FC, 8, Status.INVALID_ADDRESS),
        (0x11C, 4, Status.INVALID_ADDRESS),
        (0x200, 8, Status.INVALID_ADDRESS),
        (0x308, 4, Status.INVALID_ADDRESS),
        (0xFFFF_FFFC, 8, Status.INVALID_ADDRESS),
        (0x101, 4, Status.BAD_ALIGNMENT),
        (0x100, 3, Status.BAD_ALIGNMENT),
        (0x100, 0, Status.INVALID_PARAMETER),
        (0x118, 4, Status.ACCESS_DENIED),
    ],
)
def test_read_refusals(address: int, count: int, status: Status) -> None:
    with pytest.raises(RemoteStatusError) as error:
        Memory().map.read(address, count, now_ns=0)
    assert error.value.status == status


@pytest.mark.parametrize(
    ("address", "data", "status"),
    [
        (0x100, bytes(4), Status.WRITE_PROTECT),
        (0x104, bytes(8), Status.WRITE_PROTECT),
        (0x300, bytes(8), Status.WRITE_PROTECT),
        (0x400, bytes(4), Status.INVALID_ADDRESS),
        (0x202, bytes(4), Status.BAD_ALIGNMENT),
        (0x200, bytes(5), Status.BAD_ALIGNMENT),
        (0x200, b"", Status.INVALID_PARAMETER),
    ],
)
def test_refused_write_changes_nothing(address: int, data: bytes, status: Status) -> None:
    memory = Memory()
    with pytest.raises(RemoteStatusError) as error:
        memory.map.write(address, data, now_ns=0)
    assert error.value.status == status
    assert (memory.number, memory.text, memory.commands) == (0x01020304, b"abcdefgh".ljust(16, b"\0"), [])


def test_half_a_number_cannot_be_written() -> None:
    wide = RegisterMap([number_cell(0, lambda: 0, lambda value: None, length_bytes=8)])
    with pytest.raises(RemoteStatusError) as error:
        wide.write(0, bytes(4), now_ns=0)
    assert error.value.status == Status.INVALID_PARAMETER


def test_writes_whole_partly_and_across_cells() -> None:
    memory = Memory()
    memory.map.write(0x200, b"\0\0\0\7", now_ns=0)
    memory.map.write(0x10C, b"XY\0\0", now_ns=0)
    assert (memory.number, memory.text) == (7, b"abcdXY".ljust(16, b"\0"))
    memory.map.write(0x114, b"tail" + b"\0\0\0\1", now_ns=0)
    assert memory.text == b"abcdXY\0\0\0\0\0\0tail"
    assert memory.commands == [b"\0\0\0\1"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FeatureValueError("too much"), Status.INVALID_PARAMETER),
        (RemoteProtocolError("odd"), Status.INVALID_PARAMETER),
        (FeatureAccessError("locked"), Status.ACCESS_DENIED),
        (CameraLostError("gone"), Status.ERROR),
        (RemoteStatusError("busy", Status.BUSY), Status.BUSY),
        (RemoteStatusError("a status of another maker", 0xC123), Status.ERROR),
        (ZeroDivisionError(), Status.ERROR),
    ],
)
def test_status_of_each_failure(error: Exception, status: Status) -> None:
    assert status_of(error) is status
