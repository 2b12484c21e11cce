"""The outbox against a model of spool, channel and archive: nothing is forgotten, whatever is lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from heliograph.link.channel import Stream
from heliograph.link.outbox import Again, Outbox, Sweep
from heliograph.link.spooled import MESSAGE_BYTES, Spooled, joined
from heliograph.link.telemetry import Range
from heliograph.testing.blocks import BOOT, HEALTH
from heliograph.testing.spooled import spooled_of

SECOND_NS = 1_000_000_000
STREAMS = [HEALTH, *(Stream(name=name, channels=HEALTH.channels) for name in ("flight", "sky"))]


class Board:
    """What the publisher does with an outbox, without threads: the spool is a dictionary, what is sent is a list."""

    def __init__(self) -> None:
        self.spool: dict[int, Spooled] = {}
        self.outbox = Outbox(0)
        self.sent: list[tuple[Spooled, bool]] = []
        self.now_ns = SECOND_NS
        self._numbers = dict.fromkeys((each.name for each in STREAMS), 1)
        self._newest_id = 0

    def commit(self, count: int = 1, stream: int = 0, *, seen: bool = True) -> Spooled:
        self._newest_id += 1
        declared = STREAMS[stream]
        block = spooled_of(self._numbers[declared.name], count, declared)
        block = replace(block, ids=(self._newest_id,))
        self._numbers[declared.name] += count
        self.spool[self._newest_id] = block
        if seen:
            self.sent.append((block, self.outbox.live(block, self.now_ns)))
        else:
            self.outbox.passed_over(block)
        return block

    def step(self) -> Sweep | Again | None:
        step = self.outbox.next(self.now_ns)
        if isinstance(step, Sweep):
            ids = [id_ for id_ in self.spool if step.after_id < id_ <= step.up_to_id]
            found = self.outbox.swept(step, [self.spool[id_] for id_ in sorted(ids)[:5]])
        elif isinstance(step, Again):
            found = [self.spool[id_] for id_ in step.ids if id_ in self.spool]
        else:
            return None
        for block in joined(found):
            self.sent.append((block, self.outbox.sent(block, self.now_ns, again=isinstance(step, Again))))
        return step

    def acknowledge(self, done: Range) -> None:
        self.outbox.acknowledged(done, self.now_ns)
        end = done.first + done.count
        for id_, block in list(self.spool.items()):
            if block.stream == done.stream and done.first <= block.first and block.first + block.count <= end:
                del self.spool[id_]


class Delivery(RuleBasedStateMachine):
    """A channel that loses, repeats, delays and reorders in both directions, and an archive that dies."""

    def __init__(self) -> None:
        super().__init__()
        self.board = Board()
        self.away: list[tuple[Spooled, bool]] = []
        self.coming: list[Range] = []
        self.unknown: list[tuple[str, str]] = []
        self.received: list[Spooled] = []
        self.declared: set[str] = set()
        self.stored: set[tuple[str, int]] = set()
        self.made: set[tuple[str, int]] = set()

    def send(self) -> None:
        self.away += self.board.sent
        self.board.sent = []

    @rule(count=st.integers(1, 4), stream=st.integers(0, 2), seen=st.booleans())
    def measure(self, count: int, stream: int, seen: bool) -> None:
        block = self.board.commit(count, stream, seen=seen)
        self.made |= {(block.stream, block.first + at) for at in range(block.count)}
        self.send()

    @rule(times=st.integers(1, 5))
    def work(self, times: int) -> None:
        for _ in range(times):
            self.board.step()
        self.send()

    @rule(milliseconds=st.integers(1, 20_000))
    def wait(self, milliseconds: int) -> None:
        self.board.now_ns += milliseconds * 1_000_000

    @precondition(lambda self: self.away)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.away.pop(data.draw(st.integers(0, len(self.away) - 1)))

    @precondition(lambda self: self.away)
    @rule(data=st.data(), keep=st.booleans())
    def arrive(self, data: st.DataObject, keep: bool) -> None:
        at = data.draw(st.integers(0, len(self.away) - 1))
        self.receive(*(self.away[at] if keep else self.away.pop(at)))

    def receive(self, block: Spooled, declares: bool) -> None:
        if declares:
            self.declared.add(block.stream)
        if block.stream in self.declared:
            self.received.append(block)
        else:
            self.unknown.append((block.stream, block.schema))

    @rule()
    def archive_commits(self) -> None:
        for block in self.received:
            self.stored |= {(block.stream, block.first + at) for at in range(block.count)}
            self.coming.append(block.range)
        self.received = []

    @precondition(lambda self: self.coming or self.unknown)
    @rule(data=st.data(), lost=st.booleans(), keep=st.booleans())
    def hear(self, data: st.DataObject, lost: bool, keep: bool) -> None:
        if self.unknown and not lost:
            self.board.outbox.unknown(*self.unknown.pop())
        if self.coming:
            at = data.draw(st.integers(0, len(self.coming) - 1))
            done = self.coming[at] if keep else self.coming.pop(at)
            if not lost:
                self.board.acknowledge(done)

    @rule()
    def archive_comes(self) -> None:
        self.board.outbox.archive_came()

    @rule(forgets=st.booleans())
    def archive_dies(self, forgets: bool) -> None:
        self.received = []
        if forgets:
            self.declared.clear()
        self.board.outbox.archive_went()

    @invariant()
    def what_the_spool_forgot_is_stored(self) -> None:
        held = {(block.stream, block.first + at) for block in self.board.spool.values() for at in range(block.count)}
        assert self.made - held <= self.stored

    def teardown(self) -> None:
        """However it went so far: over a link that works now, everything arrives, and soon."""
        if not self.board.outbox.archive_present:
            self.board.outbox.archive_came()
        for _ in range(400):
            if not self.board.spool:
                break
            if self.board.step() is None:
                wake_ns = self.board.outbox.wake_ns()
                assert wake_ns is not None, "it would wait for ever"
                self.board.now_ns = max(self.board.now_ns, wake_ns)
            for sent in self.board.sent:
                self.receive(*sent)
            self.board.sent = []
            self.archive_commits()
            while self.unknown:
                self.board.outbox.unknown(*self.unknown.pop())
            while self.coming:
                self.board.acknowledge(self.coming.pop())
        assert not self.board.spool
        assert self.stored == self.made


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def drain(board: Board) -> Callable[[], list[Spooled]]:
    def run() -> list[Spooled]:
        while board.step() is not None:
            pass
        sent, board.sent = board.sent, []
        return [block for block, _ in sent]

    return run


def test_without_an_archive_live_blocks_go_and_nothing_else(board: Board, drain: Callable[[], list[Spooled]]) -> None:
    block = board.commit()
    assert board.sent == [(block, False)]
    board.sent.clear()
    board.now_ns += 60 * SECOND_NS
    assert drain() == []
    assert board.outbox.wake_ns() is None


def test_backlog_goes_oldest_first_when_the_archive_comes(board: Board, drain: Callable[[], list[Spooled]]) -> None:
    blocks = [board.commit(stream=at % 3) for at in range(12)]
    board.sent.clear()
    board.outbox.archive_came()
    sent = drain()
    assert next(each for each in sent if each.stream == "health").first == blocks[0].first
    assert sorted(id_ for each in sent for id_ in each.ids) == list(range(1, 13))
    assert drain() == []


def test_a_live_block_is_not_read_from_the_disk_again(board: Board, drain: Callable[[], list[Spooled]]) -> None:
    board.outbox.archive_came()
    drain()
    for _ in range(20):
        block = board.commit()
        assert [sent for sent, _ in board.sent] == [block]
        board.sent.clear()
        assert board.outbox.next(board.now_ns) is None
        board.acknowledge(block.range)


def test_a_sweep_leaves_out_what_went_live_meanwhile(board: Board, drain: Callable[[], list[Spooled]]) -> None:
    board.commit()
    board.commit()
    board.outbox.archive_came()
    live = board.commit()
    assert board.sent[-1] == (live, True)
    board.sent.clear()
    assert [each.ids for each in drain()] == [(1, 2)]


def test_what_is_not_acknowledged_in_time_goes_again_and_later_each_time(board: Board) -> None:
    board.outbox.archive_came()
    board.commit()
    waited = []
    for _ in range(5):
        while board.step() is not None:
            pass
        wake_ns = board.outbox.wake_ns()
        assert wake_ns is not None
        waited.append((wake_ns - board.now_ns) / SECOND_NS)
        board.now_ns = wake_ns
    assert waited == sorted(waited)
    assert waited[-1] >= 8 * waited[0] or waited[-1] == 30
    assert waited[-1] <= 30


def test_the_declaration_goes_until_a_block_with_it_is_acknowledged(board: Board) -> None:
    board.outbox.archive_came()
    board.step()
    first, second = board.commit(), board.commit()
    assert [declared for _, declared in board.sent] == [True, True]
    board.acknowledge(first.range)
    third = board.commit()
    assert board.sent[-1] == (third, False)
    board.outbox.unknown("health", HEALTH.schema)
    # Only the one that went without it is due at once.
    assert board.outbox.next(board.now_ns) == Again(third.ids)
    assert board.outbox.next(board.now_ns) is None
    assert board.outbox.sent(third, board.now_ns, again=True)
    assert second.range != third.range


def test_a_backlog_keeps_within_its_window_and_takes_no_memory(board: Board) -> None:
    rows = bytes(HEALTH.dtype.itemsize) * 2_000
    for at in range(200):
        block = spooled_of(1 + 2_000 * at, 2_000, rows=rows)
        board.spool[at + 1] = replace(block, ids=(at + 1,))
        board.outbox.passed_over(board.spool[at + 1])
    board.outbox.archive_came()
    while board.step() is not None:
        pass
    on_the_way = sum(block.size_bytes for block, _ in board.sent)
    assert 256 * 1024 < on_the_way < 1024 * 1024 + MESSAGE_BYTES
    board.acknowledge(board.sent[0][0].range)
    assert board.step() is not None


def test_messages_are_smaller_where_acknowledgements_do_not_come(board: Board) -> None:
    """The bus drops what finds no room: on a slow link a large message would never get through."""
    board.outbox.archive_came()
    before_bytes = board.outbox.message_bytes
    for _ in range(5):
        board.commit()
        board.now_ns = board.outbox.wake_ns() or 0
        board.step()
    assert board.outbox.message_bytes < before_bytes / 4


def test_a_sweep_of_a_former_session_changes_nothing(board: Board) -> None:
    board.commit()
    board.outbox.archive_came()
    sweep = board.outbox.next(board.now_ns)
    assert isinstance(sweep, Sweep)
    board.outbox.archive_came()
    assert board.outbox.swept(sweep, board.spool.values()) == []
    again = board.outbox.next(board.now_ns)
    assert isinstance(again, Sweep)
    assert again.after_id == 0


def test_an_acknowledgement_of_something_else_is_harmless(board: Board) -> None:
    board.outbox.archive_came()
    board.commit()
    board.outbox.acknowledged(Range(BOOT, "health", 50, 7), board.now_ns)
    assert board.outbox.wake_ns() is not None
