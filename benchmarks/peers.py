"""Aravis' own camera and client on loopback: the highest rate at which none of its buffers breaks.

    python benchmarks/peers.py [seconds]

`arv-fake-gv-camera-0.8` sends, `arv-camera-test-0.8` receives, with automatic socket buffers and no packet socket.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

from heliograph.testing.peers import namespace_command, require

WIDTH, HEIGHT, PACKET_SIZE_BYTES = 2048, 1520, 1500
RATES_HZ = (10, 20, 30, 40, 50, 60, 80)


def main() -> None:
    # Its discovery broadcasts.
    if "HELIOGRAPH_PEERS" not in os.environ:
        command = [*namespace_command(), "sh", "-c", 'ip link set lo up && exec "$0" "$@"', sys.executable, *sys.argv]
        done = subprocess.run(command, check=False, env=os.environ | {"HELIOGRAPH_PEERS": "1"})
        sys.exit(done.returncode)
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(
        f"loopback (no packet on the wire), Aravis alone, {WIDTH}x{HEIGHT} Mono8, packets of {PACKET_SIZE_BYTES} bytes"
    )
    best_mb_per_s = 0.0
    fake = subprocess.Popen([require("arv-fake-gv-camera-0.8"), "-i", "127.0.0.1", "-s", "FAKE1"])
    try:
        wait_for_camera()
        for rate_hz in RATES_HZ:
            completed, broken = stream(rate_hz, seconds)
            mb_per_s = completed * WIDTH * HEIGHT / seconds / 1e6
            print(f"  {rate_hz:3d} Hz asked: {mb_per_s:5.0f} MB/s in whole buffers, {broken} broken", flush=True)
            if not broken:
                best_mb_per_s = max(best_mb_per_s, mb_per_s)
    finally:
        fake.kill()
        fake.wait()
    print(f"peers: Aravis to Aravis {best_mb_per_s:.0f} MB/s on loopback with no broken buffer")


def wait_for_camera() -> None:
    for _ in range(20):  # it looks for a second each time
        if b"FAKE1" in subprocess.run([require("arv-tool-0.8")], capture_output=True, check=False).stdout:
            return
    sys.exit("arv-fake-gv-camera-0.8 does not answer")


def stream(rate_hz: int, seconds: int) -> tuple[int, int]:
    """Stream for a while; give whole and broken buffers."""
    words = ["-n", "Aravis-Fake-FAKE1", "-w", str(WIDTH), "-h", str(HEIGHT), "-f", str(rate_hz), "-a"]
    words += ["--gv-packet-size", str(PACKET_SIZE_BYTES), "--no-packet-socket", "--duration", str(seconds)]
    command = [require("arv-camera-test-0.8"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
    counts = {name: int(number) for name, number in re.findall(r"(n_\w+)\s*=\s*(\d+)", done.stdout)}
    if "n_completed_buffers" not in counts:
        sys.exit(f"arv-camera-test-0.8 told no counts:\n{done.stdout}{done.stderr}")
    return counts["n_completed_buffers"], counts["n_failures"] + counts["n_underruns"]


if __name__ == "__main__":
    main()
