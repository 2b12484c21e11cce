import threading
import time
from collections.abc import Iterator

import msgspec
import pytest

from heliograph.core import NodeNotFoundError
from heliograph.link.bus import Bus
from heliograph.link.discovery import find_node, find_nodes
from heliograph.link.keys import PrivateKey
from heliograph.link.message import decode, encode
from heliograph.link.presence import Challenge, Hello
from heliograph.link.signature import sign
from heliograph.link.topic import ALIVE, HELLO, topic
from heliograph.testing.bus import connected_buses, settle

HOUR_NS = 3_600_000_000_000


class Board:
    """Answers as a node would whose clocks are an hour ahead of ours."""

    def __init__(self, bus: Bus, name: str, key: PrivateKey | None = None, boot: str = "0" * 16) -> None:
        self.key = key or PrivateKey.generate()
        self._name = name
        self._boot = boot
        bus.answer(topic(self.key.public.short, HELLO), lambda _, question: [self.hello(decode(question, Challenge))])
        bus.be_present(topic(self.key.public.short, ALIVE))

    def hello(self, challenge: Challenge) -> bytes:
        return sign(self.said(challenge.nonce, 7 if challenge.key else 0), self.key)

    def said(self, nonce: bytes, counter: int = 0) -> Hello:
        return Hello(
            nonce=nonce,
            name=self._name,
            key=self.key.public.hex,
            boot=self._boot,
            boot_time_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME) + HOUR_NS,
            wall_time_ns=time.time_ns() + HOUR_NS,
            counter=counter,
        )


class OldAnswer(Board):
    def hello(self, challenge: Challenge) -> bytes:
        return sign(self.said(b"another nonce"), self.key)


class AnotherSigner(Board):
    def hello(self, challenge: Challenge) -> bytes:
        return sign(self.said(challenge.nonce), PrivateKey.generate())


class Unsigned(Board):
    def hello(self, challenge: Challenge) -> bytes:
        return encode(self.said(challenge.nonce))


class Garbage(Board):
    def hello(self, challenge: Challenge) -> bytes:
        return b"\xff\x00"


@pytest.fixture
def pair() -> Iterator[tuple[Bus, Bus]]:
    with connected_buses(2) as (ground, board):
        yield ground, board


def test_all_nodes_are_found_long_before_the_timeout(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    boards = [Board(board, f"cam-{index}") for index in range(20)]
    before_s = time.monotonic()
    found = find_nodes(ground, timeout_s=20.0)
    assert time.monotonic() - before_s < 5.0
    assert {node.key for node in found} == {each.key.public for each in boards}
    assert [node.name for node in found] == sorted(f"cam-{index}" for index in range(20))


def test_its_clocks_are_known(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    Board(board, "cam-1")
    node = find_node(ground, "cam-1")
    ahead_ns = node.now_boot_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert abs(ahead_ns - HOUR_NS) < 1_000_000_000
    assert abs(node.wall_ahead_ns - HOUR_NS) < 1_000_000_000


def test_who_asks_with_a_key_learns_its_counter(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    Board(board, "cam-1")
    assert find_node(ground, "cam-1").hello.counter == 0
    assert find_node(ground, "cam-1", key=PrivateKey.generate()).hello.counter == 7


def test_nobody_is_waited_for_as_long_as_told(pair: tuple[Bus, Bus]) -> None:
    before_s = time.monotonic()
    assert find_nodes(pair[0], timeout_s=0.3) == []
    assert 0.3 <= time.monotonic() - before_s < 2.0
    with pytest.raises(NodeNotFoundError, match="no node answers"):
        find_node(pair[0], "cam-1", timeout_s=0.1)


def test_a_node_that_is_there_and_silent_is_left_out(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    Board(board, "cam-1")
    board.be_present(topic("0" * 16, ALIVE))
    assert [node.name for node in find_nodes(ground, timeout_s=1.0)] == ["cam-1"]


@pytest.mark.parametrize("impostor", [OldAnswer, AnotherSigner, Unsigned, Garbage])
def test_an_answer_that_proves_nothing_is_left_out(
    pair: tuple[Bus, Bus], impostor: type[Board], caplog: pytest.LogCaptureFixture
) -> None:
    ground, board = pair
    false = impostor(board, "false")
    Board(board, "true")
    assert [node.name for node in find_nodes(ground)] == ["true"]
    assert f"what answered for node {false.key.public.short} is left out" in caplog.text


def test_one_who_listens_and_says_nothing_hides_no_node(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    ended = threading.Event()

    def hang(_: str, __: bytes) -> list[bytes]:
        ended.wait(10)
        return []

    node = Board(board, "cam-1")
    ground.answer(topic(node.key.public.short, HELLO), hang)
    settle(pair)
    assert find_node(ground, "cam-1", timeout_s=1.0).key == node.key.public
    ended.set()


@pytest.mark.parametrize(
    "absurd", [{"boot_time_ns": 2**64 - 1}, {"counter": 2**64 - 1}, {"wall_time_ns": -1}, {"name": "a" * 1000}]
)
def test_a_node_of_absurd_values_is_left_out(pair: tuple[Bus, Bus], absurd: dict[str, object]) -> None:
    ground, board = pair

    class Absurd(Board):
        def hello(self, challenge: Challenge) -> bytes:
            return sign(msgspec.structs.replace(self.said(challenge.nonce), **absurd), self.key)

    Absurd(board, "cam-1")
    good = Board(board, "cam-2")
    assert [each.key for each in find_nodes(ground, timeout_s=2.0)] == [good.key.public]


def test_a_node_is_found_by_name_or_by_the_beginning_of_its_key(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    one, other = Board(board, "cam-1"), Board(board, "cam-2")
    assert find_node(ground, "cam-2").key == other.key.public
    for name in (one.key.public.hex, one.key.public.short, one.key.public.hex[:8].upper()):
        assert find_node(ground, name).name == "cam-1"
    with pytest.raises(NodeNotFoundError, match=rf"no node 'cam-3' answers; .*cam-1 \({one.key.public.short}\), cam-2"):
        find_node(ground, "cam-3")
    with pytest.raises(NodeNotFoundError, match="no node ''"):
        find_node(ground, "")


def test_two_nodes_of_one_name_are_told_by_their_ids(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    boards = [Board(board, "cam-1"), Board(board, "cam-1")]
    with pytest.raises(NodeNotFoundError, match="2 nodes are called 'cam-1'") as told:
        find_node(ground, "cam-1")
    assert all(each.key.public.short in str(told.value) for each in boards)


def test_two_programs_with_one_key_are_told(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    key = PrivateKey.generate()
    Board(board, "cam-1", key, boot="1" * 16)
    Board(ground, "cam-1", key, boot="2" * 16)
    with pytest.raises(NodeNotFoundError, match="2 programs run with the key of cam-1"):
        find_node(ground, "cam-1")
