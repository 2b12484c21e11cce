"""Frames between processes of one machine: a ring of frames in shared memory."""

from heliograph.local.message import FrameInfo
from heliograph.local.reader import RingReader
from heliograph.local.writer import RingWriter, WriterSlot

__all__ = ["FrameInfo", "RingReader", "RingWriter", "WriterSlot"]
