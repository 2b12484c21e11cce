"""What reaches the disk, and in which order: power that fails, disks that are full, journals that cannot be written."""

from __future__ import annotations

import errno
import io
import os
import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.link.cfdp.files import FileTarget
from heliograph.link.cfdp.journal import Journal
from heliograph.link.cfdp.transaction import State
from heliograph.sim.net import PathModel
from heliograph.testing.transfers import Pair

LINK = PathModel(20_000_000, 30_000_000, lost=0.02)
DATA = random.Random(1).randbytes(400_000)
DONE = (State.COMPLETED, State.COMPLETED)


class Power:
    """Knows what of a file was synced, and brings just that back after a failure of the power."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._synced: dict[str, bytes] = {}
        patch.setattr(os, "fdatasync", self._sync)

    def _sync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        self._synced[str(path)] = path.read_bytes()

    def fail(self, part: Path) -> None:
        if part.exists():
            part.write_bytes(self._synced.get(str(part), b""))


@settings(max_examples=settings().max_examples // 5)
@given(st.lists(st.floats(0.1, 1.5), min_size=1, max_size=4), st.integers(0, 99))
def test_power_that_fails_costs_what_was_not_synced_and_never_the_file(
    tmp_path_factory: pytest.TempPathFactory, failures_s: list[float], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("power")
    with pytest.MonkeyPatch.context() as patch, Pair(folder, LINK, seed, rate_bps=1e6) as pair:
        power = Power(patch)
        id = pair.send(DATA)
        for after_s in failures_s:
            pair.run(lambda: pair.over(id), after_s)
            pair.receiver.kill()
            power.fail(folder / f".copy-{id}.part")
            pair.receiver.start()
        pair.run(lambda: pair.over(id), 120)
        assert pair.states(id) == DONE
        assert pair.copy(id).read_bytes() == DATA


def test_the_journal_tells_of_nothing_that_is_not_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    sync, write, link = os.fdatasync, Journal.write, os.link

    def note_write(self: Journal, entries: list) -> list:  # type: ignore[type-arg]
        order.extend("whole" if entry.whole else "extents" for entry in entries if entry.extents)
        return write(self, entries)

    def note_sync(descriptor: int) -> None:
        order.append("data")
        sync(descriptor)

    def note_link(*names: Path) -> None:
        order.append("name")
        link(*names)

    monkeypatch.setattr(os, "fdatasync", note_sync)
    monkeypatch.setattr(Journal, "write", note_write)
    monkeypatch.setattr(os, "link", note_link)
    with Pair(tmp_path, LINK, 1, rate_bps=1e6) as pair:
        id = pair.send(DATA)
        pair.run(lambda: pair.over(id), 60)
    assert order.count("extents") > 3
    # Each is after a sync of its own, and the name after the entry that the file is whole.
    for entry in ("extents", "whole"):
        before = order[order.index(entry) - 1]
        assert before == "data"
    assert order.index("name") > order.index("whole") > len(order) - 1 - order[::-1].index("data")


class Full(io.FileIO):
    """A file on a disk that may be full."""

    full = False

    def write(self, data: object) -> int:
        if Full.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)  # type: ignore[arg-type]


@pytest.mark.parametrize("at_sync", [False, True])
def test_a_full_disk_holds_the_transfer_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_sync: bool
) -> None:
    sync = os.fdatasync

    def full_sync(descriptor: int) -> None:
        if Full.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    if at_sync:
        monkeypatch.setattr(os, "fdatasync", full_sync)
    else:
        opened = FileTarget.open
        monkeypatch.setattr(FileTarget, "open", lambda self: (opened(self).close(), Full(self._part, "r+"))[1])
    with Pair(tmp_path, LINK, 1, rate_bps=1e6) as pair:
        id = pair.send(DATA)
        pair.run(lambda: pair.over(id), 2)
        monkeypatch.setattr(Full, "full", True)
        pair.run(lambda: pair.states(id) == (State.SUSPENDED, State.SUSPENDED), 20)
        sender, receiver = pair.statuses(id)
        assert (sender.reason, receiver.reason[:10]) == ("at the other end", "no room on")
        pair.run(lambda: False, 10)
        monkeypatch.setattr(Full, "full", False)
        pair.run(lambda: pair.over(id), 60)
        assert pair.states(id) == DONE
        assert pair.copy(id).read_bytes() == DATA


def test_while_the_journal_cannot_be_written_nothing_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Pair(tmp_path, LINK, 1, rate_bps=1e6) as pair:
        id = pair.send(DATA)
        pair.run(lambda: pair.over(id), 1.5)
        verified = pair.sender.entity.status(id).verified_bytes
        monkeypatch.setattr(Journal, "write", raise_full)
        pair.run(lambda: False, 10)
        assert pair.sender.entity.status(id).verified_bytes == verified
        assert pair.receiver.disk.blocked
        assert pair.states(id) == (State.ACTIVE, State.ACTIVE)
        monkeypatch.undo()
        for end in (pair.receiver, pair.sender):
            for answer in end.disk.do([]):
                answer(end.entity, pair.now_ns)
        pair.run(lambda: pair.over(id), 60)
        assert pair.states(id) == DONE
        assert pair.copy(id).read_bytes() == DATA


def raise_full(*_: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")
