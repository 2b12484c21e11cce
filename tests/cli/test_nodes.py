import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from heliograph.link.keys import PrivateKey
from heliograph.link.message import decode
from heliograph.link.presence import Challenge, Hello
from heliograph.link.settings import LinkSettings
from heliograph.link.signature import sign
from heliograph.link.topic import ALIVE, HELLO, topic
from heliograph.link.zenoh import open_bus
from heliograph.node.hello import HelloService
from heliograph.testing.addresses import loopback_address

Program = Callable[..., Any]


@pytest.fixture
def endpoint() -> Iterator[str]:
    with loopback_address() as address:
        yield f"tcp/{address}:7447"


@pytest.fixture
def key(endpoint: str) -> Iterator[PrivateKey]:
    """Give the key of a node that is there."""
    key = PrivateKey.generate()
    with closing(open_bus(LinkSettings(listen=(endpoint,)))) as bus:
        HelloService(bus, key, "cam-1", "ab" * 8, counter_of=lambda _: 0, files="127.0.0.1:9", spooled=lambda: 12)
        yield key


def test_a_table_of_the_nodes_that_answer(program: Program, endpoint: str, key: PrivateKey) -> None:
    head, _, row = program("nodes", "--connect", endpoint).out.splitlines()
    assert head.split() == ["name", "id", "up", "clock", "spooled", "version"]
    assert row.split()[:2] == ["cam-1", key.public.short]
    assert row.split()[-3:-1] == ["ok", "12"]


def test_json(program: Program, endpoint: str, key: PrivateKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOGRAPH_CONNECT", endpoint)
    [row] = json.loads(program("nodes", "--json").out)
    assert (row["name"], row["key"], row["spooled"], row["files"]) == ("cam-1", key.public.hex, 12, "127.0.0.1:9")
    assert abs(row["clock_off_s"]) < 1.0
    assert 0 <= row["up_s"] < 60


def test_a_clock_that_is_off_is_shown(program: Program, endpoint: str) -> None:
    key = PrivateKey.generate()

    def answer(_: str, question: bytes) -> list[bytes]:
        hello = Hello(
            nonce=decode(question, Challenge).nonce,
            name="late",
            key=key.public.hex,
            boot="0" * 16,
            boot_time_ns=0,
            wall_time_ns=time.time_ns() - 7_200_000_000_000,
        )
        return [sign(hello, key)]

    with closing(open_bus(LinkSettings(listen=(endpoint,)))) as bus:
        bus.answer(topic(key.public.short, HELLO), answer)
        bus.be_present(topic(key.public.short, ALIVE))
        assert "-7200 s" in program("nodes", "--connect", endpoint).out


def test_no_node_on_the_link_is_no_error(program: Program, endpoint: str) -> None:
    with closing(open_bus(LinkSettings(listen=(endpoint,)))):
        outcome = program("nodes", "--connect", endpoint, "--timeout", "0.3")
        assert (outcome.code, outcome.out) == (0, "")
        assert "no node answered" in outcome.err
        assert json.loads(program("nodes", "--connect", endpoint, "--timeout", "0.3", "--json").out) == []


def test_nobody_at_the_address_is_one_line(program: Program, endpoint: str) -> None:
    outcome = program("nodes", "--connect", endpoint, "--timeout", "0.2")
    assert outcome.code == 6
    assert outcome.err.startswith(f"heliograph: nobody answers at {endpoint}")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--connect", "127.0.0.1"), "tcp/HOST:PORT"),
        (("--connect", "tls/127.0.0.1:7447"), "TLS"),
        (("--tls-certificate", "own.pem"), "--tls-ca"),
        (("--tls-ca", "/missing.pem"), "/missing.pem cannot be read"),
    ],
)
def test_wrong_words_are_one_line(program: Program, words: tuple[str, ...], told: str) -> None:
    outcome = program("nodes", *words)
    assert (outcome.code, outcome.out) == (5, "")
    assert told in outcome.err
    assert len(outcome.err.splitlines()) == 1
