"""The imperfect network path: what goes in comes out as its model says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heliograph.sim.net import NetworkPath, PathModel

PACKETS = [number.to_bytes(4, "big") for number in range(2_000)]


def travelled(model: PathModel, seed: int) -> list[bytes]:
    path = NetworkPath(model, seed)
    for number, packet in enumerate(PACKETS):
        path.send(packet, number * 1_000)
    return path.arrived(10**12)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 99))
def test_a_packet_takes_no_less_and_no_more_than_the_model_says(shortest_ns: int, spread_ns: int, seed: int) -> None:
    path = NetworkPath(PathModel(shortest_ns, shortest_ns + spread_ns), seed)
    path.send(b"x", 5)
    arrival_ns = path.next_arrival_ns()
    assert arrival_ns is not None
    assert shortest_ns <= arrival_ns - 5 <= shortest_ns + spread_ns
    assert path.arrived(arrival_ns - 1) == []
    assert path.arrived(arrival_ns) == [b"x"]
    assert path.next_arrival_ns() is None


def test_a_path_of_one_length_keeps_the_order() -> None:
    assert travelled(PathModel(500, 500), 1) == PACKETS


def test_packets_overtake_one_another_and_none_is_lost() -> None:
    arrived = travelled(PathModel(0, 50_000), 1)
    assert arrived != PACKETS
    assert sorted(arrived) == PACKETS


def test_shares_are_kept() -> None:
    arrived = travelled(PathModel(duplicated=0.1, lost=0.2), 1)
    assert 0.16 < 1 - len(set(arrived)) / len(PACKETS) < 0.24
    assert 0.07 < len(arrived) / len(set(arrived)) - 1 < 0.13


def test_the_same_seed_gives_the_same_fate() -> None:
    model = PathModel(0, 50_000, duplicated=0.1, lost=0.1)
    assert travelled(model, 7) == travelled(model, 7)
    assert travelled(model, 7) != travelled(model, 8)


def test_a_narrow_place_lets_its_rate_pass_and_loses_what_has_no_room_to_wait() -> None:
    # 1000 bytes take 1 ms; of 30 that come at once, 10 wait behind the one that is under way.
    path = NetworkPath(PathModel(rate_bps=8e6, queue_bytes=10_000), 1)
    for _ in range(30):
        path.send(bytes(1_000), 0)
    assert path.next_arrival_ns() == 1_000_000
    assert len(path.arrived(10_000_000)) == 10
    assert len(path.arrived(11_000_000)) == 1
    assert path.next_arrival_ns() is None
    path.send(b"x" * 1_000, 20_000_000)
    assert path.next_arrival_ns() == 21_000_000
