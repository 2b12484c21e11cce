"""A node that nobody uses: what it costs the machine that it runs on, with a camera served and its health sampled."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from heliograph.testing.node import running_node
from heliograph.testing.processes import cpu_s

CAMERA = '[[camera]]\nname = "cam-1"\nurl = "sim://red-giant"\n'
SETTLE_S = 5.0
WATCH_S = 60.0


def resident_mb(pid: int) -> float:
    """Memory of a process, what it shares with others included."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1e3


def main() -> None:
    with TemporaryDirectory() as folder, running_node(Path(folder), CAMERA) as node:
        time.sleep(SETTLE_S)
        before_s, began_s = cpu_s(node.pid), time.monotonic()
        time.sleep(WATCH_S)
        share = 100 * (cpu_s(node.pid) - before_s) / (time.monotonic() - began_s)
        memory_mb = resident_mb(node.pid)
    print("a node with one camera served, health sampled each second, nobody watching")
    print(f"  processor {share:.2f} % of a core over {WATCH_S:.0f} s (wanted: under 3)")
    print(f"  memory    {memory_mb:.0f} MB (wanted: under 150)")
    print(f"idle: {share:.2f} % of a core, {memory_mb:.0f} MB")


if __name__ == "__main__":
    main()
