"""The bus that there is: a session of Zenoh, which this module alone knows."""

from __future__ import annotations

import atexit
import json
import logging
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import zenoh
from zenoh.handlers import FifoChannel, RingChannel

from heliograph.core import AddressError, LinkLostError, RemoteProtocolError, SettingError
from heliograph.link.bus import Answerer, Closable, Handler, PresenceHandler, Urgency
from heliograph.link.certificates import check_certificates
from heliograph.link.settings import LinkSettings

_log = logging.getLogger(__name__)

_LEASE_MS = 3500
"""Whoever is not heard for so long is gone."""
_KEEP_ALIVES = 4
"""Signs of life in that time."""
_BATCH_BYTES = 8192
"""What goes out at a time: on a slow link everything waits for the batch before, and a lease for a whole one."""
_QUEUED_BATCHES = 8
"""For each priority."""
_PATIENCE_US = 100_000
"""For room in the queue, before a live or backlog message is dropped."""
_LONGEST_PATIENCE_US = 4_000_000
"""For room for a command, before the peer that takes nothing is disconnected."""
_WAITING = 1024
"""Messages that wait for a handler; then the oldest is dropped."""
_LARGEST_BYTES = 8 << 20
"""Of a message: nobody has us hold more than that. A large one is a megabyte."""
_CLOSE_S = 2.0
_JOIN_S = 1.0
_RETRY = {"period_init_ms": 200, "period_max_ms": 1000, "period_increase_factor": 2}

_QOS = {
    Urgency.COMMAND: (zenoh.Priority.INTERACTIVE_HIGH, zenoh.CongestionControl.BLOCK),
    Urgency.LIVE: (zenoh.Priority.DATA_HIGH, zenoh.CongestionControl.DROP),
    Urgency.BACKLOG: (zenoh.Priority.BACKGROUND, zenoh.CongestionControl.DROP),
}


def open_bus(settings: LinkSettings, *, wait_s: float | None = None) -> ZenohBus:
    """Take part in the link; connections are made, and made anew after a loss, in the background.

    With `wait_s`, somebody must be connected within that time. Raises `AddressError` for an address that is taken or
    is not of this machine, `SettingError` for certificates that cannot be used, `LinkLostError` when nobody is there.
    """
    if settings.tls is not None:
        check_certificates(settings.tls)
    try:
        bus = ZenohBus(zenoh.open(_config(settings)))
    except zenoh.ZError as error:
        raise _opening_error(error, settings) from error
    if wait_s is not None and not bus.connected.wait(wait_s):
        bus.close()
        raise LinkLostError(_nobody(settings))
    return bus


