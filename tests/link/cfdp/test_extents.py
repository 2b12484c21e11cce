"""Extents against a set of offsets."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from heliograph.link.cfdp.extents import Extents

steps = st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 12)), max_size=25)


@given(steps)
def test_extents_are_the_set_that_was_added_and_not_removed(steps: list[tuple[bool, int, int]]) -> None:
    extents, model = Extents(), set[int]()
    for added, start, length in steps:
        range_ = set(range(start, start + length))
        if added:
            assert extents.add(start, start + length) == len(range_ - model)
            model |= range_
        else:
            extents.remove(start, start + length)
            model -= range_
        held = list(extents)
        assert [offset for a, b in held for offset in range(a, b)] == sorted(model)
        assert all(b < c for (_, b), (c, _) in itertools.pairwise(held))
        assert extents.total == len(model)
        assert extents.end == max(model, default=-1) + 1
        assert extents.prefix == next(offset for offset in range(60) if offset not in model)
        missing = {offset for a, b in extents.missing(start, 50) for offset in range(a, b)}
        assert missing == set(range(start, 50)) - model
        assert list(Extents(extents.pack())) == held
        if held:
            assert extents.first(3) == (held[0][0], min(held[0][0] + 3, held[0][1]))
