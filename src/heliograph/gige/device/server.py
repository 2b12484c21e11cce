"""Puts a camera on the network: the threads and sockets around `DeviceControl`."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Self

from heliograph.core import Camera, FeatureValue, OutputError
from heliograph.gige import sockets
from heliograph.gige.device.acquisition import Acquisition
from heliograph.gige.device.actions import Actions
from heliograph.gige.device.allow import AllowedNetworks
from heliograph.gige.device.control import DeviceControl, Job
from heliograph.gige.device.events import MessageChannel
from heliograph.gige.device.identity import NAME_BYTES, DeviceIdentity, check_name, identify
from heliograph.gige.device.memory import CameraMemory
from heliograph.gige.device.space import camera_space
from heliograph.gige.device.state import (
    LARGEST_PACKET_BYTES,
    PACKET_STEP_BYTES,
    SMALLEST_PACKET_BYTES,
    ActionLate,
    Address,
    AddressRefused,
    ControlLost,
    ControlReleased,
    ControlTaken,
    DeviceEvent,
    DeviceState,
    NameChanged,
    ProbeRequested,
    ResendRequested,
    StreamClosed,
)
from heliograph.gige.device.transport import TransportFeatures
from heliograph.gige.gvcp import AckPacket
from heliograph.gige.interface import Interface, interface_of
from heliograph.gige.text import pack_text, unpack_text

_log = logging.getLogger(__name__)

_DATAGRAM_BYTES = 2048
# A flood of commands must not keep the heartbeat timer from running.
_DATAGRAMS_A_TURN = 64
_CLOSE_S = 10.0
_LONGEST_S = 3600.0


class GigeDeviceServer:
    """Serves a camera as a GigE Vision device on one address of this machine.

    >>> with GigeDeviceServer(camera, "127.0.0.2", name="cam-1") as server:   # doctest: +SKIP
    ...     input(f"{server.name} is at {server.address}; Enter ends it ")

    The port of the protocol is fixed, so each camera on a machine needs an address of its own; loopback has millions.
    `name` is what clients find the camera by, at most 16 bytes, the camera's own name by default. The server does not
    close the camera. `state_dir` keeps the name and the user sets that clients give it; `presets` are further sets of
    settings, by name. `allow` names the networks whose clients are answered, such as 192.168.1.0/24; by default all
    private ones. `taken_serials` are the serial numbers of the cameras that this process serves already.
    Raises `AddressError` when the address is not of this machine, its port is in use, or it is public and `allow` is
    empty; `SettingError` for a name that is too long and for what is no network.
    """

    def __init__(
        self,
        camera: Camera,
        address: str = "127.0.0.1",
        name: str = "",
        *,
        state_dir: Path | None = None,
        presets: Mapping[str, Mapping[str, FeatureValue]] = MappingProxyType({}),
        allow: Sequence[str] = (),
        taken_serials: Collection[str] = (),
    ) -> None:
        self._camera = camera
        self._presets = presets
        self._interface = interface_of(address)
        self._allowed = AllowedNetworks.parse(allow)
        self._allowed.check_own(self._interface.address)
        self._identity = identify(camera, self._interface, taken_serials)
        check_name(name)
        self._memory = CameraMemory(state_dir, self._identity.serial)
        own_name = unpack_text(pack_text(camera.name, NAME_BYTES, terminated=False))
        self._state = self._initial_state(name or self._memory.remembered.user_name or own_name)
        self._refused_address = ""
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
            for role, target in (("gvcp", self._serve), ("features", partial(self._run_work, self._work)))
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
        with self._resources:
            self._close_stream()

    def _close_stream(self) -> None:
        try:
            self._acquisition.close()
        except Exception as error:  # whatever a driver raises, the other cameras of this process are closed as well
            _log.warning("%s: %s", self.name, error)

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
        self._state = self._initial_state(self._state.user_name)
        self._control_socket = resources.enter_context(sockets.open_control(self.address))
        self._source = resources.enter_context(sockets.open_stream_source(self.address))
        self._state.source_port = self._source.getsockname()[1]
        self._selector = resources.enter_context(selectors.DefaultSelector())
        self._selector.register(self._control_socket, selectors.EVENT_READ)
        self._message_socket = resources.enter_context(sockets.open_client(self.address))
        self._message_socket.setblocking(False)
        self._state.messages.source_port = self._message_socket.getsockname()[1]
        self._selector.register(self._message_socket, selectors.EVENT_READ)
        for address in _broadcast_addresses(self._interface):
            listener = sockets.open_broadcast_listener(address, self._interface.name)
            self._selector.register(resources.enter_context(listener), selectors.EVENT_READ)
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK)
        resources.callback(os.close, self._wake_fd)
        self._selector.register(self._wake_fd, selectors.EVENT_READ)
        self._acquisition = Acquisition(self._camera, self._source)
        self._acquisition.on_ended = self._stream_ended
        self._transport = TransportFeatures(self._camera.features, self._state, self._acquisition)
        space = camera_space(
            self._camera.features, self._transport, self._identity, self._state, self._memory, self._presets
        )
        self._features = space.features
        space.user_sets.power_up()
        self._messages = MessageChannel(self._state.messages)
        self._acquisition.on_frame_event = self._tell
        actions = Actions(self._state.actions, self._acquisition.trigger)
        self._control = DeviceControl(self._state, space.registers, actions)

    def _initial_state(self, name: str) -> DeviceState:
        interface = self._interface
        largest_bytes = max(SMALLEST_PACKET_BYTES, min(LARGEST_PACKET_BYTES, interface.mtu_bytes))
        return DeviceState(
            user_name=name,
            largest_packet_bytes=largest_bytes - largest_bytes % PACKET_STEP_BYTES,
            link_speed_mbit_per_s=interface.speed_mbit_per_s,
            allowed=self._allowed,
        )

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
            self._messages.handle_timer(_now_ns())
            self._act()

    def _timeout_s(self) -> float | None:
        deadlines_ns = [each.next_deadline() for each in (self._control, self._messages)]
        deadline_ns = min((each for each in deadlines_ns if each is not None), default=None)
        # A scheduled action may be centuries away; epoll takes 24 days.
        return None if deadline_ns is None else min(max(0.0, (deadline_ns - _now_ns()) / 1e9), _LONGEST_S)

    def _receive(self, udp: socket.socket) -> None:
        for _ in range(_DATAGRAMS_A_TURN):
            try:
                data, client = udp.recvfrom(_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                _log.warning("cannot receive at %s: %s", self.address, error)
                return
            if udp is self._message_socket:
                self._messages.receive_datagram(data, client)
            else:
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
            self._work.put(partial(self._run_job, self._control, self._done, job))
        self._send(self._control_socket, self._control.datagrams_to_send())
        self._send(self._message_socket, self._messages.datagrams_to_send(_now_ns()))

    def _send(self, udp: socket.socket, datagrams: Iterable[tuple[bytes, Address]]) -> None:
        for datagram, client in datagrams:
            try:
                udp.sendto(datagram, client)
            except OSError as error:
                _log.debug("cannot send to %s:%d: %s", *client, error)

    def _handle(self, event: DeviceEvent) -> None:
        match event:
            case ControlTaken(client):
                _log.info("%s: controlled by %s:%d", self.name, *client)
            case ControlReleased(client):
                _log.info("%s: released by %s:%d", self.name, *client)
                self._report_events()
            case ControlLost(client):
                _log.warning("%s: nothing heard from %s:%d, control taken back", self.name, *client)
                self._report_events()
            case NameChanged():
                self._work.put(self._keep_name)
            case ActionLate(time_ns):
                self._tell("ActionLate", 0, time_ns)
            case AddressRefused(client, wanted) if wanted.address != self._refused_address:
                self._refused_address = wanted.address
                told = "%s: %s:%d wants it at %s, which is not done: the address is set on this machine, not by FORCEIP"
                _log.warning(told, self.name, *client, wanted.address)
            case StreamClosed():
                self._work.put(self._transport.stop)
            case ResendRequested(_, block_id, first, last):
                self._acquisition.ask_again(block_id, first, last)
            case ProbeRequested(destination, size_bytes):
                # Too large for the interface, or no room now: to the client both mean that it does not arrive.
                with contextlib.suppress(OSError):
                    self._source.sendto(bytes(size_bytes), socket.MSG_DONTWAIT, destination)

    def _tell(self, event: str, block_id: int, timestamp_ns: int) -> None:
        if self._messages.notify(event, block_id, timestamp_ns, extended=self._state.extended_ids):
            self._wake()

    def _report_events(self) -> None:
        if dropped := self._messages.dropped_events:
            _log.warning("%s: %d events were never acknowledged, or came too fast", self.name, dropped)
            self._messages.dropped_events = 0

    def _keep_name(self) -> None:
        try:
            self._memory.keep(user_name=self._state.user_name)
        except OutputError as error:
            _log.warning("%s: its new name lasts until it ends: %s", self.name, error)

    # Queues are handed over: a driver that hung for longer than `close` waits may come back in a later run.
    def _run_work(self, works: queue.SimpleQueue[Callable[[], None] | None]) -> None:
        while (work := works.get()) is not None:
            try:
                work()
            except Exception:
                _log.exception("%s: the camera failed", self.name)

    def _run_job(self, control: DeviceControl, done: queue.SimpleQueue[tuple[Job, AckPacket]], job: Job) -> None:
        done.put((job, control.execute(job.command, job.client, _now_ns())))
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


def _broadcast_addresses(interface: Interface) -> list[str]:
    # A network of one or two addresses (/32, /31) has no broadcast address of its own.
    own = [str(interface.network.broadcast_address)] if interface.prefix_bits < 31 else []
    return ["255.255.255.255", *own]


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
