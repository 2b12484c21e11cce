"""Cameras of others for tests: an HTTP server that sends motion JPEG, and an RTSP server that sends RTP.

    with MjpegServer() as server:
        heliograph.open(server.url)

A server that is stopped drops its viewers; `start` opens the same port again.
"""

from __future__ import annotations

import base64
import itertools
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from typing import ClassVar, Self

import cv2
import numpy as np

WIDTH_PX, HEIGHT_PX = 64, 48
RATE_HZ = 50.0
_RTP_PAYLOAD_BYTES = 1200
_RTP_TICK_HZ = 90_000
_TYPE_420, _TABLES_IN_BAND = 1, 255


def pictures() -> Iterator[bytes]:
    """Give JPEG pictures without end: flat grey that rises by 8 from each one to the next, from 0."""
    options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    for number in itertools.count():
        flat = np.full((HEIGHT_PX, WIDTH_PX, 3), number * 8 % 256, np.uint8)
        yield cv2.imencode(".jpg", flat, options)[1].tobytes()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, handler: type[socketserver.BaseRequestHandler], broadcast: Broadcast) -> None:
        self.broadcast = broadcast
        super().__init__(("127.0.0.1", port), handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: viewers leave as they like."""


class Broadcast:
    """A server on loopback that sends `pictures` to each viewer; `credentials` is `user:password`, if it asks."""

    handler: ClassVar[type[socketserver.BaseRequestHandler]]
    scheme: ClassVar[str]

    def __init__(self, credentials: str = "") -> None:
        self.credentials = credentials
        self.silent = threading.Event()
        self.ended = threading.Event()
        self.viewers: set[socket.socket] = set()
        self._port = 0

    @property
    def url(self) -> str:
        """Where the stream is, without credentials."""
        return f"{self.scheme}://127.0.0.1:{self._port}/camera"

    def start(self) -> None:
        """Serve, at the same port as before."""
        self.ended.clear()
        self._server = _Server(self._port, self.handler, self)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Drop every viewer and close the port."""
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for viewer in list(self.viewers):
            viewer.close()
        self.viewers.clear()

    def wait_for_next(self) -> bool:
        """Wait until the next picture is due; False when the server ends."""
        return not self.ended.wait(1 / RATE_HZ)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


class _Viewer(socketserver.StreamRequestHandler):
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.broadcast = self.server.broadcast
        self.broadcast.viewers.add(self.connection)

    def finish(self) -> None:
        self.broadcast.viewers.discard(self.connection)

    def request_lines(self) -> list[str]:
        """Read one request's lines; none when the viewer left."""
        lines = iter(lambda: self.rfile.readline().decode().strip(), "")
        return list(lines)

    def may_enter(self, lines: list[str]) -> bool:
        wanted = base64.b64encode(self.broadcast.credentials.encode()).decode()
        return not self.broadcast.credentials or f"Authorization: Basic {wanted}" in lines


class _MjpegViewer(_Viewer):
    def handle(self) -> None:
        if not self.may_enter(self.request_lines()):
            self.wfile.write(b'HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm="camera"\r\n\r\n')
            return
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=next\r\n\r\n")
        for picture in pictures():
            if not self.broadcast.silent.is_set():
                head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.wfile.write(head.encode() + picture + b"\r\n")
            if not self.broadcast.wait_for_next():
                return


class _RtspViewer(_Viewer):
    """RTSP 1.0 with RTP inside its connection (RFC 2326, 10.12), which carries JPEG (RFC 2435)."""

    def handle(self) -> None:
        while lines := self.request_lines():
            method, address, _ = lines[0].split(" ", 2)
            headers = dict(line.split(": ", 1) for line in lines[1:])
            if not self.may_enter(lines):
                self.answer(headers, "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"')
            elif method == "DESCRIBE":
                self.answer(headers, "200 OK", f"Content-Base: {address}/", "Content-Type: application/sdp", body=SDP)
            elif method == "SETUP":
                self.answer(headers, "200 OK", "Session: 1", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
            else:
                self.answer(headers, "200 OK", "Session: 1", "Public: DESCRIBE, SETUP, PLAY, TEARDOWN")
            if method == "PLAY":
                self.play()
                return

    def answer(self, headers: dict[str, str], status: str, *lines: str, body: str = "") -> None:
        head = [f"RTSP/1.0 {status}", f"CSeq: {headers['CSeq']}", *lines, f"Content-Length: {len(body)}"]
        self.wfile.write(("\r\n".join(head) + "\r\n\r\n" + body).encode())

    def play(self) -> None:
        sequence = 0
        for number, picture in enumerate(pictures()):
            ticks = round(number * _RTP_TICK_HZ / RATE_HZ)
            for payload, last in () if self.broadcast.silent.is_set() else rtp_payloads(picture):
                header = struct.pack(">BBHII", 0x80, 26 | last << 7, sequence & 0xFFFF, ticks & 0xFFFFFFFF, 7)
                self.wfile.write(struct.pack(">cBH", b"$", 0, len(header) + len(payload)) + header + payload)
                sequence += 1
            if not self.broadcast.wait_for_next():
                return


SDP = "\r\n".join(
    ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=camera", "t=0 0", "m=video 0 RTP/AVP 26", "a=control:video", ""]
)


def rtp_payloads(picture: bytes) -> Iterator[tuple[bytes, bool]]:
    """Cut a JPEG picture into payloads of RFC 2435, the tables in the first; says which is the last."""
    tables, position = b"", 2
    while picture[position + 1] != 0xDA:
        length = int.from_bytes(picture[position + 2 : position + 4])
        if picture[position + 1] == 0xDB:
            content = picture[position + 4 : position + 2 + length]
            tables += b"".join(content[start + 1 : start + 65] for start in range(0, len(content), 65))
        position += 2 + length
    scan = picture[position + 2 + int.from_bytes(picture[position + 2 : position + 4]) : -2]
    quantization = struct.pack(">BBH", 0, 0, len(tables)) + tables
    for offset in range(0, len(scan), _RTP_PAYLOAD_BYTES):
        shape = (_TYPE_420, _TABLES_IN_BAND, WIDTH_PX // 8, HEIGHT_PX // 8)
        header = struct.pack(">IBBBB", offset, *shape) + (quantization if offset == 0 else b"")
        yield header + scan[offset : offset + _RTP_PAYLOAD_BYTES], offset + _RTP_PAYLOAD_BYTES >= len(scan)


class MjpegServer(Broadcast):
    """Motion JPEG over HTTP."""

    handler = _MjpegViewer
    scheme = "http"


class RtspServer(Broadcast):
    """JPEG in RTP over RTSP."""

    handler = _RtspViewer
    scheme = "rtsp"
