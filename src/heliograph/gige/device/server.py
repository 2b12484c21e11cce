"""Puts a camera on the network: the threads and sockets around `DeviceControl`."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import re
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Self

from heliograph.core import Camera, Features
from heliograph.gige import sockets
from heliograph.gige.device.acquisition import Acquisition
from heliograph.gige.device.bootstrap import bootstrap_cells
from heliograph.gige.device.control import DeviceControl, Job
from heliograph.gige.device.identity import NAME_BYTES, DeviceIdentity, check_name, identify
from heliograph.gige.device.layout import XML_ADDRESS, feature_cells, lay_out
from heliograph.gige.device.registers import Cell, RegisterMap, constant_cell
from heliograph.gige.device.state import (
    LARGEST_PACKET_BYTES,
    PACKET_STEP_BYTES,
    SMALLEST_PACKET_BYTES,
    ControlLost,
    ControlReleased,
    ControlTaken,
    DeviceEvent,
    DeviceState,
    ProbeRequested,
    ResendRequested,
    StreamClosed,
)
from heliograph.gige.device.transport import TransportFeatures
from heliograph.gige.device.transport_nodes import bootstrap_nodes
from heliograph.gige.device.xml import device_xml, zipped
from heliograph.gige.gvcp import AckPacket
from heliograph.gige.interface import Interface, interface_of
from heliograph.gige.text import pack_text, unpack_text

_log = logging.getLogger(__name__)

_DATAGRAM_BYTES = 2048
# A flood of commands must not keep the heartbeat timer from running.
_DATAGRAMS_A_TURN = 64
_CLOSE_S = 10.0
_NODE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class GigeDeviceServer:
    """Serves a camera as a GigE Vision device on one address of this machine.

    >>> with GigeDeviceServer(camera, "127.0.0.2", name="cam-1") as server:   # doctest: +SKIP
    ...     input(f"{server.name} is at {server.address}; Enter ends it ")

    The port of the protocol is fixed, so each camera on a machine needs an address of its own; loopback has millions.
    `name` is what clients find the camera by, at most 16 bytes, the camera's own name by default. The server does not
    close the camera. Raises `AddressError` when the address is not of this machine or its port is in use,
    `SettingError` for a name that is too long.
    """

    def __init__(self, camera: Camera, address: str = "127.0.0.1", name: str = "") -> None:
        self._camera = camera
        self._interface = interface_of(address)
        self._identity = identify(camera, self._interface)
        own_name = unpack_text(pack_text(camera.name, NAME_BYTES, terminated=False))
        self._state = _initial_state(check_name(name) or own_name, self._interface)
        self._resources = contextlib.ExitStack()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def address(self) -> str:
        """Internet address that clients reach the camera at."""
        return self._identity.address

    @property
    def name(self) -> str:
        """User-defined name, which a client may change."""
        return self._state.user_name

    @property
    def identity(self) -> DeviceIdentity:
        """What discovery tells of the camera."""
        return self._identity

    def start(self) -> None:
        """Open the sockets and begin to answer; does nothing when it runs already."""
        if self._threads:
            return
        with contextlib.ExitStack() as resources:
            self._open(resources)
            self._resources = resources.pop_all()
        self._threads = [
            threading.Thread(target=target, name=f"heliograph-{role}-{self.address}", daemon=True)
            for role, target in (("gvcp", self._serve), ("features", self._run_work))
        ]
        for thread in self._threads:
            thread.start()
        _log.info("serving %s (%s) at %s", self.name, self._identity.model, self.address)

    def close(self) -> None:
        """Stop the stream, answer nobody any more and give sockets back; does nothing when it is closed already."""
        if not self._threads:
            return
        self._closing.set()
        self._work.put(None)
        self._wake()
        threads, self._threads = self._threads, []
        for thread in threads:
            thread.join(_CLOSE_S)
            if thread.is_alive():
                _log.warning("%s did not end within %g s: the camera's driver hangs", thread.name, _CLOSE_S)
        self._acquisition.close()
        self._resources.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _open(self, resources: contextlib.ExitStack) -> None:
        # Nothing of an earlier run may reach this one: neither its controller nor its unfinished work.
        self._closing.clear()
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Job, AckPacket]] = queue.SimpleQueue()
        self._state = _initial_state(self._state.user_name, self._interface)
        self._control_socket = resources.enter_context(sockets.open_control(self.address))
        self._source = resources.enter_context(sockets.open_stream_source(self.address))
        self._state.source_port = self._source.getsockname()[1]
        self._selector = resources.enter_context(selectors.DefaultSelector())
        self._selector.register(self._control_socket, selectors.EVENT_READ)
        for address in _broadcast_addresses(self._interface):
            listener = sockets.open_broadcast_listener(address, self._interface.name)
            self._selector.register(resources.enter_context(listener), selectors.EVENT_READ)
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK)
        resources.callback(os.close, self._wake_fd)
        self._selector.register(self._wake_fd, selectors.EVENT_READ)
        self._acquisition = Acquisition(self._camera, self._source)
        self._acquisition.on_ended = self._stream_ended
        self._transport = TransportFeatures(self._camera.features, self._state, self._acquisition)
        registers = device_registers(self._camera, self._identity, self._state, self._transport)
        self._control = DeviceControl(self._state, registers)

    def _serve(self) -> None:
        while not self._closing.is_set():
            for key, _ in self._selector.select(self._timeout_s()):
                if key.fd == self._wake_fd:
                    os.eventfd_read(self._wake_fd)
                elif isinstance(key.fileobj, socket.socket):
                    self._receive(key.fileobj)
            self._take_results()
            # Only after what has arrived: a heartbeat that waits in the socket was not missed.
            self._control.handle_timer(_now_ns())
            self._act()

    def _timeout_s(self) -> float | None:
        deadline_ns = self._control.next_deadline()
        return None if deadline_ns is None else max(0.0, (deadline_ns - _now_ns()) / 1e9)

    def _receive(self, udp: socket.socket) -> None:
        for _ in range(_DATAGRAMS_A_TURN):
            try:
                data, client = udp.recvfrom(_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                _log.warning("cannot receive at %s: %s", self.address, error)
                return
            self._control.receive_datagram(data, client, _now_ns(), broadcast=udp is not self._control_socket)

    def _take_results(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                job, ack = self._done.get_nowait()
                self._control.finish(job, ack, _now_ns())

    def _act(self) -> None:
        for event in self._control.events():
            self._handle(event)
        while (job := self._control.next_job()) is not None:
            self._work.put(lambda job=job: self._run_job(job))  # type: ignore[misc]  # binds this turn's job
        for datagram, client in self._control.datagrams_to_send():
            try:
                self._control_socket.sendto(datagram, client)
            except OSError as error:
                _log.debug("cannot answer %s:%d: %s", *client, error)

    def _handle(self, event: DeviceEvent) -> None:
        match event:
            case ControlTaken(client):
                _log.info("%s: controlled by %s:%d", self.name, *client)
            case ControlReleased(client):
                _log.info("%s: released by %s:%d", self.name, *client)
            case ControlLost(client):
                _log.warning("%s: nothing heard from %s:%d, control taken back", self.name, *client)
            case StreamClosed():
                self._work.put(self._transport.stop)
            case ResendRequested(_, block_id, first, last):
                self._acquisition.ask_again(block_id, first, last)
            case ProbeRequested(destination, size_bytes):
                # Too large for the interface, or no room now: to the client both mean that it does not arrive.
                with contextlib.suppress(OSError):
                    self._source.sendto(bytes(size_bytes), socket.MSG_DONTWAIT, destination)

    def _run_work(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception:
                _log.exception("%s: the camera failed", self.name)

    def _run_job(self, job: Job) -> None:
        self._done.put((job, self._control.execute(job.command, job.client, _now_ns())))
        # A driver that hung for longer than `close` waits: its descriptor may be somebody else's file by now.
        if not self._closing.is_set():
            self._wake()

    def _stream_ended(self, error: Exception | None) -> None:
        if error is None:
            self._work.put(self._transport.follow_stream)
            return
        _log.warning("%s: the stream ended: %s", self.name, error)
        self._work.put(self._transport.stop)

    def _wake(self) -> None:
        os.eventfd_write(self._wake_fd, 1)


def device_registers(
    camera: Camera, identity: DeviceIdentity, state: DeviceState, transport: TransportFeatures
) -> RegisterMap:
    """Give all registers of a camera, its XML among them."""
    nodes = bootstrap_nodes(state.largest_packet_bytes)
    sources: list[tuple[Features, str]] = [(transport, name) for name in transport.names()]
    taken = {node.name for node in nodes} | set(transport.names())
    for name in camera.features.names():
        if name in taken:
            continue
        if not _NODE_NAME.fullmatch(name):
            _log.warning("feature %r cannot be served: GenICam names have letters, digits and _ only", name)
            continue
        sources.append((camera.features, name))
    registers = lay_out(features.describe(name) for features, name in sources)
    xml = zipped(device_xml(identity, nodes, registers))
    cells: list[Cell] = bootstrap_cells(identity, state, f"Local:heliograph.zip;{XML_ADDRESS:X};{len(xml):X}")
    for (features, _), register in zip(sources, registers, strict=True):
        cells += feature_cells(register, features)
    # Clients read whole words and round up.
    cells.append(constant_cell(XML_ADDRESS, xml + bytes(4 + -len(xml) % 4)))
    return RegisterMap(cells)


def _initial_state(name: str, interface: Interface) -> DeviceState:
    largest_bytes = max(SMALLEST_PACKET_BYTES, min(LARGEST_PACKET_BYTES, interface.mtu_bytes))
    return DeviceState(
        user_name=name,
        largest_packet_bytes=largest_bytes - largest_bytes % PACKET_STEP_BYTES,
        link_speed_mbit_per_s=interface.speed_mbit_per_s,
    )


def _broadcast_addresses(interface: Interface) -> list[str]:
    # A network of one or two addresses (/32, /31) has no broadcast address of its own.
    own = [str(interface.network.broadcast_address)] if interface.prefix_bits < 31 else []
    return ["255.255.255.255", *own]


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
