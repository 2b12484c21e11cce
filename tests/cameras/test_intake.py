from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from heliograph.cameras.intake import DEPTH, Intake, LiveStream, Shot
from heliograph.core import CameraLostError, CameraNotFoundError, FrameTimeoutError, PixelFormat

_END = -1


class Scripted:
    """A stream of what a test puts in: numbers are pictures, `_END` breaks it."""

    rate_hz = 1000.0

    def __init__(self, *numbers: int) -> None:
        self.closed = threading.Event()
        self._numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.put(*numbers)

    def put(self, *numbers: int) -> None:
        for number in numbers:
            self._numbers.put(number)

    def read(self) -> Shot | None:
        number = self._numbers.get()
        return None if number == _END else Shot(np.full((1, 1), number, np.uint8), PixelFormat.Mono8, number)

    def close(self) -> None:
        self.closed.set()


class Bench:
    """Makes intakes, and ends the streams that their threads wait for."""

    def __init__(self) -> None:
        self.streams: list[Scripted] = []
        self.intakes: list[Intake] = []

    def intake(self, *streams: Scripted) -> Intake:
        self.streams += streams
        left = iter(streams[1:])

        def connect() -> LiveStream:
            try:
                return next(left)
            except StopIteration:
                raise CameraNotFoundError("the plug is out") from None

        self.intakes.append(Intake("test", connect, streams[0]))
        return self.intakes[-1]


@pytest.fixture
def bench() -> Iterator[Bench]:
    own = Bench()
    yield own
    for stream in own.streams:
        stream.put(*[_END] * 3)
    for intake in own.intakes:
        intake.close()
    assert own.streams[0].closed.is_set()


def test_frames_count_from_1(bench: Bench) -> None:
    stream = Scripted(5)
    intake = bench.intake(stream)
    first = intake.oldest(30)
    assert (first.id, first.timestamp_ns, int(first.data[0, 0])) == (1, 5, 5)
    stream.put(6)
    assert intake.newest(30).id == 2


def test_only_the_newest_frames_wait(bench: Bench) -> None:
    stream = Scripted(*range(10), _END)
    intake = bench.intake(stream, Scripted())
    assert stream.closed.wait(30)
    assert [intake.oldest(30).id for _ in range(DEPTH)] == [7, 8, 9, 10]


def test_the_newest_leaves_the_older_ones_behind(bench: Bench) -> None:
    stream = Scripted(1, 2, 3, _END)
    intake = bench.intake(stream, Scripted())
    assert stream.closed.wait(30)
    assert intake.newest(30).id == 3
    with pytest.raises(CameraLostError):
        intake.oldest(0)


def test_what_waits_is_older_than_what_arrives(bench: Bench) -> None:
    first, second = Scripted(1, 2, _END), Scripted()
    intake = bench.intake(first, second)
    assert first.closed.wait(30)
    threading.Timer(0.05, second.put, (9,)).start()
    assert int(intake.arriving(30).data[0, 0]) == 9


def test_ids_skip_what_an_outage_lasted(bench: Bench) -> None:
    intake = bench.intake(Scripted(1, _END), Scripted(2, 3))
    ids = [intake.oldest(30).id for _ in range(3)]
    # The first pause is a quarter of a second, and the stream says 1000 frames/s.
    assert 251 <= ids[1] < 30_000
    assert ids[2] == ids[1] + 1


def test_a_stream_that_stays_away_is_told_with_its_reason(bench: Bench) -> None:
    intake = bench.intake(Scripted(_END))
    with pytest.raises(CameraLostError, match="test is lost: the plug is out"):
        intake.oldest(1.0)


def test_a_stream_that_says_nothing_is_a_timeout(bench: Bench) -> None:
    with pytest.raises(FrameTimeoutError, match=r"no frame of test arrived within 0\.01 s"):
        bench.intake(Scripted()).oldest(0.01)
