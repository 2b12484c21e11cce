"""Events on board: bounded, searchable, there after a restart, and none missing that was spooled."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliograph.link.event import Event, EventsRequest, Severity
from heliograph.link.spooled import Spooled
from heliograph.node.telemetry.archive import EventArchive
from heliograph.testing.blocks import BOOT, WALL_MINUS_BOOT_NS, events_block
from heliograph.testing.spooled import spooled_block


def block(first: int, *told: tuple[Severity, str, str], boot: str = BOOT) -> Spooled:
    return spooled_block(events_block(first, *told, boot=boot))


def numbered(first: int, count: int, boot: str = BOOT) -> Spooled:
    return block(first, *((Severity.ACTIVITY, "a.b", f"event {first + at}") for at in range(count)), boot=boot)


def messages(archive: EventArchive, **request: object) -> list[str]:
    return [each.event.message for each in archive.search(EventsRequest(**request)).events]  # type: ignore[arg-type]


@pytest.fixture
def archive(tmp_path: Path) -> EventArchive:
    return EventArchive(tmp_path / "events.sqlite", kept=1_000)


def test_events_come_back_oldest_first_with_number_and_time(archive: EventArchive) -> None:
    archive.store([block(7, (Severity.WARNING, "camera.lost", "cam-1 is gone"), (Severity.ACTIVITY, "c", "d"))])
    first, second = archive.search(EventsRequest()).events
    assert (first.boot, first.sequence, first.wall_time_ns) == (BOOT, 7, 700_000_000 + WALL_MINUS_BOOT_NS)
    assert first.event == Event(
        boot_time_ns=700_000_000, severity=Severity.WARNING, name="camera.lost", message="cam-1 is gone"
    )
    assert second.sequence == 8


def test_the_newest_are_given_when_there_are_more(archive: EventArchive) -> None:
    archive.store([numbered(1, 50)])
    assert messages(archive, limit=3) == ["event 48", "event 49", "event 50"]
    assert messages(archive, limit=0) == []
    assert messages(archive, limit=-1) == []


def test_they_are_found_by_severity_and_by_text_in_any_case(archive: EventArchive) -> None:
    archive.store(
        [
            block(
                1,
                (Severity.DIAGNOSTIC, "Camera.lost", "quiet"),
                (Severity.WARNING, "power", "the CAMERA needs 5 V"),
                (Severity.FATAL, "power", "GRÖSSE 100%"),
            )
        ]
    )
    assert messages(archive, text="camera") == ["quiet", "the CAMERA needs 5 V"]
    assert messages(archive, severity=Severity.WARNING) == ["the CAMERA needs 5 V", "GRÖSSE 100%"]
    assert messages(archive, severity=Severity.ALARM, text="größe") == ["GRÖSSE 100%"]
    assert messages(archive, text="100%") == ["GRÖSSE 100%"]
    assert messages(archive, text="nothing of the kind") == []


def test_only_so_many_are_kept(tmp_path: Path) -> None:
    archive = EventArchive(tmp_path / "events.sqlite", kept=10)
    for at in range(5):
        archive.store([numbered(1 + 7 * at, 7)])
    assert messages(archive) == [f"event {at}" for at in range(26, 36)]


def test_they_outlive_the_program_and_are_stored_once(archive: EventArchive, tmp_path: Path) -> None:
    archive.store([numbered(1, 3), numbered(1, 3)])
    archive.close()
    again = EventArchive(tmp_path / "events.sqlite", kept=1_000)
    again.store([numbered(2, 3)])
    assert messages(again) == ["event 1", "event 2", "event 3", "event 4"]
    again.close()


def test_what_was_spooled_before_a_crash_is_archived_and_what_was_pruned_is_not(archive: EventArchive) -> None:
    archive.store([numbered(3, 2, boot="last")])
    archive.catch_up([numbered(1, 5, boot="former"), numbered(1, 2, boot="last"), numbered(5, 2, boot="last")])
    assert messages(archive) == ["event 3", "event 4", "event 5", "event 6"]
    archive.catch_up([])


def test_an_answer_is_bounded(archive: EventArchive) -> None:
    long = [(Severity.ACTIVITY, "a", "x" * 100_000)] * 30
    archive.store([block(1, *long)])
    assert 5 < len(messages(archive)) < 15
    assert messages(archive, limit=10**12)


def test_a_damaged_archive_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "events.sqlite").write_bytes(b"\x00garbage" * 1_000)
    told: list[str] = []
    archive = EventArchive(tmp_path / "events.sqlite", kept=10, report=told.append)
    archive.store([numbered(1, 1)])
    assert messages(archive) == ["event 1"]
    assert len(told) == 1
    archive.close()
