"""What came is there once, whatever way it came."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import OutputError, SourceError, SourceNotFoundError
from heliograph.link.archive import Gap, SqliteArchive
from heliograph.link.archive.retrieval import gaps_of
from heliograph.link.channel import Channel, Stream
from heliograph.link.event import Severity
from heliograph.link.telemetry import DROPS, Block
from heliograph.testing.blocks import BOOT, HEALTH, NODE, WALL_MINUS_BOOT_NS, block_of, events_block
from heliograph.testing.disk import disk_full_beyond

EVER = (0, 2**62)
LATER_BOOT = "ffeeddccbbaa9988"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[SqliteArchive]:
    with SqliteArchive(tmp_path / "archive.sqlite") as opened:
        yield opened


def numbers(archive: SqliteArchive, after_ns: int = 0, before_ns: int = 2**62, limit: int | None = None) -> list[int]:
    return [
        number
        for each in archive.samples(NODE, "health", after_ns, before_ns, limit)
        for number in each.sequences.tolist()
    ]


def test_what_is_stored_is_given_back_as_it_was(archive: SqliteArchive) -> None:
    sent = block_of(3, 4, clock_synchronised=True)
    archive.store([sent], {(NODE, BOOT): 17})
    (found,) = archive.samples(NODE, "health", *EVER)
    assert (found.node, found.boot, found.stream, found.synchronised) == (NODE, BOOT, HEALTH, True)
    assert found.sequences.tolist() == [3, 4, 5, 6]
    assert found.boot_times_ns.tobytes() == sent.times
    assert found.wall_times_ns.tolist() == [time + WALL_MINUS_BOOT_NS for time in found.boot_times_ns.tolist()]
    assert found.rows.tobytes() == sent.rows
    assert found.rows.dtype == HEALTH.dtype
    assert found.ground_minus_boot_ns == 17


def test_another_process_finds_it_there(archive: SqliteArchive, tmp_path: Path) -> None:
    archive.store([block_of(1, 2)])
    with SqliteArchive(tmp_path / "archive.sqlite") as other:
        assert numbers(other) == [1, 2]
        other.store([block_of(2, 2)])
    assert numbers(archive) == [1, 2, 3]


def test_whoever_only_reads_needs_no_right_to_write(archive: SqliteArchive, tmp_path: Path) -> None:
    file = tmp_path / "archive.sqlite"
    archive.store([block_of(1, 2)])
    with SqliteArchive(file, read_only=True) as reading:
        archive.store([block_of(3, 2)])
        assert numbers(reading) == [1, 2, 3, 4], "while somebody writes"
        with pytest.raises(OutputError, match="read only"):
            reading.store([block_of(5, 1)])


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a disk read-only takes root")
def test_an_archive_on_a_disk_that_nobody_can_write_is_read(tmp_path: Path) -> None:
    with SqliteArchive(tmp_path / "archive.sqlite") as archive:
        archive.store([block_of(1, 2)])
    code = (
        "import sys; from pathlib import Path; from heliograph.link.archive import SqliteArchive\n"
        "with SqliteArchive(Path(sys.argv[1]) / 'archive.sqlite', read_only=True) as archive: print(archive.nodes())"
    )
    mount = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" -c "$3" "$1"'
    words = ["unshare", "-m", "sh", "-c", mount, "sh", str(tmp_path), sys.executable, code]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (0, f"{{'{NODE}': ''}}\n"), ended.stderr


def test_the_log_is_synchronised_at_each_commit(archive: SqliteArchive) -> None:
    assert archive._writer is not None
    assert archive._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert archive._writer.execute("PRAGMA synchronous").fetchone() == (2,)


blocks = st.builds(block_of, st.integers(1, 30), st.integers(1, 8), boot=st.sampled_from([BOOT, LATER_BOOT]))


@given(commits=st.lists(st.lists(blocks, max_size=5), max_size=8), data=st.data())
def test_order_duplicates_and_overlaps_change_nothing(
    commits: list[list[Block]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    there: dict[str, set[int]] = {BOOT: set(), LATER_BOOT: set()}
    with SqliteArchive(tmp_path_factory.mktemp("archive") / "archive.sqlite") as archive:
        # What is there is asked here, not whether it outlives a power cut; and there are many commits.
        assert archive._writer is not None
        archive._writer.execute("PRAGMA synchronous=OFF")
        sent = [block for commit in commits for block in commit]
        again = data.draw(st.lists(st.sampled_from(sent), max_size=5)) if sent else []
        for commit in [*commits, again]:
            archive.store(commit)
            for block in commit:
                there[block.boot] |= set(range(block.first, block.first + block.count))
        for boot, expected in there.items():
            found = [each for each in archive.samples(NODE, "health", *EVER) if each.boot == boot]
            sequences = [number for each in found for number in each.sequences.tolist()]
            assert sequences == sorted(expected)
            assert [row["count"] for each in found for row in each.rows] == sequences
            missing = {n for gap in archive.gaps(NODE, boot, "health") for n in range(gap.first, gap.last + 1)}
            assert missing == set(range(1, max(expected, default=0))) - expected


def test_gaps_are_those_below_the_highest(archive: SqliteArchive) -> None:
    assert archive.gaps(NODE, BOOT, "health") == []
    archive.store([block_of(5, 2), block_of(10, 1)])
    assert archive.gaps(NODE, BOOT, "health") == [Gap(1, 4), Gap(7, 9)]
    archive.store([block_of(1, 9)])
    assert archive.gaps(NODE, BOOT, "health") == []


def drops_block(first: int, *ranges: tuple[str, str, int, int]) -> Block:
    """Give what the spool says it had to drop: (boot, stream, first, count)."""
    return block_of(first, len(ranges), DROPS, rows=DROPS.pack(list(ranges)).tobytes())


@given(st.lists(st.integers(1, 4), max_size=9), st.lists(st.integers(1, 4), max_size=9))
def test_gaps_are_what_is_neither_here_nor_there(held_steps: list[int], lost_steps: list[int]) -> None:
    held, lost = _ranges(held_steps), _ranges(lost_steps)
    here, dropped = ({number for first, last in ranges for number in range(first, last + 1)} for ranges in (held, lost))
    told = {number: gap.dropped for gap in gaps_of(held, lost) for number in range(gap.first, gap.last + 1)}
    assert told == {n: n in dropped for n in range(1, max(here | dropped, default=0) + 1) if n not in here}


def _ranges(steps: list[int]) -> list[tuple[int, int]]:
    """Make every second step a range."""
    ends = list(accumulate(steps))
    return list(zip([end + 1 for end in ends[::2]], ends[1::2], strict=False))


def test_gaps_of_a_node_that_dropped_thousands_of_times_are_found_at_once() -> None:
    held = [(each, each) for each in range(1, 100_000, 4)]
    lost = [(each, each) for each in range(3, 100_000, 4)]
    begun_s = time.monotonic()
    assert len(gaps_of(held, lost)) == 3 * 25_000 - 1
    assert time.monotonic() - begun_s < 10, "each with each would be minutes"


def test_what_the_node_says_it_dropped_is_a_known_gap(archive: SqliteArchive) -> None:
    archive.store([block_of(1, 2), block_of(9, 2)])
    archive.store(
        [drops_block(2, (BOOT, "health", 6, 1), (BOOT, "health", 11, 5)), drops_block(1, (BOOT, "health", 2, 4))]
    )
    assert archive.gaps(NODE, BOOT, "health") == [Gap(3, 6, True), Gap(7, 8), Gap(11, 15, True)]
    assert archive.gaps(NODE, BOOT, "spool") == []
    # What came none the less, before the acknowledgement got through, is there.
    archive.store([block_of(11, 2)])
    assert archive.gaps(NODE, BOOT, "health")[-1] == Gap(13, 15, True)


def test_drops_that_make_no_sense_change_nothing(archive: SqliteArchive) -> None:
    archive.store([drops_block(1, (BOOT, "health", -5, 3), (BOOT, "health", 2**62, 2**62), (BOOT, "health", 3, 0))])
    archive.store([msgspec.structs.replace(events_block(1, (Severity.ALARM, "a", "b")), schema=DROPS.schema)])
    assert archive.gaps(NODE, BOOT, "health") == []


def test_samples_between_two_times(archive: SqliteArchive) -> None:
    archive.store([block_of(1, 3000)])
    begin_ns = WALL_MINUS_BOOT_NS
    assert numbers(archive, begin_ns + 100_000_000_000, begin_ns + 100_300_000_000) == [1000, 1001, 1002]
    assert numbers(archive, begin_ns + 299_900_000_000) == [2999, 3000]
    assert numbers(archive, limit=2) == [1, 2]
    assert numbers(archive, before_ns=begin_ns) == []


def test_a_clock_that_was_set_back_hides_nothing(archive: SqliteArchive) -> None:
    """Later samples with earlier times are found by their times and stay in the order of their numbers."""
    an_hour_ns = 3_600_000_000_000
    archive.store([block_of(1, 5), block_of(6, 5, wall_minus_boot_ns=WALL_MINUS_BOOT_NS - an_hour_ns)])
    assert numbers(archive) == list(range(1, 11))
    assert numbers(archive, before_ns=WALL_MINUS_BOOT_NS - 1_000_000_000) == [6, 7, 8, 9, 10]
    assert numbers(archive, after_ns=WALL_MINUS_BOOT_NS) == [1, 2, 3, 4, 5]


def test_many_samples_come_in_portions_and_none_is_lost(archive: SqliteArchive) -> None:
    archive.store([block_of(1, 12_000)])
    found = list(archive.samples(NODE, "health", *EVER, 11_999))
    assert len(found) == 3
    assert np.concatenate([each.sequences for each in found]).tolist() == list(range(1, 12_000))


def test_a_declaration_may_change(archive: SqliteArchive) -> None:
    wider = Stream(name="health", channels=(*HEALTH.channels, Channel(name="note", type="text", size_bytes=4)))
    archive.store([block_of(1, 2), block_of(3, 2, wider), block_of(1, 1, wider, boot=LATER_BOOT)])
    assert [each.rows.dtype for each in archive.samples(NODE, "health", *EVER)] == [
        HEALTH.dtype,
        wider.dtype,
        wider.dtype,
    ]
    assert archive.declaration(NODE, "health", wider.schema) == wider
    assert archive.declaration(NODE, "health", "0123456789abcdef") is None


def test_without_its_declaration_a_block_is_refused_whole(archive: SqliteArchive) -> None:
    with pytest.raises(OutputError, match="declaration"):
        archive.store([block_of(1, 1), block_of(1, 1, Stream(name="other", channels=HEALTH.channels), declared=False)])
    assert numbers(archive) == []
    archive.store([block_of(1, 1)])
    archive.store([block_of(2, 1, declared=False)])
    assert numbers(archive) == [1, 2]


def test_newest_goes_by_the_grounds_clock_where_it_was_measured(archive: SqliteArchive) -> None:
    """A run whose wall clock was a year ahead does not stay the newest for ever."""
    year_ns = 31_536_000_000_000_000
    archive.store([block_of(1, 9, wall_minus_boot_ns=WALL_MINUS_BOOT_NS + year_ns)], {(NODE, BOOT): WALL_MINUS_BOOT_NS})
    archive.store([block_of(1, 2, boot=LATER_BOOT)], {(NODE, LATER_BOOT): WALL_MINUS_BOOT_NS + 3_600_000_000_000})
    (newest,) = archive.newest(NODE)
    assert (newest.boot, newest.sequences.tolist(), newest.rows["count"].tolist()) == (LATER_BOOT, [2], [2])


def test_the_least_offset_of_a_clock_stays(archive: SqliteArchive) -> None:
    for offset_ns in (30, 10, 20):
        archive.store([block_of(1, 1)], {(NODE, BOOT): offset_ns})
    (found,) = archive.samples(NODE, "health", *EVER)
    assert found.ground_minus_boot_ns == 10


def test_events(archive: SqliteArchive) -> None:
    block = events_block(
        1,
        (Severity.ACTIVITY, "camera.found", "cam-1 is there"),
        (Severity.WARNING, "camera.lost", "CAM-1 is gone"),
        (Severity.ALARM, "limit.alarm", "Straße is too hot"),
    )
    archive.store([block, block])

    def found(severity: Severity = Severity.DIAGNOSTIC, text: str = "", limit: int = 100) -> list[int]:
        return [each.sequence for each in archive.events(NODE, *EVER, severity=severity, text=text, limit=limit)]

    assert found() == [1, 2, 3]
    assert found(limit=2) == [2, 3]
    assert found(Severity.WARNING) == [2, 3]
    assert found(text="cam-1") == [1, 2]
    assert found(text="STRASSE") == [3]
    assert found(text="%") == []
    (last,) = archive.events(NODE, *EVER, severity=Severity.ALARM)
    assert (last.boot, last.wall_time_ns) == (BOOT, 300_000_000 + WALL_MINUS_BOOT_NS)
    assert last.event.message == "Straße is too hot"
    assert archive.newest(NODE) == []


def test_arguments_of_events_come_back_with_their_types(archive: SqliteArchive) -> None:
    arguments = {"value": 81.5, "channel": "temperature", "ok": False, "list": [1, None, {"a": b"\0"}], "nan": 2**63}
    block = events_block(1, (Severity.WARNING, "limit.warning", "hot"))
    (event,) = msgspec.msgpack.decode(block.rows)
    archive.store([msgspec.structs.replace(block, rows=msgspec.msgpack.encode([{**event, "arguments": arguments}]))])
    (found,) = archive.events(NODE, *EVER, severity=Severity.WARNING)
    assert found.event.arguments == arguments


def test_nodes_and_their_names(archive: SqliteArchive) -> None:
    archive.store([block_of(1, 1)])
    assert archive.nodes() == {NODE: ""}
    archive.name_node(NODE, "cam-1")
    archive.name_node(NODE, "cam-2")
    assert archive.nodes() == {NODE: "cam-2"}


def test_a_full_disk_is_told_and_what_was_there_stays(archive: SqliteArchive) -> None:
    archive.store([block_of(1, 10)])
    with disk_full_beyond(300_000), pytest.raises(OutputError, match="is there room"):
        archive.store([block_of(11, 50_000)])
    assert numbers(archive) == list(range(1, 11))
    archive.store([block_of(11, 5)])
    assert numbers(archive) == list(range(1, 16))


def test_a_file_that_is_no_archive_is_left_as_it_is(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, and long enough to see that it is none\n" * 20)
    with pytest.raises(SourceError, match="no archive"):
        SqliteArchive(text)
    assert text.read_text().startswith("not a database")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (value)")
    connection.close()
    before = other.read_bytes()
    with pytest.raises(SourceError, match="no archive"):
        SqliteArchive(other)
    assert other.read_bytes() == before


def test_an_archive_of_the_future_is_refused(tmp_path: Path) -> None:
    SqliteArchive(tmp_path / "archive.sqlite").close()
    connection = sqlite3.connect(tmp_path / "archive.sqlite")
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(SourceError, match="newer"):
        SqliteArchive(tmp_path / "archive.sqlite")


def test_nothing_there_and_nowhere_to_write(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="no archive"):
        SqliteArchive(tmp_path / "none.sqlite", read_only=True)
    assert not (tmp_path / "none.sqlite").exists()
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(SourceError, match="no archive"):
        SqliteArchive(tmp_path / "empty.sqlite", read_only=True)
    with pytest.raises(OutputError, match="folder"):
        SqliteArchive(tmp_path / "none" / "archive.sqlite")
