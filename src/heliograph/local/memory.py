"""The memory of a frame ring: an anonymous file that lives as long as somebody maps it."""

from __future__ import annotations

import fcntl
import mmap
import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heliograph.core.errors import RemoteProtocolError, SettingError

_ALIGNMENT_BYTES = 4096
# linux/fcntl.h, since Linux 5.1; Python's fcntl does not name it.
_F_SEAL_FUTURE_WRITE = 0x0010
_SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


@dataclass(frozen=True, slots=True)
class SlotLayout:
    """Where the slots of a ring lie: each starts on a page, data at its first byte."""

    slot_count: int
    slot_bytes: int

    @property
    def stride_bytes(self) -> int:
        """Distance between the first bytes of two slots."""
        return -(-self.slot_bytes // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES

    @property
    def size_bytes(self) -> int:
        """Size of the whole memory."""
        return self.slot_count * self.stride_bytes


def create(layout: SlotLayout) -> tuple[int, npt.NDArray[np.uint8]]:
    """Make the memory: a descriptor to hand to readers, and the one writable view there will ever be, flat uint8.

    Its size is sealed, so that no reader can be made to fault, and it is sealed against later writable mappings,
    so that no reader can change what another one sees. Pages are taken when they are first written.
    Raises `SettingError` when slots have no bytes.
    """
    if layout.slot_bytes < 1:
        raise SettingError(f"slots of a frame ring must have at least 1 byte, not {layout.slot_bytes}")
    memfd = os.memfd_create("heliograph-ring", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(memfd, layout.size_bytes)
        view = np.frombuffer(mmap.mmap(memfd, layout.size_bytes), np.uint8)
        fcntl.fcntl(memfd, fcntl.F_ADD_SEALS, _SIZE_SEALS | _F_SEAL_FUTURE_WRITE | fcntl.F_SEAL_SEAL)
    except BaseException:
        os.close(memfd)
        raise
    return memfd, view


def attach(memfd: int, layout: SlotLayout) -> npt.NDArray[np.uint8]:
    """Map a ring's memory for reading only, as flat uint8; the descriptor may be closed afterwards.

    Raises `RemoteProtocolError` when the memory is smaller than the layout says or could shrink.
    """
    try:
        sealed = fcntl.fcntl(memfd, fcntl.F_GET_SEALS) & _SIZE_SEALS == _SIZE_SEALS
    except OSError:
        sealed = False
    if not sealed or os.fstat(memfd).st_size != layout.size_bytes:
        raise RemoteProtocolError("a frame ring's writer handed over memory that is not as large as it says")
    return np.frombuffer(mmap.mmap(memfd, layout.size_bytes, prot=mmap.PROT_READ), np.uint8)