class ZenohBus:
    """Implements `link.bus.Bus`.

    A handler runs in a thread of its own declaration. One that is slow has the oldest of the messages that wait for it
    dropped, and its questions unanswered, and holds nobody else up.
    """

    def __init__(self, session: zenoh.Session) -> None:
        self._session = session
        self._closing = threading.Lock()
        # What is declared stays declared though whoever declared it keeps no reference: Zenoh would take it back.
        self._declared: set[_Declared] = set()
        self._threads: weakref.WeakSet[_Thread] = weakref.WeakSet()
        self._peers: dict[str, str] = {}
        self.connected = threading.Event()
        """Set while there is somebody at the other end."""
        # A session that is open when the interpreter ends never lets it end.
        atexit.register(self.close)
        self._declare(
            "connections",
            lambda: session.info.declare_transport_events_listener(RingChannel(_WAITING), history=True),
            self._changed,
        )

    def publish(self, key: str, payload: bytes, urgency: Urgency = Urgency.LIVE) -> None:
        """Say something; see `Bus`.

        A live or backlog message waits 0.1 s for room on a full link and is dropped then, as what matters of these is
        spooled and comes again. A command waits 4 s; then the peer that takes nothing is disconnected.
        """
        priority, congestion = _QOS[urgency]
        try:
            self._session.put(
                key, payload, priority=priority, congestion_control=congestion, express=urgency is Urgency.COMMAND
            )
        except zenoh.ZError as error:
            raise LinkLostError(f"{key} cannot be said: the link is closed") from error

    def subscribe(self, key: str, handler: Handler) -> Closable:
        """Have what is said under a key expression; see `Bus`."""

        def take(sample: zenoh.Sample) -> None:
            handler(str(sample.key_expr), sample.payload.to_bytes())

        return self._declare(key, lambda: self._session.declare_subscriber(key, RingChannel(_WAITING)), take)

    def ask(self, key: str, payload: bytes = b"", *, timeout_s: float = 5.0) -> list[tuple[str, bytes]]:
        """Ask whoever answers; see `Bus`."""
        try:
            replies = self._session.get(
                key,
                FifoChannel(_WAITING),
                target=zenoh.QueryTarget.ALL,
                consolidation=zenoh.ConsolidationMode.NONE,
                timeout=timeout_s,
                payload=payload,
                congestion_control=zenoh.CongestionControl.BLOCK,
                priority=zenoh.Priority.INTERACTIVE_HIGH,
                express=True,
            )
        except zenoh.ZError as error:
            raise LinkLostError(f"{key} cannot be asked: the link is closed") from error
        answers = (reply.ok for reply in replies)
        return [(str(answer.key_expr), answer.payload.to_bytes()) for answer in answers if answer is not None]

    def answer(self, key: str, answerer: Answerer) -> Closable:
        """Answer questions about a key expression; see `Bus`."""

        def take(query: zenoh.Query) -> None:
            with query:
                about = str(query.key_expr) if "*" in key else key
                for answer in answerer(about, query.payload.to_bytes() if query.payload else b""):
                    query.reply(about, answer)

        return self._declare(key, lambda: self._session.declare_queryable(key, RingChannel(_WAITING)), take)

    def be_present(self, key: str) -> Closable:
        """Let it be known that this program is there; see `Bus`."""
        return self._declare(key, lambda: self._session.liveliness().declare_token(key))

    def watch_presence(self, key: str, handler: PresenceHandler) -> Closable:
        """Be told of tokens; see `Bus`."""
        present: set[str] = set()

        def take(sample: zenoh.Sample) -> None:
            token, there = str(sample.key_expr), sample.kind == zenoh.SampleKind.PUT
            if there != (token in present):
                (present.add if there else present.discard)(token)
                handler(token, there)

        liveliness = self._session.liveliness()
        return self._declare(key, lambda: liveliness.declare_subscriber(key, RingChannel(_WAITING), history=True), take)

    def close(self) -> None:
        """Leave; see `Bus`. Ctrl-C is heeded when that is done."""
        with self._closing:
            # Zenoh waits for a connection that is being made, which a dead network lets take seconds.
            closing = _Thread("bus closing", self._close_session)
            closing.start()
            interrupted = closing.await_end(_CLOSE_S)
        # A thread that still waits in Zenoh as the interpreter ends would abort the program.
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                interrupted |= thread.await_end(_JOIN_S)
        atexit.unregister(self.close)
        if interrupted:
            raise KeyboardInterrupt

    def _close_session(self) -> None:
        if self._session.is_closed():
            return
        try:
            self._session.close()  # type: ignore[no-untyped-call]  # zenoh leaves it unannotated
        except zenoh.ZError as error:
            _log.info("the link is left while something is under way: %s", error)

    def _declare(self, key: str, declare: Callable[[], Any], take: Callable[[Any], None] | None = None) -> _Declared:
        try:
            entity = declare()
        except zenoh.ZError as error:
            if "closed" in str(error):
                raise LinkLostError(f"{key} cannot be declared: the link is closed") from error
            raise SettingError(f"{key!r} is no key expression ({error})") from error
        declared = _Declared(key, entity, self._declared.discard)
        self._declared.add(declared)
        if take is not None:
            # It waits at the channel: a thread that waits at the entity holds it, and nobody could undeclare that.
            thread = _Thread(f"bus {key}", partial(declared.run, entity.handler, take))
            self._threads.add(thread)
            thread.start()
        return declared

    def _changed(self, event: zenoh.TransportEvent) -> None:
        peer = str(event.transport.zid)
        if event.kind == zenoh.SampleKind.PUT:
            self._peers[peer] = self._address_of(peer)
            self.connected.set()
            _log.info("connected to %s", self._peers[peer])
            return
        _log.info("connection to %s lost", self._peers.pop(peer, peer))
        if not self._peers:
            self.connected.clear()

    def _address_of(self, peer: str) -> str:
        try:
            links = [link.dst for link in self._session.info.links() if str(link.zid) == peer]
        except zenoh.ZError:  # closed meanwhile
            links = []
        return ", ".join(links) or peer


