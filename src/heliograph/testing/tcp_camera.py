"""The way of pi_udp_camera, to measure against: the client asks, the camera takes a picture, TCP brings it, and so on.

    python -m heliograph.testing.tcp_camera ADDRESS WIDTH HEIGHT FORMAT SECONDS

asks for pictures that long and prints how many came in a second. As there, a picture is one that the sensor completes
after the request (picamera2's `queue=False`), is sent whole, and is used before the next is asked for.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from typing import Self

import heliograph
from heliograph.core import Camera, Frame, PixelFormat

_PORT = 12345
_REQUEST = b"1"


class Server:
    """Answers one client with pictures of a camera.

    >>> with Server("sim://bench", "127.0.0.1", 2028, 1520, "NV12", rate_hz=25.0):  # doctest: +SKIP
    ...     ask("127.0.0.1", 2028, 1520, "NV12", seconds=5.0)
    """

    def __init__(self, url: str, address: str, width: int, height: int, pixel_format: str, rate_hz: float) -> None:
        self._camera = heliograph.open(
            url, width=width, height=height, pixel_format=pixel_format, frame_rate_hz=rate_hz
        )
        self._listener = socket.create_server((address, _PORT))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.close()
        self._thread.join()
        self._camera.close()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        with client:
            self._camera.start()
            while client.recv(1) == _REQUEST:
                client.sendall(_picture_from_now_on(self._camera).data.tobytes())


def _picture_from_now_on(camera: Camera) -> Frame:
    """Give the first picture that is whole after this call; one that was whole before waits in the driver."""
    asked_s = time.monotonic()
    while True:
        began_s = time.monotonic()
        frame = camera.grab()
        # What comes at once was waiting.
        if time.monotonic() - began_s > 0.001 or began_s - asked_s > 1:
            return frame


def ask(address: str, width: int, height: int, pixel_format: str, seconds: float) -> float:
    """Take pictures for a while and give how many a second."""
    size_bytes = PixelFormat.parse(pixel_format).payload_bytes(width, height)
    picture = memoryview(bytearray(size_bytes))
    count = 0
    with socket.create_connection((address, _PORT), timeout=30) as server:
        begin_s = time.monotonic()
        while time.monotonic() - begin_s < seconds:
            server.sendall(_REQUEST)
            received = 0
            while received < size_bytes:
                received += server.recv_into(picture[received:])
            count += 1
        return count / (time.monotonic() - begin_s)


if __name__ == "__main__":
    sys.stdout.write(f"{ask(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], float(sys.argv[5]))}\n")
