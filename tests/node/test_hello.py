import queue
from collections.abc import Iterator

import pytest

import heliograph
from heliograph.link.bus import Bus
from heliograph.link.discovery import find_node, find_nodes
from heliograph.link.keys import PrivateKey
from heliograph.link.message import encode
from heliograph.link.presence import Challenge
from heliograph.link.topic import ALIVE, HELLO, topic
from heliograph.node.hello import HelloService
from heliograph.testing.bus import connected_buses

BOOT = "0123456789abcdef"


@pytest.fixture
def pair() -> Iterator[tuple[Bus, Bus]]:
    with connected_buses(2) as (ground, board):
        yield ground, board


def test_a_node_says_who_it_is(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    key, asker = PrivateKey.generate(), PrivateKey.generate()
    HelloService(
        board,
        key,
        "cam-1",
        BOOT,
        counter_of=lambda public: 42 if public == asker.public.hex else 1,
        files="127.0.0.1:7448",
        spooled=lambda: 12,
        archive=lambda: asker.public,
    )
    node = find_node(ground, "cam-1", key=asker)
    assert (node.key, node.boot, node.hello.counter) == (key.public, BOOT, 42)
    assert (node.hello.files, node.hello.spooled, node.hello.version) == ("127.0.0.1:7448", 12, heliograph.__version__)
    assert node.hello.archive == asker.public.short
    assert 0 <= node.hello.boot_time_ns - node.hello.started_boot_time_ns < 60_000_000_000
    assert find_node(ground, "cam-1").hello.counter == 0


def test_a_node_without_an_archive_says_so(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    HelloService(board, PrivateKey.generate(), "cam-1", BOOT, counter_of=lambda _: 0, files="", spooled=lambda: 0)
    assert find_node(ground, "cam-1").hello.archive == ""


@pytest.mark.parametrize(
    "question", [b"", b"garbage", encode(Challenge(nonce=b"short")), encode(Challenge(nonce=bytes(65)))]
)
def test_a_bad_question_has_no_answer_and_the_next_one_has(pair: tuple[Bus, Bus], question: bytes) -> None:
    ground, board = pair
    key = PrivateKey.generate()
    HelloService(board, key, "cam-1", BOOT, counter_of=lambda _: 0, files="", spooled=lambda: 0)
    find_node(ground, "cam-1")
    assert ground.ask(topic(key.public.short, HELLO), question) == []
    assert find_node(ground, "cam-1").key == key.public


def test_a_closed_node_is_gone(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    key = PrivateKey.generate()
    service = HelloService(board, key, "cam-1", BOOT, counter_of=lambda _: 0, files="", spooled=lambda: 0)
    seen: queue.Queue[bool] = queue.Queue()
    ground.watch_presence(topic(key.public.short, ALIVE), lambda _, there: seen.put(there))
    assert seen.get(timeout=10)
    service.close()
    assert not seen.get(timeout=10)
    assert find_nodes(ground, timeout_s=0.2) == []
