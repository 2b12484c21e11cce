"""How long sent frames are kept, and in how much memory."""

import numpy as np
import pytest

from heliograph.gige.device.kept import KEPT_BYTES, KEPT_NS, KeptFrames
from heliograph.gige.gvsp import PacketHeader

RATES_HZ = (10, 25, 100, 1000)


def stream(payload_bytes: int, rate_hz: float, count: int) -> tuple[KeptFrames, set[int]]:
    """Send frames at a rate; give the frames kept, and the arrays that were ever made."""
    frames, arrays = KeptFrames(payload_bytes, 1500, extended=False), set()
    for number in range(1, count + 1):
        now_ns = round(number * 1e9 / rate_hz)
        frame = frames.take(now_ns)
        frame.begin(number, b"")
        frame.packets.fill(np.empty(0, np.uint8), number)
        frame.sent_ns = now_ns
        arrays.add(id(frame.packets))
    return frames, arrays


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("payload_bytes", [10_000, 300_000, 4_623_840, 37_000_000])
def test_frames_are_kept_for_half_a_second_as_far_as_memory_reaches(payload_bytes: int, rate_hz: float) -> None:
    count = 600 if payload_bytes < 1_000_000 else 30
    frames, arrays = stream(payload_bytes, rate_hz, count)
    kept = [number for number in range(1, count + 1) if frames.find(number)]
    within_time = min(count, int(KEPT_NS / 1e9 * rate_hz) + 1)
    assert len(kept) >= min(within_time, max(2, KEPT_BYTES // payload_bytes))
    assert kept == list(range(kept[0], count + 1)), "the newest without a gap"
    assert len(arrays) * payload_bytes <= max(KEPT_BYTES, 2 * payload_bytes)
    assert len(arrays) <= within_time + 2, "no more memory than that needs"
    assert len(arrays) == len(frames._frames)


@pytest.mark.parametrize(
    ("newest", "asked", "ahead"),
    [(7, 8, True), (7, 6, False), (65_535, 1, True), (65_535, 3, True), (3, 65_534, False), (0, 1, True)],
)
def test_what_is_gone_and_what_is_still_to_come(newest: int, asked: int, ahead: bool) -> None:
    frames = KeptFrames(1000, 1500, extended=False)
    if newest:
        frames.take(0).begin(newest, b"")
    header = PacketHeader.unpack(frames.refusal(asked, 5))
    assert (header.block_id, header.packet_id) == (asked, 5)
    assert header.status == (0x8010 if ahead else 0x800C)


def test_64_bit_ids_do_not_wrap() -> None:
    frames = KeptFrames(1000, 1500, extended=True)
    frames.take(0).begin(65_535, b"")
    assert PacketHeader.unpack(frames.refusal(1, 5)) == PacketHeader(1, 3, 5, 0x800C, extended=True)
    assert PacketHeader.unpack(frames.refusal(65_536, 5)).status == 0x8010
