"""A camera's registers over the network: control privilege, heartbeat, reads and writes."""

from __future__ import annotations

import contextlib
import ipaddress
import select
import threading
import time
from typing import Self

from heliograph.core import CameraBusyError, CameraLostError, CameraNotFoundError, HeliographError, RemoteStatusError
from heliograph.gige import gvcp, sockets
from heliograph.gige.bootstrap import ControlPrivilege, Register
from heliograph.gige.client.exchange import Exchange
from heliograph.gige.gvcp import PORT, Command, CommandPacket, Status

# Aravis asks for as much at a time; every device serves it.
_CHUNK_BYTES = 512
_DATAGRAM_BYTES = 2048
_LONGEST_HEARTBEAT_S = 1.0


class GigeDevice:
    """Registers of one camera, and control over it while this object is open.

    >>> with GigeDevice.open("192.168.1.20") as device:                          # doctest: +SKIP
    ...     device.read_register(Register.STREAM_CHANNEL_COUNT)
    1

    Several threads may use one device; requests follow one another.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.own_address = sockets.own_address_towards(address)
        self._socket = sockets.open_client(self.own_address)
        # Connected, so that only this camera's answers arrive, and the kernel reports a port that nobody has.
        self._socket.connect((address, PORT))
        self._request_id = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._heartbeat: threading.Thread | None = None
        self._lost: HeliographError | None = None

    @classmethod
    def open(cls, address: str, control: bool = True) -> Self:
        """Reach a camera and take control of it, or only read when `control` is False.

        Raises `CameraNotFoundError` when nothing answers, `CameraBusyError` that says who controls it.
        """
        device = cls(address)
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
        ack = self._request(Command.READREG, gvcp.pack_addresses([address]))
        return gvcp.unpack_addresses(ack)[0]

    def write_register(self, address: int, value: int) -> None:
        """Write a 4-byte register."""
        self._request(Command.WRITEREG, gvcp.pack_writes([(address, value)]))

    def read_memory(self, address: int, count_bytes: int) -> bytes:
        """Read any number of bytes; `address` is a multiple of 4."""
        data = bytearray()
        while len(data) < count_bytes:
            # Devices serve whole words only; what is too much is cut off below.
            wanted_bytes = min(_CHUNK_BYTES, -(-(count_bytes - len(data)) // 4) * 4)
            ack = self._request(Command.READMEM, gvcp.pack_memory_read(address + len(data), wanted_bytes))
            data += gvcp.unpack_memory(ack)[1]
        return bytes(data[:count_bytes])

    def write_memory(self, address: int, data: bytes) -> None:
        """Write bytes; `address` and length are multiples of 4."""
        for start in range(0, len(data), _CHUNK_BYTES):
            self._request(Command.WRITEMEM, gvcp.pack_memory(address + start, data[start : start + _CHUNK_BYTES]))

    def close(self) -> None:
        """Give control back; does nothing when closed already."""
        if self._closing.is_set():
            return
        self._closing.set()
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
            self.write_register(Register.CONTROL_CHANNEL_PRIVILEGE, ControlPrivilege.CONTROL)
        except RemoteStatusError as error:
            if error.status != Status.ACCESS_DENIED:
                raise
            raise CameraBusyError(f"the camera at {self.address} is controlled by {self._controller()}") from error
        interval_s = min(_LONGEST_HEARTBEAT_S, self.read_register(Register.HEARTBEAT_TIMEOUT) / 3000)
        self._heartbeat = threading.Thread(
            target=self._beat, args=(interval_s,), name=f"heliograph-heartbeat-{self.address}", daemon=True
        )
        self._heartbeat.start()

    def _controller(self) -> str:
        try:
            address = ipaddress.IPv4Address(self.read_register(Register.PRIMARY_APPLICATION_IP))
            port = self.read_register(Register.PRIMARY_APPLICATION_PORT) & 0xFFFF
        except RemoteStatusError:
            return "another client, which it does not name"
        return f"{address}:{port}: close the camera there, or wait for its heartbeat to run out"

    def _beat(self, interval_s: float) -> None:
        while not self._closing.wait(interval_s):
            try:
                privilege = self.read_register(Register.CONTROL_CHANNEL_PRIVILEGE)
            except (HeliographError, OSError) as error:
                self._lost = error if isinstance(error, HeliographError) else CameraLostError(str(error))
                return
            if not privilege & (ControlPrivilege.CONTROL | ControlPrivilege.EXCLUSIVE):
                self._lost = CameraLostError("the camera took control back: this program did not reach it in time")
                return

    def _request(self, code: int, payload: bytes) -> bytes:
        with self._lock:
            if self._lost is not None:
                raise CameraLostError(f"{self.address}: {self._lost}")
            if self._socket.fileno() < 0:
                raise CameraLostError(f"the camera at {self.address} is closed")
            self._request_id = self._request_id % 0xFFFF + 1
            exchange = Exchange(CommandPacket(code, self._request_id, payload), time.monotonic_ns())
            self._send(exchange.datagram)
            while True:
                wait_s = max(0.0, (exchange.deadline_ns - time.monotonic_ns()) / 1e9)
                if select.select([self._socket], [], [], wait_s)[0]:
                    # A refused port is one lost try: a camera that restarts is refused for a moment.
                    with contextlib.suppress(ConnectionRefusedError):
                        ack = exchange.receive_datagram(self._socket.recv(_DATAGRAM_BYTES), time.monotonic_ns())
                        if ack is not None:
                            return ack.payload
                elif exchange.handle_timer(time.monotonic_ns()):
                    self._send(exchange.datagram)

    def _send(self, datagram: bytes) -> None:
        # The error of an earlier datagram, or a network that is down for a moment: the next try may get through.
        with contextlib.suppress(OSError):
            self._socket.send(datagram)
