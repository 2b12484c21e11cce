"""What has come of a file, and when it is saved."""

from __future__ import annotations

from pathlib import Path

from heliograph.link.cfdp.files import FileTarget
from heliograph.link.cfdp.part import Part

S = 1_000_000_000


def test_what_came_is_written_once_saved_and_reverted(tmp_path: Path) -> None:
    part = Part(FileTarget(tmp_path / "file"), b"")
    assert part.save_due_ns() is None
    part.write(2, b"cde", 5)
    part.write(0, b"abXXX", 6)  # of what is there already nothing is written over
    assert (tmp_path / ".file.part").read_bytes() == b"abcde"
    assert part.save_due_ns() == 5 + S
    extents = part.save()
    assert part.save_due_ns() is None
    part.write(5, b"fgh", 7)
    assert part.verified_bytes == 0
    assert part.saved(extents)
    assert not part.saved(extents)
    assert (part.verified_bytes, part.received.prefix) == (5, 8)
    part.revert()
    assert (part.verified_bytes, part.received.prefix) == (5, 5)
    part.close()
    part.close()
    again = Part(FileTarget(tmp_path / "file"), extents)
    assert list(again.received) == [(0, 5)]
