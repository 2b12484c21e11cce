"""From the last packet sent to the frame in the program's hands: sender, receiver and program are three processes.

    python benchmarks/latency.py [seconds]

Pictures of 2028x1520 NV12 at 25 frames/s over loopback (no packet on the wire), paced as a link of 1 Gbit/s does, so
that a frame takes 38 of its 40 ms, and not paced at all. The stock socket buffer is the one without any privilege.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np

from heliograph.cameras.reception import Reception, ReceptionConfig
from heliograph.core import Clock, Frame, PixelFormat
from heliograph.gige import sockets
from heliograph.gige.device.sender import StreamConfig, StreamSender

ADDRESS = "127.0.0.1"
WIDTH, HEIGHT, RATE_HZ, NV12 = 2028, 1520, 25, PixelFormat.parse("NV12")
PAYLOAD_BYTES = NV12.payload_bytes(WIDTH, HEIGHT)
GIGABIT_BYTES_PER_S = 125_000_000
ROWS = (
    ("paced at 1 Gbit/s, 16 MB buffer", GIGABIT_BYTES_PER_S, 16_000_000),
    ("paced at 1 Gbit/s, stock buffer", GIGABIT_BYTES_PER_S, 0),
    ("not paced, 16 MB buffer", 0, 16_000_000),
)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    print(f"loopback (no packet on the wire), {WIDTH}x{HEIGHT} NV12 at {RATE_HZ} frames/s; last packet sent to frame")
    print(f"{'':34}{'frames':>7}{'whole':>7}{'median ms':>11}{'95 % ms':>9}{'99 % ms':>9}{'most ms':>9}")
    medians_ms = []
    for name, limit_bytes_per_s, buffer_bytes in ROWS:
        whole, times_ms = measure(round(seconds * RATE_HZ), limit_bytes_per_s, buffer_bytes)
        shares = np.percentile(times_ms, (50, 95, 99, 100))
        medians_ms.append(float(shares[0]))
        numbers = "".join(f"{share:{width}.2f}" for share, width in zip(shares, (11, 9, 9, 9), strict=True))
        print(f"{name:34}{len(times_ms):7}{whole:7}{numbers}", flush=True)
    print(f"latency: median {medians_ms[0]:.2f} ms from the last packet sent to the frame in the program's hands")


def measure(frames: int, limit_bytes_per_s: int, buffer_bytes: int) -> tuple[int, list[float]]:
    """Give how many frames came whole, and the time that each frame took in ms."""
    with sockets.open_stream_sink(ADDRESS, buffer_bytes) as sink:
        port = sink.getsockname()[1]
        config = ReceptionConfig(ADDRESS, PAYLOAD_BYTES, 1500, 1_000_000_000, Clock.BOOTTIME, depth=8)
        reception = Reception(sink, config)
    arrived_ns, whole = {}, 0
    command = [sys.executable, __file__, "--send", str(port), str(frames), str(limit_bytes_per_s)]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sending:
            for _ in range(frames):
                frame = reception.reader.next(10)
                arrived_ns[frame.id] = time.monotonic_ns()
                whole += not frame.missing_packets
                if frame.id == frames:
                    break
            sent_ns: dict[str, int] = json.loads(sending.communicate(timeout=20)[0])
    finally:
        reception.close()
    return whole, [(now_ns - sent_ns[str(frame_id)]) / 1e6 for frame_id, now_ns in arrived_ns.items()]


def send(port: int, frames: int, limit_bytes_per_s: int) -> None:
    """The sending process: send frames at the rate, and print when the last packet of each was with the kernel."""
    picture = np.random.default_rng(1).integers(0, 256, NV12.shape(WIDTH, HEIGHT), np.uint8)
    config = StreamConfig((ADDRESS, port), PAYLOAD_BYTES, throughput_limit_bytes_per_s=limit_bytes_per_s or None)
    sent_ns = {}
    with sockets.open_stream_source(ADDRESS) as source:
        sender = StreamSender(source, config, stopping=lambda: False)
        begin_s = time.monotonic()
        for frame_id in range(1, frames + 1):
            time.sleep(max(0.0, begin_s + frame_id / RATE_HZ - time.monotonic()))
            sender.send(Frame(picture, NV12, frame_id, time.clock_gettime_ns(time.CLOCK_BOOTTIME)), frame_id)
            sent_ns[frame_id] = time.monotonic_ns()
    print(json.dumps(sent_ns))


if __name__ == "__main__":
    if "--send" in sys.argv:
        send(*(int(word) for word in sys.argv[2:]))
    else:
        main()