class _Thread(threading.Thread):
    """A thread whose end can be waited for through Ctrl-C, after which `join` of Python 3.11 takes it for ended."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        # Threads of Zenoh's own are no daemons, and keep a program that failed from ending.
        super().__init__(name=name, daemon=True)
        self._work = work
        self._ended = threading.Event()

    def run(self) -> None:
        try:
            self._work()
        finally:
            self._ended.set()

    def await_end(self, timeout_s: float) -> bool:
        """Wait for it; tells whether Ctrl-C was pressed meanwhile, which must not leave Zenoh half closed."""
        until_s = time.monotonic() + timeout_s
        interrupted = False
        while not self._ended.is_set() and (left_s := until_s - time.monotonic()) > 0:
            try:
                self._ended.wait(left_s)
            except KeyboardInterrupt:
                interrupted = True
        return interrupted


class _Declared:
    """Something declared with Zenoh, until closed."""

    def __init__(self, key: str, entity: Any, forget: Callable[[_Declared], None]) -> None:
        self._key = key
        self._entity = entity
        self._forget = forget
        self._closed = False

    def close(self) -> None:
        """Take it back."""
        self._closed = True
        self._forget(self)
        try:
            self._entity.undeclare()
        except zenoh.ZError as error:
            _log.debug("%s went with its session: %s", self._key, error)

    def run(self, channel: Any, take: Callable[[Any], None]) -> None:
        """Give what comes out of its channel to its handler, until closed."""
        while True:
            try:
                event = channel.recv()
            except zenoh.ZError:
                return
            if self._closed:
                return
            try:
                take(event)
            except RemoteProtocolError as error:
                # Anybody may send these, as many as he likes: no log is filled with them.
                _log.debug("what came for %s is left out: %s", self._key, error)
            except Exception:
                _log.exception("the handler of %s failed", self._key)


def _config(settings: LinkSettings) -> zenoh.Config:
    values: dict[str, Any] = {
        "mode": settings.mode,
        "listen/endpoints": settings.listen,
        "connect/endpoints": settings.connect,
        "connect/timeout_ms": 0 if settings.mode == "client" else -1,
        "connect/exit_on_failure": settings.mode == "client",
        "connect/retry": _RETRY,
        "scouting/multicast/enabled": settings.scouting,
        "scouting/gossip/enabled": settings.scouting,
        "scouting/delay": 0,
        "transport/link/tx/lease": _LEASE_MS,
        "transport/link/tx/keep_alive": _KEEP_ALIVES,
        "transport/link/tx/batch_size": _BATCH_BYTES,
        "transport/link/tx/queue/congestion_control/drop/wait_before_drop": _PATIENCE_US,
        "transport/link/tx/queue/congestion_control/drop/max_wait_before_drop_fragments": _PATIENCE_US,
        "transport/link/tx/queue/congestion_control/block/wait_before_close": _LONGEST_PATIENCE_US,
        "transport/link/tcp/so_sndbuf": settings.send_buffer_bytes,
        "transport/link/tls/so_sndbuf": settings.send_buffer_bytes,
        "transport/link/rx/max_message_size": _LARGEST_BYTES,
        "transport/shared_memory/enabled": False,
    }
    if settings.tls is not None:
        tls = settings.tls
        values |= {
            "transport/link/tls/root_ca_certificate": tls.ca,
            "transport/link/tls/enable_mtls": tls.mutual and bool(tls.certificate),
        }
        if tls.certificate:
            for role in ("listen", "connect"):
                values[f"transport/link/tls/{role}_certificate"] = tls.certificate
                values[f"transport/link/tls/{role}_private_key"] = tls.key
    for queue in ("interactive_high", "data_high", "background"):
        values[f"transport/link/tx/queue/size/{queue}"] = _QUEUED_BATCHES
    config = zenoh.Config()
    for name, value in values.items():
        config.insert_json5(name, json.dumps(value))
    return config


def _nobody(settings: LinkSettings) -> str:
    hint = ", and do the certificates fit" if settings.tls else ""
    return f"nobody answers at {' or '.join(settings.connect)}: is the node running there{hint}?"


def _opening_error(error: zenoh.ZError, settings: LinkSettings) -> Exception:
    text = str(error)
    if "Address already in use" in text or "Cannot assign requested address" in text:
        return AddressError(f"cannot listen at {' and '.join(settings.listen)}: taken, or no address of this machine")
    if "Unable to connect" in text:
        return LinkLostError(_nobody(settings))
    # Without the line of Zenoh's source that it ends with.
    return SettingError(f"the link cannot be opened ({text.partition(' at /')[0]})")
