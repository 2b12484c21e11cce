"""Packets asked for again: every frame whole over lossy links, within bounds, and nothing asked for in vain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.gige.client.resend import Answers, Gaps
from heliograph.gige.gvcp import Status
from heliograph.gige.gvsp import PacketFormat, PacketHeader
from heliograph.testing.packets import Bench, LossyLink, packets_of, picture

MS_NS = 1_000_000
PACKETS = len(packets_of(1))
"""Packets of a frame, leader and trailer included."""


def check_whole(bench: Bench, frame_ids: range) -> None:
    assert bench.store.ids == list(frame_ids)
    for frame, pixels in bench.store.frames:
        assert frame.missing_packets == 0
        assert pixels == picture(frame.id)
    assert bench.store.taken == 0
    assert bench.store.most_taken <= bench.shape.open_blocks


@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from([0.001, 0.01, 0.05]),
    late_ns=st.sampled_from([0, 500_000, 5_000_000]),
    extended=st.booleans(),
)
def test_every_frame_is_whole_over_a_lossy_link(seed: int, loss: float, late_ns: int, extended: bool) -> None:
    random = np.random.default_rng(seed)
    bench = Bench(extended=extended, resend=True)
    link = LossyLink(
        bench,
        lambda block_id, packet_id, before: bool(random.random() < loss),
        late_ns=lambda: int(random.integers(0, late_ns + 1)),
        doubles=lambda: bool(random.random() < 0.05),
        loses_request=lambda: bool(random.random() < loss),
    )
    link.stream(range(1, 11))
    check_whole(bench, range(1, 11))
    asked = sum(last - first + 1 for _, first, last in link.requests)
    resent = sum(frame.resent_packets for frame, _ in bench.store.frames)
    assert resent <= asked <= 2 * PACKETS * 10
    assert bench.assembler.malformed_packets == 0


@given(seed=st.integers(0, 2**32))
def test_nothing_is_asked_for_when_packets_are_only_late_and_doubled(seed: int) -> None:
    random = np.random.default_rng(seed)
    bench = Bench(resend=True)
    link = LossyLink(
        bench,
        lambda block_id, packet_id, before: False,
        late_ns=lambda: int(random.integers(0, MS_NS)),
        doubles=lambda: bool(random.random() < 0.2),
    )
    link.stream(range(1, 6))
    check_whole(bench, range(1, 6))
    assert link.requests == []
    assert all(frame.resent_packets == 0 for frame, _ in bench.store.frames)


LOST: dict[str, Callable[[int, int], bool]] = {
    "leader": lambda block_id, packet_id: block_id == 2 and packet_id == 0,
    "trailer": lambda block_id, packet_id: block_id == 2 and packet_id == PACKETS - 1,
    "a run": lambda block_id, packet_id: block_id == 2 and 4 <= packet_id < 9,
    "its end": lambda block_id, packet_id: block_id == 2 and packet_id > 9,
    "all of it": lambda block_id, packet_id: block_id == 2,
    "two in a row": lambda block_id, packet_id: block_id in (2, 3),
    "the end of the last": lambda block_id, packet_id: block_id == 5 and packet_id > 9,
    "the first leader": lambda block_id, packet_id: block_id == 1 and packet_id == 0,
}


@pytest.mark.parametrize("what", LOST)
def test_whatever_is_lost_comes_again(what: str) -> None:
    bench = Bench(resend=True)
    link = LossyLink(bench, lambda block_id, packet_id, before: not before and LOST[what](block_id, packet_id))
    link.stream(range(1, 6))
    check_whole(bench, range(1, 6))
    lost = sum(LOST[what](block_id, packet_id) for block_id in range(1, 6) for packet_id in range(PACKETS))
    assert sum(last - first + 1 for _, first, last in link.requests) == lost
    assert sum(frame.resent_packets for frame, _ in bench.store.frames) == lost


def test_a_packet_that_never_comes_is_asked_for_ever_more_rarely_and_given_up() -> None:
    bench = Bench(resend=True)
    link = LossyLink(bench, lambda block_id, packet_id, before: (block_id, packet_id) == (1, 5))
    link.stream(range(1, 6), period_ns=200 * MS_NS)
    assert link.requests == [(1, 5, 5)] * 8
    waits_ns = np.diff(link.request_times_ns)
    assert waits_ns[0] >= 15 * MS_NS
    assert (np.diff(waits_ns) >= 0).all()
    assert bench.store.ids == [1, 2, 3, 4, 5]
    assert [frame.missing_packets for frame, _ in bench.store.frames] == [1, 0, 0, 0, 0]


def test_a_camera_that_answers_nothing_still_gives_its_frames_in_order() -> None:
    bench = Bench(resend=True)
    link = LossyLink(bench, lambda block_id, packet_id, before: packet_id == block_id, answers=False)
    link.stream(range(1, 21), period_ns=10 * MS_NS)
    assert bench.store.ids == list(range(1, 21))
    assert [frame.missing_packets for frame, _ in bench.store.frames] == [1] * 20
    assert bench.store.most_taken <= bench.shape.open_blocks


def test_frames_that_the_camera_left_out_hold_nobody_up() -> None:
    bench = Bench(resend=True)
    link = LossyLink(bench, lambda block_id, packet_id, before: False)
    link.stream([1, 2, 5, 6])
    assert bench.store.ids == [1, 2, 5, 6]
    # One packet of each, once: the camera says that it has them not.
    assert link.requests == [(3, 0, 0), (4, 0, 0)]
    assert bench.store.taken == 0


@pytest.mark.parametrize("answered", [1, 0])
def test_without_an_answer_a_later_frame_waits_and_with_a_refusal_it_comes_at_once(answered: int) -> None:
    bench = Bench(resend=True)
    bench.feed_single(packets_of(1)[:5] + packets_of(1)[6:] + packets_of(2))
    assert bench.assembler.handle_timer(0) == []
    [request] = bench.assembler.handle_timer(2 * MS_NS)
    assert (request.block_id, request.first, request.last) == (1, 5, 5)
    assert bench.store.ids == []
    for _ in range(answered):
        bench.feed_single([PacketHeader(1, PacketFormat.PAYLOAD, 5, Status.PACKET_UNAVAILABLE).pack()], 3 * MS_NS)
    bench.assembler.handle_timer(4 * MS_NS)
    assert bench.store.ids == [1, 2][: 2 * answered]


def test_what_is_not_sent_yet_is_asked_for_later() -> None:
    bench = Bench(resend=True)
    bench.feed_single(packets_of(1)[:9])
    assert bench.assembler.handle_timer(0) == []
    assert bench.assembler.next_deadline_ns() == 40 * MS_NS
    assert bench.assembler.handle_timer(40 * MS_NS) == []
    [request] = bench.assembler.handle_timer(42 * MS_NS)
    assert (request.first, request.last) == (9, PACKETS - 1)
    bench.feed_single([PacketHeader(1, PacketFormat.PAYLOAD, 9, Status.PACKET_NOT_YET_AVAILABLE).pack()], 43 * MS_NS)
    assert bench.assembler.handle_timer(55 * MS_NS) == []
    assert len(bench.assembler.handle_timer(63 * MS_NS)) == 1
    bench.feed_single(packets_of(1)[9:], 70 * MS_NS)
    assert bench.store.frames[0][0].missing_packets == 0


def test_one_refusal_stands_for_the_whole_request_and_no_other() -> None:
    gaps, nothing = Gaps(20, Answers()), np.zeros(21, np.bool_)
    missing = np.array([2, 3, 4, 8])
    gaps.due(missing, nothing, 1)
    assert gaps.due(missing, nothing, 3 * MS_NS) == [(2, 4), (8, 8)]
    gaps.refuse(2, Status.PACKET_UNAVAILABLE, 4 * MS_NS)
    assert gaps.due(missing, nothing, 20 * MS_NS) == [(8, 8)]
    gaps.refuse(8, Status.PACKET_AND_PREVIOUS_REMOVED, 21 * MS_NS)
    assert gaps.due(missing, nothing, 90 * MS_NS) == []
    assert gaps.hopeless


def test_a_camera_is_asked_for_so_much_at_a_time() -> None:
    answers = Answers()
    gaps, other, arrived = Gaps(1000, answers), Gaps(1000, answers), np.zeros(1001, np.bool_)
    missing = np.arange(1, 1000, 2)
    gaps.due(missing, arrived, 1)
    other.due(missing, arrived, 1)
    asked = []
    for now_ms in range(3, 15):
        portion = gaps.due(missing, arrived, now_ms * MS_NS)
        asked += portion
        assert len(asked) - np.count_nonzero(arrived) <= 128 >= answers.waiting
        # What is asked for another block shares the room.
        if now_ms == 3:
            assert other.due(missing, arrived, now_ms * MS_NS) == []
        for first, _ in portion[:100]:
            arrived[first] = True
        missing = missing[~arrived[missing]]
    assert len(asked) == 128 + 100 + 100 + 100 + 72
    gaps.close()
    assert answers.waiting == 0


def test_a_slow_camera_is_asked_again_only_after_its_usual_time() -> None:
    answers = Answers()
    for _ in range(40):
        answers.note(100 * MS_NS)
    gaps, nothing = Gaps(20, answers), np.zeros(21, np.bool_)
    missing = np.array([5])
    times_ms = [now_ms for now_ms in range(1, 900) if gaps.due(missing, nothing, now_ms * MS_NS)]
    assert times_ms[0] == 3
    assert 180 <= times_ms[1] - times_ms[0] <= 201


def test_a_stray_packet_of_a_near_block_is_no_reason_to_ask_for_what_is_not_sent() -> None:
    bench = Bench(resend=True)
    bench.feed_single(packets_of(1))
    bench.feed_single(packets_of(30_000)[3:4] + packets_of(2)[:9], MS_NS)
    bench.assembler.handle_timer(MS_NS)
    bench.feed_single(packets_of(2)[9:15], 10 * MS_NS)
    requests = bench.assembler.handle_timer(10 * MS_NS)
    assert all(request.block_id != 2 for request in requests)
    bench.feed_single(packets_of(2)[15:], 20 * MS_NS)
    assert bench.store.ids == [1, 2]
