"""Frame ids whatever a camera does to its block ids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heliograph.gige.client.numbering import BlockNumbering
from heliograph.gige.gvsp import block_id_of


@given(st.booleans(), st.integers(1, 2**40), st.lists(st.integers(1, 1000), max_size=20))
def test_ids_rise_over_wraps_and_restarts(extended: bool, first: int, steps: list[int]) -> None:
    numbering = BlockNumbering(extended=extended)
    sent = first
    frame_id = numbering.newest_id = numbering.frame_id(block_id_of(sent, extended=extended))
    for step in steps:
        sent, frame_id = sent + step, frame_id + step
        block_id = block_id_of(sent, extended=extended)
        assert numbering.frame_id(block_id) == frame_id
        assert numbering.block_id(frame_id) == block_id
        numbering.newest_id = frame_id
    numbering.restart(1)
    assert [numbering.frame_id(block_id) for block_id in (1, 2)] == [frame_id + 1, frame_id + 2]
    assert numbering.block_id(frame_id + 1) == 1


def test_what_is_behind_stays_behind() -> None:
    numbering = BlockNumbering(extended=False)
    numbering.newest_id = 65_540
    assert numbering.frame_id(65_535) == 65_535
    assert numbering.frame_id(3) == 65_538
