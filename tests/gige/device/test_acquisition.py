"""From a camera to a receiver on loopback: modes, triggers, resends and ends of a stream."""

from __future__ import annotations

import contextlib
import queue
import socket
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from heliograph.core import Frame, FrameTimeoutError, SourceEndedError
from heliograph.gige.device.acquisition import Acquisition
from heliograph.gige.device.sender import StreamConfig
from heliograph.gige.device.trigger import TriggerGate
from heliograph.gige.gvsp import RESENT, ImageLeader, PacketFormat, PacketHeader
from heliograph.testing.camera import PatternCamera

PAYLOAD_BYTES = 64 * 48
PACKETS = 5
"""Leader, three payload packets and trailer."""


@dataclass
class Stream:
    """An acquisition and the socket it streams to."""

    acquisition: Acquisition
    host: socket.socket
    config: StreamConfig
    ended: queue.SimpleQueue[Exception | None]

    def start(self, frame_count: int | None = None, gate: TriggerGate | None = None) -> None:
        self.acquisition.configure(self.config, frame_count, gate)
        self.acquisition.start()

    def blocks(self, count: int) -> list[int]:
        """Receive this many whole frames and give their block ids."""
        ids: list[int] = []
        while len(ids) < count:
            header = PacketHeader.unpack(self.host.recv(2000))
            if header.format == PacketFormat.TRAILER:
                ids.append(header.block_id)
        return ids

    def rest(self) -> list[PacketHeader]:
        """Give the packets that are here already."""
        self.host.setblocking(False)
        headers = []
        with contextlib.suppress(BlockingIOError):
            while True:
                headers.append(PacketHeader.unpack(self.host.recv(2000)))
        self.host.settimeout(5)
        return headers


@pytest.fixture
def camera() -> PatternCamera:
    return PatternCamera(64, 48, rate_hz=200)


@pytest.fixture
def stream(camera: PatternCamera, address: str) -> Iterator[Stream]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host,
    ):
        source.bind((address, 0))
        host.bind((address, 0))
        host.settimeout(5)
        acquisition = Acquisition(camera, source)
        ended: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        acquisition.on_ended = ended.put
        yield Stream(acquisition, host, StreamConfig(host.getsockname(), PAYLOAD_BYTES), ended)
        acquisition.close()


@pytest.mark.parametrize("count", [1, 3])
def test_as_many_frames_as_asked_for_and_again_at_once(stream: Stream, camera: PatternCamera, count: int) -> None:
    for _ in range(3):
        # Whoever starts as soon as the last frame is there finds a camera that does not run.
        stream.start(count)
        assert stream.blocks(count) == list(range(1, count + 1))
        assert not stream.acquisition.running
    assert stream.ended.get(timeout=5) is None
    assert stream.rest() == []
    assert camera.starts == 3
    stream.acquisition.stop()
    assert not camera.running


def test_packets_of_the_last_frame_can_still_be_asked_for(stream: Stream, camera: PatternCamera) -> None:
    stream.start(2)
    stream.blocks(2)
    assert stream.ended.get(timeout=5) is None
    stream.acquisition.ask_again(2, 0, PACKETS - 1)
    stream.acquisition.ask_again(1, 2, 2)
    headers = [PacketHeader.unpack(stream.host.recv(2000)) for _ in range(PACKETS + 1)]
    assert {header.status for header in headers} == {RESENT}
    expected = [(2, packet_id) for packet_id in range(PACKETS)] + [(1, 2)]
    assert [(header.block_id, header.packet_id) for header in headers] == expected
    assert not camera.running


def test_wishes_while_nothing_streams_are_no_trouble(stream: Stream) -> None:
    stream.acquisition.ask_again(1, 0, 3)
    stream.start(1)
    stream.blocks(1)
    stream.acquisition.stop()
    stream.acquisition.ask_again(1, 0, 3)
    assert stream.rest() == []


def test_whoever_asks_for_everything_again_and_again_delays_no_frame(stream: Stream) -> None:
    # 1024 wishes are 3 s of this stream, its frames come every 5 ms.
    stream.config = replace(stream.config, throughput_limit_bytes_per_s=1_000_000)
    stream.start()
    stream.blocks(1)
    for _ in range(2000):
        stream.acquisition.ask_again(1, 0, PACKETS - 1)
    fresh, again = 0, 0
    while fresh < 3:
        header = PacketHeader.unpack(stream.host.recv(2000))
        fresh += header.format == PacketFormat.TRAILER and not header.status
        again += header.status == RESENT
    assert 0 < again < 500


