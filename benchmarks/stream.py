"""GigE Vision on loopback: the highest frame rate at which every frame arrives whole, between two processes.

    python benchmarks/stream.py [seconds]

No 1500-byte packet exists on loopback: the kernel hands 64 KB super-packets from sender to receiver. The figure guards
against regressions in the code around the packets; it says nothing about a wire.
"""

from __future__ import annotations

import os
import sys
import time

import heliograph
from heliograph.testing.processes import children, cpu_s, served

WIDTH, HEIGHT, PIXEL_FORMAT, PACKET_SIZE_BYTES = 2028, 1520, "NV12", 1500
# 0.06 s at 1 GB/s: virtual machines stand still for that long. Needs CAP_NET_ADMIN or net.core.rmem_max of that size.
SOCKET_BUFFER_BYTES = 64_000_000
FRAME_BYTES = WIDTH * HEIGHT * 3 // 2
RATES_HZ = (25, 100, 220, 260, 300, 320, 340, 360, 380)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    print(f"loopback (no packet on the wire), {WIDTH}x{HEIGHT} {PIXEL_FORMAT}, packet size {PACKET_SIZE_BYTES}")
    print("  asked    frames  incomplete  dropped     MB/s   CPU of device, receiver, user")
    best = whole_best = 0.0
    with served("sim://bench") as ([address], pid):
        for rate_hz in RATES_HZ:
            mb_per_s, incomplete, dropped = measure(address, pid, rate_hz, seconds)
            whole_best = max(whole_best, 0.0 if incomplete else mb_per_s)
            best = max(best, 0.0 if incomplete or dropped else mb_per_s)
    print(f"stream: {whole_best:.0f} MB/s on loopback with no incomplete frame, {best:.0f} with none dropped either")


def measure(address: str, device_pid: int, rate_hz: float, seconds: float) -> tuple[float, int, int]:
    """Stream at a rate and print a row; give MB/s, and how many frames were incomplete and dropped."""
    url = f"gige://{address}?packet_size={PACKET_SIZE_BYTES}&socket_buffer={SOCKET_BUFFER_BYTES}"
    shape = {"width": WIDTH, "height": HEIGHT, "pixel_format": PIXEL_FORMAT}
    with heliograph.open(url, **shape, frame_rate_hz=rate_hz) as camera:  # type: ignore[arg-type]  # keywords by name
        camera.features["DeviceLinkThroughputLimitMode"] = "Off"
        camera.grab()
        receiver_pid = max(children(os.getpid()))
        pids = (device_pid, receiver_pid, os.getpid())
        before, begin_s = [cpu_s(pid) for pid in pids], time.monotonic()
        count = camera.statistics.frames
        for _ in camera.frames(int(rate_hz * seconds)):
            pass
        took_s = time.monotonic() - begin_s
        shares = [(cpu_s(pid) - was) / took_s for pid, was in zip(pids, before, strict=True)]
        counts = camera.statistics
    frames = counts.frames - count
    mb_per_s = frames * FRAME_BYTES / took_s / 1e6
    row = f"{rate_hz:5.0f} Hz {frames:9d} {counts.incomplete_frames:11d} {counts.dropped_frames:8d} {mb_per_s:8.0f}   "
    print(row + ", ".join(f"{share:4.0%}" for share in shares), flush=True)
    return mb_per_s, counts.incomplete_frames, counts.dropped_frames


if __name__ == "__main__":
    main()
