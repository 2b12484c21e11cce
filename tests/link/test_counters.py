import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.link.counters import ROOM, CounterWindow

near_one_another = st.integers(1, 200)
anything = st.integers(-5, 2**64 - 1)


@given(st.lists(near_one_another | anything, max_size=300))
def test_no_counter_is_admitted_twice(counters: list[int]) -> None:
    window, used = CounterWindow(), set[int]()
    for counter in counters:
        if window.admits(counter):
            assert counter not in used
            assert counter > 0
            window = window.with_counter(counter)
            used.add(counter)
            assert not window.admits(counter)
        # What is kept fits the columns of a database.
        assert 0 <= window.bitmap < 2**63
        assert window.highest < 2**63


@given(st.permutations(range(1000, 1000 + ROOM + 1)))
def test_commands_that_overtake_one_another_are_all_admitted(counters: list[int]) -> None:
    window = CounterWindow()
    for counter in counters:
        assert window.admits(counter)
        window = window.with_counter(counter)


def test_the_room_for_overtaking_ends_where_the_bitmap_does() -> None:
    window = CounterWindow().with_counter(100)
    assert window.admits(100 - ROOM)
    assert not window.admits(100 - ROOM - 1)


@given(near_one_another | anything)
def test_what_is_not_admitted_cannot_be_used(counter: int) -> None:
    window = CounterWindow().with_counter(100).with_counter(50)
    assert window.admits(counter) == (36 < counter < 2**63 and counter not in (50, 100))
    if not window.admits(counter):
        with pytest.raises(ValueError, match="was used"):
            window.with_counter(counter)
