"""How fast frames pass from one process to another through the ring: `python benchmarks/ring.py [seconds]`.

Prints what a publish costs, how long a frame takes to reach a waiting reader, and how many bytes a second pass when
the writer fills every byte and the reader reads every byte. Memory only: no packet is involved.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import numpy as np

from heliograph.core import FrameTimeoutError, PixelFormat
from heliograph.local import FrameInfo, RingReader, RingWriter

WIDTH_PX, HEIGHT_PX = 2028, 1520
NV12 = PixelFormat.parse("NV12")
FRAME_BYTES = NV12.payload_bytes(WIDTH_PX, HEIGHT_PX)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    print(f"frames of {WIDTH_PX}x{HEIGHT_PX} NV12, {FRAME_BYTES} bytes, writer and reader in processes of their own")
    print(f"{'':34}{'frames/s':>10}{'GB/s':>8}{'publish us':>12}{'latency us':>12}{'dropped':>9}")
    for name, fill, read, rate_hz in (
        ("as fast as it goes, untouched", False, False, 0),
        ("writer fills, reader untouched", True, False, 0),
        ("writer fills, reader reads", True, True, 0),
        ("25 frames/s, fills and reads", True, True, 25),
    ):
        publish_us, published, took_s, result = run(fill, read, rate_hz, seconds)
        received = result["frames"]
        print(
            f"{name:34}{received / took_s:10.0f}{received * FRAME_BYTES / took_s / 1e9:8.2f}"
            f"{publish_us:12.1f}{result['latency_us']:12.1f}{published - received:9}"
        )


def run(fill: bool, read: bool, rate_hz: float, seconds: float) -> tuple[float, int, float, dict[str, float]]:
    """Give median time of a publish, frames published, seconds taken, and what the reading process says."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reading = subprocess.Popen(
        [sys.executable, __file__, "--read", str(theirs.fileno()), str(int(read))],
        pass_fds=[theirs.fileno()],
        stdout=subprocess.PIPE,
        text=True,
    )
    theirs.close()
    took_ns = []
    with RingWriter(FRAME_BYTES) as writer:
        writer.add_reader(ours)
        assert reading.stdout is not None  # noqa: S101  for the type checker
        reading.stdout.readline()
        source = np.random.default_rng(1).integers(0, 255, FRAME_BYTES, dtype=np.uint8)
        begin_s = time.monotonic()
        frame_id = 0
        while time.monotonic() - begin_s < seconds:
            frame_id += 1
            slot = writer.acquire()
            if fill:
                slot.buffer[:] = source
            now_ns = time.monotonic_ns()
            writer.publish(slot, FrameInfo(NV12, WIDTH_PX, HEIGHT_PX, frame_id, now_ns))
            took_ns.append(time.monotonic_ns() - now_ns)
            if rate_hz:
                time.sleep(max(0.0, begin_s + frame_id / rate_hz - time.monotonic()))
        took_s = time.monotonic() - begin_s
    result = json.loads(reading.communicate(timeout=20)[0])
    return float(np.median(took_ns)) / 1000, frame_id, took_s, result


def read_all(fileno: int, read: bool) -> None:
    """The reading process: take frames until the writer ends."""
    latencies_us = []
    with RingReader(socket.socket(fileno=fileno)) as reader:
        print("ready", flush=True)
        while True:
            try:
                frame = reader.next()
            except (ConnectionError, FrameTimeoutError):
                break
            latencies_us.append((time.monotonic_ns() - frame.timestamp_ns) / 1000)
            if read:
                int(frame.data.max())
            del frame
    print(json.dumps({"frames": len(latencies_us), "latency_us": float(np.median(latencies_us))}))


if __name__ == "__main__":
    if "--read" in sys.argv:
        read_all(int(sys.argv[2]), bool(int(sys.argv[3])))
    else:
        main()
