from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterator

import numpy as np
import pytest

from heliograph.core.errors import RemoteProtocolError, SettingError
from heliograph.local.memory import SlotLayout, attach, create

LAYOUT = SlotLayout(slot_count=3, slot_bytes=5_000)


@pytest.fixture
def memfd() -> Iterator[int]:
    fd, _ = create(LAYOUT)
    yield fd
    os.close(fd)


def test_slots_start_on_pages() -> None:
    assert LAYOUT.stride_bytes == 8_192
    assert LAYOUT.size_bytes == 3 * 8_192
    assert SlotLayout(1, 4_096).stride_bytes == 4_096


def test_what_is_written_is_read_without_a_copy() -> None:
    memfd, writable = create(LAYOUT)
    readable = attach(memfd, LAYOUT)
    os.close(memfd)
    writable[[0, 8_192, -1]] = [1, 2, 3]
    assert readable[[0, 8_192, -1]].tolist() == [1, 2, 3]
    assert readable.size == LAYOUT.size_bytes
    assert not readable.flags.writeable


def test_nobody_can_map_it_writable_later(memfd: int) -> None:
    with pytest.raises(PermissionError):
        mmap.mmap(memfd, 0)
    with pytest.raises(PermissionError):
        os.write(memfd, b"x")
    reopened = os.open(f"/proc/self/fd/{memfd}", os.O_RDWR)
    with pytest.raises(PermissionError):
        mmap.mmap(reopened, 0)
    os.close(reopened)


def test_a_reading_map_cannot_be_made_writable(memfd: int) -> None:
    readable = attach(memfd, LAYOUT)
    libc = ctypes.CDLL(None, use_errno=True)
    address = ctypes.c_void_p(readable.ctypes.data)
    assert libc.mprotect(address, ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_WRITE) == -1


@pytest.mark.parametrize("size_bytes", [0, LAYOUT.size_bytes - 1, LAYOUT.size_bytes + 1])
def test_its_size_cannot_change(memfd: int, size_bytes: int) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(memfd, size_bytes)


def test_memory_smaller_than_promised_or_unsealed_is_refused(memfd: int) -> None:
    with pytest.raises(RemoteProtocolError, match="not as large as it says"):
        attach(memfd, SlotLayout(4, 5_000))
    unsealed = os.memfd_create("test")
    os.ftruncate(unsealed, LAYOUT.size_bytes)
    with pytest.raises(RemoteProtocolError):
        attach(unsealed, LAYOUT)
    os.close(unsealed)


def test_slots_without_bytes_are_refused() -> None:
    with pytest.raises(SettingError, match="at least 1 byte"):
        create(SlotLayout(3, 0))


def test_untouched_slots_take_no_memory() -> None:
    memfd, writable = create(SlotLayout(slot_count=16, slot_bytes=1 << 20))
    writable[: 1 << 20] = np.uint8(1)
    taken_bytes = os.fstat(memfd).st_blocks * 512
    os.close(memfd)
    assert taken_bytes < 4 << 20
