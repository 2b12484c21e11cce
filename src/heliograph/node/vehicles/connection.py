"""Bytes to and from a vehicle: a UDP port, a TCP server, or a serial line."""

from __future__ import annotations

import contextlib
import importlib
import socket
from typing import Any, Protocol

from heliograph.core import AddressError, LinkLostError, MissingDependencyError, SettingError

_READ_BYTES = 65_536
_CONNECT_S = 2.0


class Connection(Protocol):
    """Reads and writes bytes; `LinkLostError` when it is gone and must be opened anew."""

    def read(self, timeout_s: float) -> bytes:
        """Give what has come, nothing when nothing came in time."""

    def write(self, data: bytes) -> None:
        """Send; what nobody is known to listen to is dropped."""

    def close(self) -> None:
        """End it."""


def open_connection(where: str) -> Connection:
    """Open `udp:HOST:PORT` (listens, answers who spoke last), `tcp:HOST:PORT` or `serial:DEVICE[:BAUD]`.

    Raises `SettingError` for anything else, `LinkLostError` when it cannot be opened now, `AddressError` for an address
    of UDP that is in use or not of this machine.
    """
    kind, _, rest = where.partition(":")
    if kind == "serial" and rest:
        device, _, baud = rest.partition(":")
        if not baud or baud.isdecimal():
            return _Serial(device, int(baud or 57_600))
    host, _, port = rest.rpartition(":")
    if kind in ("udp", "tcp") and host and port.isdecimal() and 0 < int(port) < 65_536:
        return (_Udp if kind == "udp" else _Tcp)(host, int(port))
    raise SettingError(
        f"{where!r} is no connection: udp:127.0.0.1:14550, tcp:127.0.0.1:5760 or serial:/dev/ttyAMA0:57600"
    )


class _Udp:
    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._peer: tuple[str, int] | None = None
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise AddressError(f"cannot listen on udp:{host}:{port} ({error.strerror}): choose another") from error

    def read(self, timeout_s: float) -> bytes:
        self._socket.settimeout(timeout_s)
        try:
            data, self._peer = self._socket.recvfrom(_READ_BYTES)
        except (TimeoutError, ConnectionRefusedError):  # refused is what the datagram before this one met
            return b""
        return data

    def write(self, data: bytes) -> None:
        if self._peer is not None:
            # A network that is down now may be up for the next one; MAVLink's commands are repeated.
            with contextlib.suppress(OSError):
                self._socket.sendto(data, self._peer)

    def close(self) -> None:
        self._socket.close()


class _Tcp:
    def __init__(self, host: str, port: int) -> None:
        self._where = f"tcp:{host}:{port}"
        try:
            self._socket = socket.create_connection((host, port), _CONNECT_S)
        except OSError as error:
            raise LinkLostError(f"{self._where} does not answer ({error.strerror or error})") from error

    def read(self, timeout_s: float) -> bytes:
        self._socket.settimeout(timeout_s)
        try:
            data = self._socket.recv(_READ_BYTES)
        except TimeoutError:
            return b""
        except OSError as error:
            raise LinkLostError(f"{self._where} is gone ({error.strerror})") from error
        if not data:
            raise LinkLostError(f"{self._where} has closed")
        return data

    def write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise LinkLostError(f"{self._where} is gone ({error.strerror or error})") from error

    def close(self) -> None:
        self._socket.close()


class _Serial:
    def __init__(self, device: str, baud: int) -> None:
        try:
            serial: Any = importlib.import_module("serial")
        except ImportError as error:
            raise MissingDependencyError("a serial line needs pyserial: pip install 'heliograph[node]'") from error
        self._device = device
        try:
            self._port = serial.Serial(device, baud, timeout=0, write_timeout=1.0)
        except OSError as error:
            raise LinkLostError(f"cannot open {device} ({error.strerror or error}): is it there, and yours?") from error

    def read(self, timeout_s: float) -> bytes:
        self._port.timeout = timeout_s
        try:
            # One byte is waited for, the others that came with it are taken at once.
            data: bytes = self._port.read(1)
            return data + self._port.read(self._port.in_waiting) if data else b""
        except OSError as error:
            raise LinkLostError(f"{self._device} is gone ({error})") from error

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except OSError as error:
            raise LinkLostError(f"{self._device} is gone ({error})") from error

    def close(self) -> None:
        self._port.close()
