import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from heliograph.core import AddressError, LinkLostError, RemoteProtocolError, SettingError
from heliograph.link.bus import Bus, Urgency
from heliograph.link.settings import LinkSettings
from heliograph.link.zenoh import ZenohBus, open_bus
from heliograph.testing.addresses import loopback_address
from heliograph.testing.bus import connected_buses, settle
from heliograph.testing.tcp_relay import TcpRelay

WAIT_S = 10.0


@pytest.fixture
def pair() -> Iterator[tuple[Bus, Bus]]:
    with connected_buses(2) as (ground, board):
        yield ground, board


def a_board(address: str) -> ZenohBus:
    return open_bus(LinkSettings(listen=(f"tcp/{address}:7447",)))


def a_ground(host: str, port: int = 7447) -> ZenohBus:
    return open_bus(LinkSettings(mode="router", listen=(), connect=(f"tcp/{host}:{port}",)))


@contextmanager
def relayed() -> Iterator[tuple[ZenohBus, ZenohBus, TcpRelay]]:
    with (
        loopback_address() as address,
        closing(a_board(address)) as board,
        TcpRelay((address, 7447)) as relay,
        closing(a_ground(*relay.address)) as ground,
    ):
        yield ground, board, relay


def presence(bus: Bus, key: str) -> "queue.Queue[tuple[str, bool]]":
    seen: queue.Queue[tuple[str, bool]] = queue.Queue()
    bus.watch_presence(key, lambda token, there: seen.put((token, there)))
    return seen


@pytest.mark.parametrize("urgency", Urgency)
def test_what_is_said_is_heard_in_order(pair: tuple[Bus, Bus], urgency: Urgency) -> None:
    ground, board = pair
    heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
    ground.subscribe("heliograph/*/blocks/**", lambda key, payload: heard.put((key, payload)))
    settle(pair)
    board.publish("heliograph/n/latest", b"another topic", urgency)
    for index in range(100):
        board.publish("heliograph/n/blocks/health", b"%d" % index, urgency)
    expected = [("heliograph/n/blocks/health", b"%d" % index) for index in range(100)]
    assert [heard.get(timeout=WAIT_S) for _ in expected] == expected


def test_all_who_answer_are_heard_with_their_keys() -> None:
    with connected_buses(3) as buses:
        for index, bus in enumerate(buses):
            bus.answer(f"heliograph/n{index}/hello", lambda key, question: [key.encode(), question])
        settle(buses)
        for bus in buses:
            answers = sorted(bus.ask("heliograph/*/hello", b"who?"))
            assert answers == sorted(
                (f"heliograph/n{index}/hello", answer)
                for index in range(3)
                for answer in (f"heliograph/n{index}/hello".encode(), b"who?")
            )


def test_nobody_answers(pair: tuple[Bus, Bus]) -> None:
    assert pair[0].ask("heliograph/n/hello", timeout_s=WAIT_S) == []


