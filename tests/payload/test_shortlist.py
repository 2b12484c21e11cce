from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core import Frame, PixelFormat
from heliograph.payload.scorer import Score
from heliograph.payload.shortlist import Pick, Record, offer

SCORES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=30)


@given(SCORES, st.integers(1, 5))
def test_keeps_what_sorting_everything_would_keep(scores: list[tuple[int, int, bool]], size: int) -> None:
    picks: tuple[Pick, ...] = ()
    for number, (value, support, whole) in enumerate(scores):
        data = np.full((2, 2), number, np.uint8)
        record = Record(number, Score(value, support), number, 0, 0, missing_packets=0 if whole else 3)
        picks = offer(picks, size, record, Frame(data, PixelFormat.Mono8, number, 0))
        data[:] = 255  # the buffer goes back to its pool
    # Whole first, then the value, then the support, then the earlier.
    wanted = sorted(range(len(scores)), key=lambda k: (not scores[k][2], -scores[k][0], -scores[k][1], k))[:size]
    assert [pick.record.number for pick in picks] == wanted
    assert [int(pick.frame.data[0, 0]) for pick in picks] == wanted


def test_incomplete_picture_wins_only_where_there_is_no_whole_one() -> None:
    frame = Frame(np.zeros((2, 2), np.uint8), PixelFormat.Mono8, 1, 0)
    torn = Record(0, Score(200), 1, 0, 0, missing_packets=1)
    whole = Record(1, Score(3), 2, 0, 0)
    picks = offer((), 1, torn, frame)
    assert picks[0].record is torn
    assert offer(picks, 1, whole, frame)[0].record is whole
