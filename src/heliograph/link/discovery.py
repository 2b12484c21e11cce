"""Which nodes are there, as each proves with its own key."""

from __future__ import annotations

import logging
import queue
import secrets
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from heliograph.core import CommandRefusedError, NodeNotFoundError, RemoteProtocolError
from heliograph.link.bus import Bus
from heliograph.link.keys import PrivateKey, PublicKey
from heliograph.link.message import encode
from heliograph.link.presence import Challenge, Hello
from heliograph.link.signature import unseal
from heliograph.link.topic import ALIVE, ANY, HELLO, node_of, topic

_log = logging.getLogger(__name__)

TIMEOUT_S = 3.0
_QUIET_S = 0.1
"""When all that are there have answered, others have so long to appear: tokens come one after the other."""
_AT_ONCE = 16
_SHORTEST_PREFIX = 4


@dataclass(frozen=True, slots=True)
class Node:
    """A node that has proved who it is, and how its clocks stood to ours then."""

    hello: Hello
    key: PublicKey
    boot_ahead_ns: int
    """Its CLOCK_BOOTTIME less ours, from the middle of the exchange."""
    wall_ahead_ns: int
    """Its wall clock less ours."""

    @property
    def id(self) -> str:
        """The first 16 hexadecimal digits of its key."""
        return self.key.short

    @property
    def name(self) -> str:
        """A label for people."""
        return self.hello.name

    @property
    def boot(self) -> str:
        """Which run of the node this is."""
        return self.hello.boot

    def now_boot_ns(self) -> int:
        """What its CLOCK_BOOTTIME says now, within half the time that the exchange took."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) + self.boot_ahead_ns


def find_nodes(bus: Bus, *, timeout_s: float = TIMEOUT_S, key: PrivateKey | None = None) -> list[Node]:
    """Give the nodes that answer, by name; as soon as all that are present have answered, or after the timeout.

    With a key, each tells the highest counter that it has seen from it (`Hello.counter`).

    >>> find_nodes(bus)[0].name  # doctest: +SKIP
    'cam-1'
    """
    deadline_s = time.monotonic() + timeout_s
    happened: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    asked: dict[str, Future[list[Node]]] = {}
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hello")
    watch = bus.watch_presence(topic(ANY, ALIVE), lambda token, there: happened.put(node_of(token) if there else None))
    try:
        until_s = deadline_s
        while (rest_s := until_s - time.monotonic()) > 0:
            try:
                node = happened.get(timeout=rest_s)
            except queue.Empty:
                break
            if node is not None and node not in asked:
                asked[node] = pool.submit(_ask, bus, node, deadline_s, key)
                asked[node].add_done_callback(lambda _: happened.put(None))
            answered = asked and all(each.done() for each in asked.values())
            until_s = min(deadline_s, time.monotonic() + _QUIET_S) if answered else deadline_s
    finally:
        watch.close()
        pool.shutdown(wait=False, cancel_futures=True)
    found = [node for each in asked.values() if each.done() and not each.cancelled() for node in each.result()]
    return sorted(found, key=lambda node: (node.name, node.id, node.boot))


def find_node(bus: Bus, name: str, *, timeout_s: float = TIMEOUT_S, key: PrivateKey | None = None) -> Node:
    """Give the node of this name, or whose key begins with these hexadecimal digits (4 at least).

    Raises `NodeNotFoundError` when there is none, or more than one.
    """
    there = find_nodes(bus, timeout_s=timeout_s, key=key)
    found = [node for node in there if node.name == name] or [node for node in there if _begins(node.key, name)]
    if len(found) == 1:
        return found[0]
    if not there:
        raise NodeNotFoundError("no node answers: does one run and listen, or is it connected to the same router?")
    if not found:
        raise NodeNotFoundError(f"no node {name!r} answers; these do: {_listed(there)}")
    if len({node.key for node in found}) == 1:
        raise NodeNotFoundError(f"{len(found)} programs run with the key of {_listed(found[:1])}: stop all but one")
    raise NodeNotFoundError(f"{len(found)} nodes are called {name!r}: say which by its id: {_listed(found)}")


def _begins(key: PublicKey, digits: str) -> bool:
    return len(digits) >= _SHORTEST_PREFIX and key.hex.startswith(digits.lower())


def _listed(nodes: list[Node]) -> str:
    return ", ".join(f"{node.name} ({node.id})" for node in nodes)


def _ask(bus: Bus, node: str, deadline_s: float, key: PrivateKey | None) -> list[Node]:
    """Give who answers for one token: one node, unless several programs run with its key."""
    nonce = secrets.token_bytes(16)
    challenge = Challenge(nonce=nonce, key=key.public.hex if key else "")
    while True:
        before_ns, wall_before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns()
        # A little less than there is: one who listens and says nothing must not make the others' answers late.
        timeout_s = max(0.0, deadline_s - time.monotonic() - _QUIET_S)
        answers = bus.ask(topic(node, HELLO), encode(challenge), timeout_s=timeout_s)
        half_ns = (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - before_ns) // 2
        # On a new connection a token may come before it is known who answers.
        if answers or time.monotonic() + _QUIET_S > deadline_s:
            break
        time.sleep(_QUIET_S / 2)
    found: dict[str, Node] = {}
    for _, answer in answers:
        try:
            signer, hello = unseal(answer, Hello)
        except (CommandRefusedError, RemoteProtocolError) as error:
            _log.warning("what answered for node %s is left out: %s", node, error)
            continue
        if signer.short != node or hello.key != signer.hex or hello.nonce != nonce:
            _log.warning("what answered for node %s is left out: the answer is another's, or an old one", node)
            continue
        found[hello.boot] = Node(
            hello, signer, hello.boot_time_ns - before_ns - half_ns, hello.wall_time_ns - wall_before_ns - half_ns
        )
    return list(found.values())
