"""The spool: what was committed is there until it is acknowledged, in bounded room, whatever happens to the file."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core import OutputError, SettingError
from heliograph.link.channel import Channel, Stream
from heliograph.link.event import Severity
from heliograph.link.spool import LEAST_BYTES, Spool
from heliograph.link.telemetry import DROPS, EVENTS_STREAM, Range
from heliograph.testing.blocks import BOOT, HEALTH, events_block
from heliograph.testing.disk import disk_full_beyond
from heliograph.testing.spooled import spooled_block, spooled_of

EVERYTHING = 2**40
WIDE = Stream(name="wide", channels=tuple(Channel(name=f"c{at}") for at in range(18)))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Spool]]:
    opened: list[Spool] = []

    def open_spool(max_bytes: int = 50_000_000, **options: object) -> Spool:
        opened.append(Spool(tmp_path / "spool.sqlite", max_bytes=max_bytes, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_spool
    for each in opened:
        each.close()


def held(spool: Spool) -> list[Range]:
    return [each.range for each in spool.read(0, EVERYTHING, EVERYTHING)]


def test_blocks_come_back_as_they_were_and_in_their_order(make: Callable[..., Spool]) -> None:
    spool = make()
    done = spool.append([spooled_of(1, 5), spooled_of(1, 2, WIDE)])
    done_too = spool.append([spooled_of(6, 1, clock_synchronised=True)])
    assert [each.ids for each in (*done.blocks, *done_too.blocks)] == [(1,), (2,), (3,)]
    assert spool.read(0, spool.newest_id, EVERYTHING) == [*done.blocks, *done_too.blocks]
    assert spool.fetch([3, 1, 99]) == [done.blocks[0], done_too.blocks[0]]
    assert spool.samples == 8


def test_reading_is_bounded_and_goes_on(make: Callable[..., Spool]) -> None:
    spool = make()
    spool.append([spooled_of(at, 1) for at in range(1, 1_001)])
    first = spool.read(0, EVERYTHING, EVERYTHING)
    assert len(first) == 512
    assert spool.read(first[-1].ids[0], EVERYTHING, 1)[0].first == 513
    assert len(spool.read(0, EVERYTHING, 10 * first[0].size_bytes)) == 10
    assert spool.read(0, 3, EVERYTHING)[-1].first == 3


def test_what_is_acknowledged_goes_with_the_next_commit(make: Callable[..., Spool]) -> None:
    spool = make()
    spool.append([spooled_of(1, 5), spooled_of(6, 5), spooled_of(11, 5), spooled_of(1, 5, WIDE)])
    spool.remove([Range(BOOT, "health", 1, 10)])
    assert spool.samples == 20
    spool.settle()
    assert held(spool) == [Range(BOOT, "health", 11, 5), Range(BOOT, "wide", 1, 5)]
    assert spool.samples == 10


def test_a_range_that_covers_half_a_block_or_nothing_removes_nothing(make: Callable[..., Spool]) -> None:
    spool = make()
    spool.append([spooled_of(1, 5)])
    spool.remove([Range(BOOT, "health", 1, 4), Range(BOOT, "health", 2, 9), Range("other boot", "health", 1, 5)])
    spool.append([spooled_of(6, 1)])
    assert spool.samples == 6


def test_everything_is_there_after_opening_it_again(make: Callable[..., Spool]) -> None:
    spool = make()
    spool.append([spooled_of(1, 5)], declarations=[HEALTH], lost=[Range(BOOT, "health", 6, 3)])
    spool.close()
    again = make()
    assert (held(again), again.samples, again.newest_id) == ([Range(BOOT, "health", 1, 5)], 5, 1)
    assert again.declaration("health", HEALTH.schema) == HEALTH
    assert again.declaration("health", "another") is None
    assert again.losses() == [Range(BOOT, "health", 6, 3)]


def test_ids_rise_though_the_spool_was_empty(make: Callable[..., Spool]) -> None:
    spool = make()
    spool.append([spooled_of(1, 1)])
    spool.remove([Range(BOOT, "health", 1, 1)])
    spool.settle()
    assert spool.append([spooled_of(2, 1)]).blocks[0].ids == (2,)


def test_the_oldest_samples_go_first_and_events_last(make: Callable[..., Spool], tmp_path: Path) -> None:
    spool = make(max_bytes=LEAST_BYTES)
    spool.append([spooled_block(events_block(1, (Severity.WARNING, "a.b", "message")))])
    dropped: list[Range] = []
    for at in range(100):
        dropped += spool.append([spooled_of(1 + 200 * at, 200, WIDE)]).dropped
    kept = held(spool)
    assert kept[0].stream == EVENTS_STREAM
    firsts = [each.first for each in kept[1:]]
    assert firsts == list(range(firsts[0], 20_000, 200))
    # As many as there is room for, less one block.
    assert 200 * 152 * (len(firsts) + 2) > 0.9 * LEAST_BYTES
    assert len(firsts) < 35
    assert [each.first for each in dropped] == list(range(1, firsts[0], 200))
    assert spool.samples == 1 + 200 * len(firsts)
    assert (tmp_path / "spool.sqlite").stat().st_size <= LEAST_BYTES * 1.5
    # Told as one range, however many blocks it was.
    assert spool.losses() == [Range(BOOT, "wide", 1, firsts[0] - 1)]


def test_events_go_when_nothing_else_is_left(make: Callable[..., Spool]) -> None:
    spool = make(max_bytes=LEAST_BYTES)
    for at in range(1, 300):
        spool.append([spooled_block(events_block(at, (Severity.WARNING, "a.b", "m" * 8_000)))])
    kept = held(spool)
    assert kept[-1].first == 299
    assert spool.losses() == [Range(BOOT, EVENTS_STREAM, 1, kept[0].first - 1)]


def test_a_loss_that_was_reported_is_told_no_more(make: Callable[..., Spool]) -> None:
    spool = make()
    losses = [Range(BOOT, "health", 1, 3), Range(BOOT, "wide", 1, 1)]
    spool.append([], lost=losses)
    spool.append([spooled_of(1, 1, DROPS, rows=bytes(DROPS.dtype.itemsize))], reported=losses[:1])
    assert spool.losses() == losses[1:]


@settings(max_examples=30)
@given(st.permutations(range(0, 60, 3)), st.data())
def test_losses_are_as_few_ranges_as_possible(order: list[int], data: st.DataObject) -> None:
    """Against a set of numbers: each range of three is lost once, in any order, some never."""
    lost = order[: data.draw(st.integers(1, len(order)))]
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool.sqlite", max_bytes=LEAST_BYTES)
        for first in lost:
            spool.append([], lost=[Range(BOOT, "health", 1 + first, 3)])
        found = spool.losses()
        spool.close()
    numbers = {number for each in found for number in range(each.first, each.first + each.count)}
    assert numbers == {1 + first + at for first in lost for at in range(3)}
    ends = {each.first + each.count for each in found}
    assert not ends & {each.first for each in found}


def test_too_little_room_and_a_folder_that_cannot_be_are_told(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="too small"):
        Spool(tmp_path / "spool.sqlite", max_bytes=1_000)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="choose another folder"):
        Spool(tmp_path / "file" / "spool.sqlite", max_bytes=LEAST_BYTES)


def test_a_file_that_cannot_be_opened_is_told_and_opened_later(make: Callable[..., Spool], tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite").mkdir()
    told: list[str] = []
    spool = make(report=told.append)
    with pytest.raises(OutputError, match="see that it is a file"):
        spool.append([spooled_of(1, 1)])
    with pytest.raises(OutputError, match="not open"):
        spool.read(0, EVERYTHING, EVERYTHING)
    (tmp_path / "spool.sqlite").rmdir()
    assert spool.append([spooled_of(1, 1)]).blocks
    assert len(told) == 1


def test_a_full_disk_is_told_and_writing_goes_on_when_there_is_room(make: Callable[..., Spool], tmp_path: Path) -> None:
    spool = make()
    done = spool.append([spooled_of(1, 100, WIDE)])
    size_bytes = (tmp_path / "spool.sqlite-wal").stat().st_size
    spool.remove([Range(BOOT, "wide", 1, 100)])
    with disk_full_beyond(size_bytes), pytest.raises(OutputError, match="free some room"):
        spool.append([spooled_of(101, 1_000, WIDE)])
    assert spool.read(0, EVERYTHING, EVERYTHING) == list(done.blocks)
    assert spool.append([spooled_of(101, 1_000, WIDE)]).blocks[0].ids == (2,)
    # What was acknowledged meanwhile was not forgotten.
    assert held(spool) == [Range(BOOT, "wide", 101, 1_000)]


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be one" * 100, b"SQLite format 3\0" * 500]
)
def test_a_damaged_file_is_moved_aside(make: Callable[..., Spool], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "spool.sqlite").write_bytes(content)
    told: list[str] = []
    spool = make(report=told.append)
    spool.append([spooled_of(1, 1)])
    assert (tmp_path / "spool.sqlite.aside").read_bytes() == content
    assert len(told) == 1
    assert "is damaged" in told[0]
    assert "a new one begins" in told[0]


def test_somebody_elses_database_is_moved_aside(make: Callable[..., Spool], tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "spool.sqlite") as other:
        other.execute("CREATE TABLE photograph (name TEXT)")
    other.close()
    told: list[str] = []
    assert make(report=told.append).append([spooled_of(1, 1)]).blocks
    assert "somebody else's" in told[0]
    with sqlite3.connect(tmp_path / "spool.sqlite.aside") as other:
        assert other.execute("SELECT count(*) FROM photograph").fetchone() == (0,)
    other.close()


def test_damage_that_shows_later_is_survived(make: Callable[..., Spool], tmp_path: Path) -> None:
    told: list[str] = []
    spool = make(report=told.append)
    spool.append([spooled_of(1 + 200 * at, 200, WIDE) for at in range(60)])
    spool.close()
    with (tmp_path / "spool.sqlite").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096 * 20)
    again = make(report=told.append)
    for at in (1, 2, 3):
        try:
            again.append([spooled_of(at, 1, boot="another")])
        except OutputError:
            continue
    newest = again.append([spooled_of(4, 1, boot="another")])
    assert newest.blocks[0] in again.read(0, EVERYTHING, EVERYTHING)
    assert len(told) == 1