def test_each_trigger_gives_one_frame_not_older_than_itself(stream: Stream) -> None:
    stream.start(gate=TriggerGate("Action0"))
    leaders = []
    for number in range(1, 6):
        # Of now, and of a time to come.
        time_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + (number % 2) * 30_000_000
        assert stream.acquisition.trigger("Action0", time_ns)
        assert stream.acquisition.trigger("Software", 0)
        while (header := PacketHeader.unpack(data := stream.host.recv(2000))).format != PacketFormat.TRAILER:
            if header.format == PacketFormat.LEADER:
                leaders.append((header.block_id, ImageLeader.unpack(data).timestamp_ticks - time_ns))
        assert leaders[-1][0] == number, "numbered without gaps"
    # The sensor's period is 5 ms; a machine that stands still makes frames late, never early.
    assert all(late_ns >= 0 for _, late_ns in leaders)
    assert stream.rest() == []


def test_too_many_triggers_are_refused_and_none_is_taken_without_a_stream(stream: Stream) -> None:
    assert stream.acquisition.trigger("Software", 0), "nothing listens"
    gate = TriggerGate("Software")
    stream.start(gate=gate)
    future_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 3_600_000_000_000
    taken = [stream.acquisition.trigger("Software", future_ns) for _ in range(40)]
    assert taken == [True] * 32 + [False] * 8
    stream.acquisition.stop()
    assert stream.acquisition.trigger("Software", future_ns)
    assert stream.rest() == []


def test_frame_events_tell_start_and_end_of_exposure_of_what_is_sent(
    stream: Stream, camera: PatternCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    grab = camera.grab

    def timed(timeout_s: float) -> Frame:
        frame = grab(timeout_s)
        exposure_us = 2000.5 if frame.id > 1 else None
        return replace(frame, timestamp_ns=frame.id * 10**9, exposure_us=exposure_us, line_time_ns=1000)

    monkeypatch.setattr(camera, "grab", timed)
    events = []
    stream.acquisition.on_frame_event = lambda *event: events.append(event)
    stream.start(2)
    stream.blocks(2)
    # The last of 48 rows begins 47 line times after the first.
    end_ns = 2 * 10**9 + 47_000 + 2_000_500
    assert events == [("FrameStart", 1, 10**9), ("FrameStart", 2, 2 * 10**9), ("ExposureEnd", 2, end_ns)]


@pytest.mark.parametrize("abort", [True, False])
def test_abort_cuts_the_frame_that_stop_lets_end(stream: Stream, abort: bool) -> None:
    # The leader is 0.1 s ahead of what follows, and each packet of the next.
    stream.config = replace(stream.config, packet_delay_ns=100_000_000)
    stream.start()
    assert PacketHeader.unpack(stream.host.recv(2000)).format == PacketFormat.LEADER
    stream.acquisition.stop(abort=abort)
    assert [header.packet_id for header in stream.rest()] == ([] if abort else list(range(1, PACKETS)))


def test_frames_before_the_end_of_a_source_arrive_and_its_end_is_told(
    stream: Stream, camera: PatternCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    grab = camera.grab

    def ending(timeout_s: float) -> Frame:
        frame = grab(timeout_s)
        if frame.id > 3:
            raise SourceEndedError("no more pictures")
        return frame

    monkeypatch.setattr(camera, "grab", ending)
    stream.start()
    assert stream.blocks(3) == [1, 2, 3]
    assert isinstance(stream.ended.get(timeout=5), SourceEndedError)
    assert not stream.acquisition.running


def test_a_frame_that_was_sent_is_given_back(
    stream: Stream, camera: PatternCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    grab = camera.grab
    lent: list[weakref.ref[Any]] = []

    def lending(timeout_s: float) -> Frame:
        if lent:
            raise FrameTimeoutError("one frame is all there is")
        frame = grab(timeout_s)
        lent.append(weakref.ref(frame.data))
        return frame

    monkeypatch.setattr(camera, "grab", lending)
    stream.start()
    stream.blocks(1)
    deadline_s = time.monotonic() + 5
    while lent[0]() is not None:
        assert time.monotonic() < deadline_s
        time.sleep(0.001)
    # Its packets are kept all the same.
    stream.acquisition.ask_again(1, 1, 1)
    assert PacketHeader.unpack(stream.host.recv(2000)).status == RESENT
