"""A camera's registers over the network: control privilege, heartbeat, reads and writes."""

from __future__ import annotations

import contextlib
import ipaddress
import select
import socket
import threading
import time
from typing import Self

from heliograph.core import (
    CameraBusyError,
    CameraLostError,
    CameraNotFoundError,
    HeliographError,
    RemoteProtocolError,
    RemoteStatusError,
)
from heliograph.gige import gvcp, sockets
from heliograph.gige.bootstrap import ControlPrivilege, Register
from heliograph.gige.client.exchange import Exchange
from heliograph.gige.gvcp import PORT, Command, CommandPacket, Status

# Aravis asks for as much at a time; every device serves it.
_CHUNK_BYTES = 512
_DATAGRAM_BYTES = 2048
_LONGEST_HEARTBEAT_S = 1.0
_SHORTEST_HEARTBEAT_S = 0.1
_HELD = ControlPrivilege.CONTROL | ControlPrivilege.EXCLUSIVE


class GigeDevice:
    """Registers of one camera, and control over it while this object is open.

    >>> with GigeDevice.open("192.168.1.20") as device:                          # doctest: +SKIP
    ...     device.read_register(Register.STREAM_CHANNEL_COUNT)
    1

    Several threads may use one device; requests follow one another.
    """

    def __init__(self, address: str, control: bool = True) -> None:
        self.address = address
        self.control = control
        self.own_address = sockets.own_address_towards(address)
        self._socket = sockets.open_client(self.own_address)
        # Connected, so that only this camera's answers arrive, and the kernel reports a port that nobody has.
        self._socket.connect((address, PORT))
        self._poller = select.poll()
        self._poller.register(self._socket, select.POLLIN)
        self._request_id = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._heartbeat: threading.Thread | None = None
        self._lost: HeliographError | None = None

    @classmethod
    def open(cls, address: str, control: bool = True) -> Self:
        """Reach a camera and take control of it, or only read when `control` is False.

        Raises `CameraNotFoundError` when nothing answers, `CameraBusyError` that says who controls it.
        """
        device = cls(address, control)
        try:
            device._take_control() if control else device.read_register(Register.VERSION)
        except CameraLostError:
            device.close()
            raise CameraNotFoundError(
                f"no camera answers at {address}: is it on, and UDP port {PORT} not blocked?"
            ) from None
        except BaseException:
            device.close()
            raise
        return device

    @property
    def lost(self) -> HeliographError | None:
        """Why the camera is lost; None while it is not."""
        return self._lost

    def read_register(self, address: int) -> int:
        """Read a 4-byte register."""
        values = gvcp.unpack_addresses(self._request(Command.READREG, gvcp.pack_addresses([address])))
        if len(values) != 1:
            raise RemoteProtocolError(f"{self.address}: asked for one register, the camera sent {len(values)}")
        return values[0]

    def write_register(self, address: int, value: int) -> None:
        """Write a 4-byte register."""
        self._request(Command.WRITEREG, gvcp.pack_writes([(address, value)]))
        if address == Register.HEARTBEAT_TIMEOUT:
            self.hasten_heartbeat()

    def read_memory(self, address: int, count_bytes: int) -> bytes:
        """Read any number of bytes; `address` is a multiple of 4."""
        data = bytearray()
        while len(data) < count_bytes:
            # Devices serve whole words only; what is too much is cut off below.
            wanted_bytes = min(_CHUNK_BYTES, -(-(count_bytes - len(data)) // 4) * 4)
            ack = self._request(Command.READMEM, gvcp.pack_memory_read(address + len(data), wanted_bytes))
            told, chunk = gvcp.unpack_memory(ack)
            if (told, len(chunk)) != (address + len(data), wanted_bytes):
                raise RemoteProtocolError(
                    f"{self.address}: asked for {wanted_bytes} bytes at 0x{address + len(data):x}, "
                    f"the camera sent {len(chunk)} of 0x{told:x}"
                )
            data += chunk
        return bytes(data[:count_bytes])

    def write_memory(self, address: int, data: bytes) -> None:
        """Write bytes; `address` and length are multiples of 4."""
        for start in range(0, len(data), _CHUNK_BYTES):
            self._request(Command.WRITEMEM, gvcp.pack_memory(address + start, data[start : start + _CHUNK_BYTES]))
        if address <= Register.HEARTBEAT_TIMEOUT < address + len(data):
            self.hasten_heartbeat()

    def hasten_heartbeat(self) -> None:
        """Beat at once: the heartbeat timeout was changed, and the next heartbeat must not come too late."""
        self._wake.set()

    def check(self) -> None:
        """Ask the camera whether it is there and still ours; raises `CameraLostError` when not.

        One that is busy or refuses to tell is there.
        """
        with contextlib.suppress(RemoteStatusError, RemoteProtocolError):
            held = self.read_register(Register.CONTROL_CHANNEL_PRIVILEGE) & _HELD
            if not self.control or (held and self._controller() == self._seen_as):
                return
            self._lost = CameraLostError(
                "the camera took control back because it did not hear from this program in time: open it again"
            )
            raise self._lost

    def close(self) -> None:
        """Give control back; does nothing when closed already."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._wake.set()
        heartbeat, self._heartbeat = self._heartbeat, None
        if heartbeat is not None:
            heartbeat.join()
            with contextlib.suppress(HeliographError, OSError):
                if self._lost is None:
                    self.write_register(Register.CONTROL_CHANNEL_PRIVILEGE, ControlPrivilege.NONE)
        with self._lock:
            self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _take_control(self) -> None:
        try:
            # Asked first, since some cameras (Aravis' fake one) leave writes of a second client without an answer.
            held = self.read_register(Register.CONTROL_CHANNEL_PRIVILEGE) & _HELD
            if not held:
                interval_s = self._heartbeat_interval_s()
                self.write_register(Register.CONTROL_CHANNEL_PRIVILEGE, ControlPrivilege.CONTROL)
        except RemoteStatusError as error:
            if error.status != Status.ACCESS_DENIED:
                raise
            held = _HELD
        if held:
            raise CameraBusyError(f"the camera at {self.address} is controlled by {self._controller_text()}")
        # As the camera sees us, which is not as we do behind a router.
        self._seen_as = self._controller()
        self._wake.clear()
        self._heartbeat = threading.Thread(
            target=self._beat, args=(interval_s,), name=f"heliograph-heartbeat-{self.address}", daemon=True
        )
        self._heartbeat.start()

    def _heartbeat_interval_s(self) -> float:
        """A third of the camera's timeout, so that two heartbeats in a row may be lost."""
        wanted_s = self.read_register(Register.HEARTBEAT_TIMEOUT) / 3000
        return min(max(wanted_s, _SHORTEST_HEARTBEAT_S), _LONGEST_HEARTBEAT_S)

    def _controller(self) -> tuple[int, int]:
        """Address and port of who has control; 0 where the camera does not tell."""
        try:
            address = self.read_register(Register.PRIMARY_APPLICATION_IP)
            return address, self.read_register(Register.PRIMARY_APPLICATION_PORT) & 0xFFFF
        except (RemoteStatusError, RemoteProtocolError):
            return 0, 0

    def _controller_text(self) -> str:
        address, port = self._controller()
        who = f"{ipaddress.IPv4Address(address)}:{port}" if address else "another client, which it does not name"
        return f"{who}: close the camera there, or wait for its heartbeat to run out"

    def _beat(self, interval_s: float) -> None:
        while True:
            self._wake.wait(interval_s)
            self._wake.clear()
            if self._closing.is_set():
                return
            try:
                interval_s = self._heartbeat_interval_s()
                self.check()
            except CameraLostError:
                return  # `lost` says why
            except (RemoteStatusError, RemoteProtocolError):
                continue  # busy, say: control is not lost by that

    def _request(self, code: int, payload: bytes) -> bytes:
        with self._lock:
            if self._lost is not None:
                raise CameraLostError(f"{self.address}: {self._lost}")
            if self._socket.fileno() < 0:
                raise CameraLostError(f"the camera at {self.address} is closed")
            self._request_id = self._request_id % 0xFFFF + 1
            exchange = Exchange(CommandPacket(code, self._request_id, payload), time.monotonic_ns())
            try:
                return self._carry_out(exchange)
            except CameraLostError as error:
                # Whoever uses the camera next should not have to wait for it again.
                self._lost = error
                raise CameraLostError(f"{self.address}: {error}") from None

    def _carry_out(self, exchange: Exchange) -> bytes:
        self._send(exchange.datagram)
        while True:
            wait_ms = max(0, exchange.deadline_ns - time.monotonic_ns()) // 1_000_000 + 1
            ack = self._poller.poll(wait_ms) and exchange.receive_datagram(self._receive(), time.monotonic_ns())
            if ack:
                return ack.payload
            # Also while datagrams come in: garbage must not keep us from asking again, or from giving up.
            if exchange.handle_timer(time.monotonic_ns()):
                self._send(exchange.datagram)

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(_DATAGRAM_BYTES, socket.MSG_DONTWAIT)
        except OSError:
            # A refused port is one lost try: a camera that restarts is refused for a moment. And what poll saw is gone
            # again when its checksum was wrong.
            return b""

    def _send(self, datagram: bytes) -> None:
        # The error of an earlier datagram, or a network that is down for a moment: the next try may get through.
        with contextlib.suppress(OSError):
            self._socket.send(datagram)
