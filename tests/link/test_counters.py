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
        assert window.highest == max(used, default=0)
        assert len(window.used) <= ROOM


# In microseconds: a link held some of them for minutes.
@given(st.permutations(range(10**15, 10**15 + 10**9, 10**9 // ROOM)))
def test_commands_that_overtake_one_another_are_all_admitted(counters: list[int]) -> None:
    window = CounterWindow()
    for counter in counters:
        assert window.admits(counter)
        window = window.with_counter(counter)


def test_the_room_for_overtaking_ends() -> None:
    window = CounterWindow()
    for counter in range(100, 100 + ROOM):
        window = window.with_counter(counter)
    assert window.admits(1)
    window = window.with_counter(1_000)
    assert not any(map(window.admits, range(101)))
    assert window.admits(999)


@given(near_one_another | anything)
def test_what_is_not_admitted_cannot_be_used(counter: int) -> None:
    window = CounterWindow().with_counter(100).with_counter(50)
    assert window.admits(counter) == (0 < counter < 2**63 and counter not in (50, 100))
    if not window.admits(counter):
        with pytest.raises(ValueError, match="was used"):
            window.with_counter(counter)
