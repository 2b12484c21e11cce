from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from heliograph.core.errors import CameraBusyError, FramesHeldError, RemoteProtocolError, SettingError
from heliograph.local.ledger import SlotLedger

DEPTH, MAX_READERS, WRITER_SLOTS = 2, 3, 2


class LedgerModel(RuleBasedStateMachine):
    """Drives a ledger as a writer and any readers could, beside a plain account of who owns what."""

    filled: Bundle[int] = Bundle("filled")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = SlotLedger(DEPTH, MAX_READERS, WRITER_SLOTS)
        self.filling: set[int] = set()
        self.held: dict[int, set[int]] = {}
        self.dropped: dict[int, int] = {}
        self.names = 0

    def leased(self) -> set[int]:
        return set().union(*self.held.values())

    @rule()
    def add_reader(self) -> None:
        self.names += 1
        if len(self.held) == MAX_READERS:
            with pytest.raises(CameraBusyError):
                self.ledger.add_reader(self.names)
            return
        self.ledger.add_reader(self.names)
        self.held[self.names] = set()
        self.dropped[self.names] = 0

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def remove_reader(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        self.ledger.remove_reader(name)
        del self.held[name], self.dropped[name]

    @rule(target=filled)
    def acquire(self) -> int:
        if len(self.filling) == WRITER_SLOTS:
            with pytest.raises(FramesHeldError, match="fills 2 slots already"):
                self.ledger.acquire()
            return -1
        slot = self.ledger.acquire()  # always finds one, whatever readers hold
        assert slot not in self.filling
        assert slot not in self.leased()
        self.filling.add(slot)
        return slot

    @rule(slot=consumes(filled))
    def publish(self, slot: int) -> None:
        if slot not in self.filling:
            with pytest.raises(SettingError, match="not being filled"):
                self.ledger.publish(slot)
            return
        takers = self.ledger.publish(slot)
        self.filling.remove(slot)
        assert set(takers) == {name for name, slots in self.held.items() if len(slots) < DEPTH}
        for name, slots in self.held.items():
            if name in takers:
                slots.add(slot)
            else:
                self.dropped[name] += 1

    @rule(slot=consumes(filled))
    def discard(self, slot: int) -> None:
        if slot in self.filling:
            self.ledger.discard(slot)
            self.filling.remove(slot)

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data(), told=st.booleans())
    def release(self, data: st.DataObject, told: bool) -> None:
        name = data.draw(st.sampled_from([name for name, slots in sorted(self.held.items()) if slots]))
        slot = data.draw(st.sampled_from(sorted(self.held[name])))
        if told:
            self.ledger.release(name, slot)
        else:
            self.ledger.withdraw(name, slot)
            self.dropped[name] += 1
        self.held[name].remove(slot)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), slot=st.integers(-1, 100))
    def release_what_is_not_held(self, data: st.DataObject, slot: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        if slot not in self.held[name]:
            with pytest.raises(RemoteProtocolError, match="does not hold"):
                self.ledger.release(name, slot)

    @invariant()
    def accounts_agree(self) -> None:
        leased = self.leased()
        assert not leased & self.filling
        # Whatever is neither filled nor leased is free, once; nothing leaks.
        assert sorted(self.ledger._free) == sorted(set(range(self.ledger.slot_count)) - leased - self.filling)
        assert len(self.ledger._free) >= WRITER_SLOTS - len(self.filling)
        for name, slots in self.held.items():
            assert len(slots) <= DEPTH
            assert self.ledger.dropped(name) == self.dropped[name]


TestLedger = LedgerModel.TestCase
TestLedger.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


def test_the_slot_freed_last_is_filled_next() -> None:
    ledger = SlotLedger(depth=4, max_readers=1, writer_slots=2)
    ledger.add_reader(1)
    first, second = ledger.acquire(), ledger.acquire()
    ledger.publish(first)
    ledger.publish(second)
    ledger.release(1, second)
    ledger.release(1, first)
    assert ledger.acquire() == first
    assert ledger.acquire() == second


def test_a_ring_nobody_reads_stays_in_one_slot() -> None:
    ledger = SlotLedger(depth=8, max_readers=4, writer_slots=4)
    slots = set()
    for _ in range(100):
        slots.add(slot := ledger.acquire())
        assert ledger.publish(slot) == []
    assert len(slots) == 1


@pytest.mark.parametrize("sizes", [(0, 1, 1), (65, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_sizes_that_make_no_ring_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(SettingError, match="frame ring"):
        SlotLedger(*sizes)