def test_an_answer_that_does_not_come_is_waited_for_no_longer_than_told(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    end = threading.Event()
    board.answer("heliograph/n/hello", lambda key, question: [b"late"] if end.wait(WAIT_S) else [])
    settle(pair)
    before_s = time.monotonic()
    assert ground.ask("heliograph/n/hello", timeout_s=0.3) == []
    assert 0.2 < time.monotonic() - before_s < 3.0
    end.set()


def test_a_handler_that_fails_is_told_of_and_called_again(
    pair: tuple[Bus, Bus], caplog: pytest.LogCaptureFixture
) -> None:
    ground, board = pair
    heard: queue.Queue[bytes] = queue.Queue()

    def handle(_: str, payload: bytes) -> None:
        heard.put(payload)
        raise ValueError(payload)

    def answer(_: str, question: bytes) -> list[bytes]:
        raise ValueError(question)

    ground.subscribe("heliograph/n/stage", handle)
    board.answer("heliograph/n/hello", answer)
    settle(pair)
    for word in (b"one", b"two"):
        board.publish("heliograph/n/stage", word, Urgency.COMMAND)
    assert [heard.get(timeout=WAIT_S), heard.get(timeout=WAIT_S)] == [b"one", b"two"]
    assert ground.ask("heliograph/n/hello", b"three", timeout_s=WAIT_S) == []
    deadline_s = time.monotonic() + WAIT_S
    while "the handler of heliograph/n/hello failed" not in caplog.text:
        assert time.monotonic() < deadline_s, caplog.text


def test_what_breaks_the_protocol_fills_no_log(pair: tuple[Bus, Bus], caplog: pytest.LogCaptureFixture) -> None:
    ground, board = pair

    def answer(key: str, question: bytes) -> list[bytes]:
        if question == b"garbage":
            raise RemoteProtocolError("that is no question")
        return [question]

    board.answer("test/question", answer)
    settle(pair)
    assert ground.ask("test/question", b"garbage") == []
    assert ground.ask("test/question", b"good") == [("test/question", b"good")]
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


def test_a_message_larger_than_any_of_ours_is_not_taken(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    board.answer("test/question", lambda _, question: [len(question).to_bytes(4, "big")])
    settle(pair)
    [(_, size)] = ground.ask("test/question", bytes(2_000_000))
    assert int.from_bytes(size, "big") == 2_000_000
    assert ground.ask("test/question", bytes(10_000_000), timeout_s=2) == []
    assert ground.ask("test/question", b"small")


def test_after_it_is_closed_a_subscription_is_silent(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    closed: queue.Queue[bytes] = queue.Queue()
    heard: queue.Queue[bytes] = queue.Queue()
    ground.subscribe("heliograph/n/stage", lambda _, payload: closed.put(payload)).close()
    ground.subscribe("heliograph/n/stage", lambda _, payload: heard.put(payload))
    settle(pair)
    board.publish("heliograph/n/stage", b"one", Urgency.COMMAND)
    assert heard.get(timeout=WAIT_S) == b"one"
    assert closed.empty()


def test_tokens_there_before_and_after_are_told_of_once(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    early = board.be_present("heliograph/a/alive")
    settle(pair)
    seen = presence(ground, "heliograph/*/alive")
    assert seen.get(timeout=WAIT_S) == ("heliograph/a/alive", True)
    late = board.be_present("heliograph/b/alive")
    assert seen.get(timeout=WAIT_S) == ("heliograph/b/alive", True)
    early.close()
    assert seen.get(timeout=WAIT_S) == ("heliograph/a/alive", False)
    board.close()
    assert seen.get(timeout=WAIT_S) == ("heliograph/b/alive", False)
    late.close()
    assert seen.empty()


def test_one_of_two_equal_tokens_may_go(pair: tuple[Bus, Bus]) -> None:
    # As when a node starts again while the token of its former run is still there.
    ground, board = pair
    first = board.be_present("heliograph/a/alive")
    second = board.be_present("heliograph/a/alive")
    seen = presence(ground, "heliograph/*/alive")
    assert seen.get(timeout=WAIT_S) == ("heliograph/a/alive", True)
    first.close()
    settle(pair)
    assert seen.empty()
    second.close()
    assert seen.get(timeout=WAIT_S) == ("heliograph/a/alive", False)


def test_a_slow_handler_holds_nobody_up_and_little_is_kept_for_it(pair: tuple[Bus, Bus]) -> None:
    ground, board = pair
    blocked, end = threading.Event(), threading.Event()
    slow: list[bytes] = []
    heard: queue.Queue[bytes] = queue.Queue()

    def handle(_: str, payload: bytes) -> None:
        slow.append(payload)
        blocked.set()
        end.wait(WAIT_S)

    ground.subscribe("heliograph/n/blocks/*", handle)
    ground.subscribe("heliograph/n/blocks/*", lambda _, payload: heard.put(payload))
    settle(pair)
    for index in range(5000):
        board.publish("heliograph/n/blocks/x", b"%d" % index, Urgency.COMMAND)
    received = [heard.get(timeout=WAIT_S)]
    while received[-1] != b"4999":
        received.append(heard.get(timeout=WAIT_S))
    assert blocked.wait(WAIT_S)
    assert len(slow) == 1
    end.set()
    deadline_s = time.monotonic() + WAIT_S
    while slow[-1] != b"4999" and time.monotonic() < deadline_s:
        end.wait(0.01)
    assert slow[-1] == b"4999"
    assert len(slow) < 2000


def test_all_works_again_after_the_link_was_cut() -> None:
    with relayed() as (ground, board, relay):
        heard: queue.Queue[bytes] = queue.Queue()
        ground.subscribe("heliograph/n/stage", lambda _, payload: heard.put(payload))
        board.answer("heliograph/n/hello", lambda _, question: [question])
        board.be_present("heliograph/n/alive")
        seen = presence(ground, "heliograph/*/alive")
        for _ in range(2):
            assert seen.get(timeout=WAIT_S) == ("heliograph/n/alive", True)
            settle([ground, board])
            assert ground.ask("heliograph/n/hello", b"1") == [("heliograph/n/hello", b"1")]
            board.publish("heliograph/n/stage", b"2", Urgency.COMMAND)
            assert heard.get(timeout=WAIT_S) == b"2"
            relay.cut()
            assert seen.get(timeout=WAIT_S) == ("heliograph/n/alive", False)


def test_a_dead_network_is_noticed_within_five_seconds_and_blocks_no_publisher() -> None:
    with relayed() as (ground, board, relay):
        ground.subscribe("heliograph/n/blocks/*", lambda *_: None)
        board.be_present("heliograph/n/alive")
        ground.be_present("heliograph/n/collector/c")
        settle([ground, board])
        at_ground, on_board = presence(ground, "heliograph/*/alive"), presence(board, "heliograph/*/collector/*")
        assert at_ground.get(timeout=WAIT_S)[1]
        assert on_board.get(timeout=WAIT_S)[1]
        relay.stall()
        stalled_s = time.monotonic()
        longest_s = 0.0
        while on_board.empty() or at_ground.empty():
            before_s = time.monotonic()
            board.publish("heliograph/n/blocks/x", bytes(20_000), Urgency.BACKLOG)
            longest_s = max(longest_s, time.monotonic() - before_s)
            assert time.monotonic() - stalled_s < 8.0
        assert time.monotonic() - stalled_s < 5.5
        assert longest_s < 1.0
        for bus in (ground, board):
            before_s = time.monotonic()
            bus.close()
            assert time.monotonic() - before_s < 3.5


def test_who_comes_first_waits_for_the_other() -> None:
    with loopback_address() as address, closing(a_ground(address)) as ground:
        seen = presence(ground, "heliograph/*/alive")
        assert not ground.connected.is_set()
        with closing(a_board(address)) as board:
            board.be_present("heliograph/n/alive")
            assert seen.get(timeout=WAIT_S) == ("heliograph/n/alive", True)
            assert ground.connected.is_set()


def test_nobody_there_is_told_with_the_address() -> None:
    with loopback_address() as address:
        for mode in ("client", "router"):
            settings = LinkSettings(mode=mode, listen=(), connect=(f"tcp/{address}:7447",))
            with pytest.raises(LinkLostError, match=f"nobody answers at tcp/{address}:7447"):
                open_bus(settings, wait_s=0.2)


def test_an_address_that_is_taken_or_of_another_is_told() -> None:
    with loopback_address() as address, closing(a_board(address)), pytest.raises(AddressError, match=address):
        a_board(address)
    with pytest.raises(AddressError, match=r"192\.0\.2\.1"):
        open_bus(LinkSettings(listen=("tcp/192.0.2.1:7447",), plain=True))


def test_a_closed_bus_says_so_and_closes_again() -> None:
    bus = open_bus(LinkSettings(listen=()))
    bus.close()
    bus.close()
    for use in (
        lambda: bus.publish("heliograph/n/stage", b""),
        lambda: bus.ask("heliograph/n/hello"),
        lambda: bus.subscribe("heliograph/n/stage", lambda *_: None),
        lambda: bus.be_present("heliograph/n/alive"),
    ):
        with pytest.raises(LinkLostError, match="closed"):
            use()


def test_ctrl_c_while_it_is_closed_is_heeded_when_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = open_bus(LinkSettings(listen=()))
    close = bus._close_session
    never = threading.Event()

    def close_slowly() -> None:
        never.wait(0.2)  # by now it is waited for
        os.kill(os.getpid(), signal.SIGINT)
        never.wait(0.3)
        close()

    monkeypatch.setattr(bus, "_close_session", close_slowly)
    with pytest.raises(KeyboardInterrupt):
        bus.close()
    assert bus._session.is_closed()


def test_what_is_no_key_expression_is_refused() -> None:
    with closing(open_bus(LinkSettings(listen=()))) as bus, pytest.raises(SettingError, match="no key expression"):
        bus.subscribe("heliograph//x", lambda *_: None)


def test_a_router_passes_on_what_others_say() -> None:
    with loopback_address() as address:
        endpoint = f"tcp/{address}:7447"
        router = open_bus(LinkSettings(mode="router", listen=(endpoint,)))
        board = open_bus(LinkSettings(mode="peer", listen=(), connect=(endpoint,)))
        ground = open_bus(LinkSettings(mode="client", listen=(), connect=(endpoint,)))
        with closing(router), closing(board), closing(ground):
            board.answer("heliograph/n/hello", lambda _, question: [question])
            board.be_present("heliograph/n/alive")
            assert presence(ground, "heliograph/*/alive").get(timeout=WAIT_S)[1]
            assert ground.ask("heliograph/n/hello", b"1") == [("heliograph/n/hello", b"1")]


def test_a_program_that_forgets_to_close_ends() -> None:
    with loopback_address() as address:
        program = (
            "from heliograph.link.settings import LinkSettings\n"
            "from heliograph.link.zenoh import open_bus\n"
            f"bus = open_bus(LinkSettings(listen=('tcp/{address}:7447',)))\n"
            "bus.subscribe('heliograph/**', print)\n"
            "bus.publish('heliograph/n/stage', b'1')\n"
            "raise SystemExit(7)\n"
        )
        ended = subprocess.run([sys.executable, "-c", program], timeout=30, check=False, capture_output=True)
        assert ended.returncode == 7


def test_a_peer_that_is_killed_is_gone_at_once() -> None:
    with loopback_address() as address, closing(a_board(address)) as board:
        seen = presence(board, "heliograph/*/alive")
        program = (
            "import time\n"
            "from heliograph.link.settings import LinkSettings\n"
            "from heliograph.link.zenoh import open_bus\n"
            f"bus = open_bus(LinkSettings(listen=(), connect=('tcp/{address}:7447',)))\n"
            "token = bus.be_present('heliograph/n/alive')\n"
            "time.sleep(60)\n"
        )
        with subprocess.Popen([sys.executable, "-c", program]) as peer:
            assert seen.get(timeout=WAIT_S) == ("heliograph/n/alive", True)
            peer.kill()
            assert seen.get(timeout=3.0) == ("heliograph/n/alive", False)


def test_connections_are_logged(pair: tuple[Bus, Bus], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with connected_buses(2):
        assert caplog.text.count("connected to tcp/127.") == 2


def test_peers_of_one_lan_talk_without_a_router() -> None:
    with loopback_address() as one, loopback_address() as other:
        board = open_bus(LinkSettings(listen=(f"tcp/{one}:7447",)))
        ground = open_bus(LinkSettings(listen=(f"tcp/{other}:7447",), connect=(f"tcp/{one}:7447",)))
        with closing(board), closing(ground):
            board.answer("heliograph/n/hello", lambda _, question: [b"board", question])
            ground.answer("heliograph/g/hello", lambda _, question: [b"ground", question])
            settle([board, ground])
            assert [answer for _, answer in ground.ask("heliograph/n/hello", b"1")] == [b"board", b"1"]
            assert [answer for _, answer in board.ask("heliograph/g/hello", b"2")] == [b"ground", b"2"]
