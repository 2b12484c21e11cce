"""Recorders: every sample has a number, whether there was room for it or not."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import SettingError
from heliograph.link.channel import TYPES, Channel, Stream
from heliograph.node.telemetry.clock import boot_now_ns
from heliograph.node.telemetry.recorder import StreamRecorder

EVERY_TYPE = Stream(
    name="every",
    channels=(*(Channel(name=each, type=each) for each in TYPES), Channel(name="text", type="text", size_bytes=6)),
)
ONE = Stream(name="one", channels=(Channel(name="value"),))


class Source:
    def __init__(self, stream: Stream = ONE) -> None:
        self.wakes = 0
        self.hurries = 0
        self.misfits: list[str] = []
        self.recorder = StreamRecorder(stream, wake=self.wake, hurry=self.hurry, misfit=self.misfit)

    def wake(self) -> None:
        self.wakes += 1

    def hurry(self) -> None:
        self.hurries += 1

    def misfit(self, stream: Stream, reason: str) -> None:
        self.misfits.append(f"{stream.name}: {reason}")


every_values = st.tuples(
    st.floats(allow_nan=False),
    st.floats(width=32, allow_nan=False),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 255),
    st.booleans(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)


@given(st.lists(st.tuples(every_values, st.integers(0, 2**62 - 1)), min_size=1, max_size=8))
def test_samples_are_packed_as_the_stream_packs_them(samples: list[tuple[tuple[object, ...], int]]) -> None:
    recorder = Source(EVERY_TYPE).recorder
    for values, time_ns in samples:
        recorder.sample(values, time_ns)  # type: ignore[arg-type]
    taken = recorder.take()
    assert taken is not None
    assert taken.rows == EVERY_TYPE.pack([values for values, _ in samples]).tobytes()  # type: ignore[misc]
    assert np.frombuffer(taken.times, "<i8").tolist() == [time_ns for _, time_ns in samples]
    assert (taken.first, taken.count, taken.lost) == (1, len(samples), 0)


def test_numbers_go_on_and_the_writer_is_woken_once_for_each_turn() -> None:
    source = Source()
    for turn in range(3):
        before_ns = boot_now_ns()
        for value in range(5):
            source.recorder.sample((value,))
        taken = source.recorder.take()
        assert taken is not None
        assert (taken.first, taken.count) == (1 + 5 * turn, 5)
        assert before_ns <= np.frombuffer(taken.times, "<i8")[0] <= boot_now_ns()
        assert source.wakes == turn + 1
    assert source.recorder.take() is None


def test_one_by_one_and_many_at_once_are_alike() -> None:
    one_by_one, at_once = Source(), Source()
    rows = ONE.pack([(float(value),) for value in range(10)])
    for value in range(10):
        one_by_one.recorder.sample((value,), 100 + value)
    at_once.recorder.samples(np.arange(100, 110), rows)
    assert one_by_one.recorder.take() == at_once.recorder.take()
    assert at_once.wakes == 1


@pytest.mark.parametrize("one_by_one", [True, False])
def test_what_has_no_room_is_counted_and_numbered(one_by_one: bool) -> None:
    source = Source()
    rows = np.zeros(600_000, ONE.dtype)
    source.recorder.samples(np.zeros(500_000, np.int64), rows[:500_000])
    if one_by_one:
        for _ in range(50_000):
            source.recorder.sample((0.0,))
    else:
        source.recorder.samples(np.zeros(50_000, np.int64), rows[:50_000])
    taken = source.recorder.take()
    assert taken is not None
    assert taken.count == 8 * 1024 * 1024 // 16
    assert taken.count + taken.lost == 550_000
    source.recorder.sample((0.0,))
    after = source.recorder.take()
    assert after is not None
    assert (after.first, after.count, after.lost) == (550_001, 1, 0)


def test_much_that_waits_makes_the_writer_hurry() -> None:
    source = Source()
    for _ in range(16_384):
        source.recorder.sample((0.0,))
    assert source.hurries == 0
    source.recorder.sample((0.0,))
    assert source.hurries == 1


@pytest.mark.parametrize("values", [("word",), (1.0, 2.0), (), (None,)])
def test_a_sample_that_does_not_fit_is_told_and_takes_no_number(values: tuple[object, ...]) -> None:
    source = Source()
    source.recorder.sample(values)  # type: ignore[arg-type]
    source.recorder.sample((2.0,))
    taken = source.recorder.take()
    assert taken is not None
    assert (taken.first, taken.count) == (1, 1)
    assert source.misfits[0].startswith("one: ")


def test_a_number_that_is_too_large_does_not_fit() -> None:
    source = Source(Stream(name="s", channels=(Channel(name="a", type="uint8"), Channel(name="b", type="float32"))))
    source.recorder.sample((256, 0.0))
    source.recorder.sample((0, 1e300))
    assert len(source.misfits) == 2


def test_rows_of_another_shape_are_an_error() -> None:
    recorder = Source().recorder
    with pytest.raises(SettingError, match=r"rows of its dtype"):
        recorder.samples(np.zeros(2, np.int64), np.zeros(2))
    with pytest.raises(SettingError, match=r"shape \(n,\)"):
        recorder.samples(np.zeros(3, np.int64), np.zeros(2, ONE.dtype))


def test_several_threads_lose_nothing() -> None:
    source = Source()
    taken: list[float] = []

    def measure(begin: int) -> None:
        for value in range(begin, begin + 5_000):
            source.recorder.sample((value,))

    threads = [threading.Thread(target=measure, args=(10_000 * at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if found := source.recorder.take():
            taken += np.frombuffer(found.rows).tolist()
    if found := source.recorder.take():
        taken += np.frombuffer(found.rows).tolist()
    assert sorted(taken) == [10_000 * at + value for at in range(4) for value in range(5_000)]


@pytest.mark.parametrize("time_ns", [-1, 2**62, 2**63, float("nan"), float("inf"), "now"])
def test_a_time_that_cannot_be_is_a_misfit_and_takes_no_other_sample_along(time_ns: int) -> None:
    source = Source()
    source.recorder.sample((1.0,), time_ns)
    source.recorder.sample((2.0,), 5)
    assert len(source.misfits) == 1
    taken = source.recorder.take()
    assert taken is not None
    assert (taken.first, taken.count, np.frombuffer(taken.times, "<i8").tolist()) == (1, 1, [5])


@pytest.mark.parametrize("time_ns", [np.int64(-1), np.int64(2**62), np.float64(1.0), np.uint64(2**63)])
def test_many_times_that_cannot_be_are_refused(time_ns: np.generic) -> None:
    source = Source()
    with pytest.raises(SettingError, match="times are int64"):
        source.recorder.samples(np.array([time_ns]), ONE.pack([(1.0,)]))
    assert source.recorder.take() is None
