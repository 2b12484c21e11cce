"""The whole path on one machine: a simulated camera served on loopback, and a payload that finds the red giant.

Two programs, as on two machines: `heliograph serve` is the camera, `heliograph payload run` the payload. All that
passes between them is UDP on loopback.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HELIOGRAPH = str(Path(sysconfig.get_path("scripts")) / "heliograph")
OUT = Path("demo")


def main(frames: str = "400") -> int:
    began_s = time.monotonic()
    # The sensor gives 20 pictures a second, so 400 of them see the whole of a 20 s pass.
    with served("sim://red-giant?pass_s=20") as url:
        command = ["payload", "run", "red-giant", "--camera", url, "--frames", frames, "--interval", "0", "--out", OUT]
        ended = subprocess.run(told(*map(str, command)), check=False)
    print(f"\n{frames} pictures in {time.monotonic() - began_s:.0f} s; the reddest one and its histogram are in {OUT}/")
    return ended.returncode


@contextmanager
def served(url: str) -> Iterator[str]:
    """Serve a camera in a process of its own; give the URL at which clients find it."""
    OUT.mkdir(exist_ok=True)
    with (OUT / "serve.log").open("w") as log:
        server = subprocess.Popen(told("serve", url, "--json"), stdout=subprocess.PIPE, stderr=log)
    try:
        ready = next(iter(server.stdout or ()), b"")
        if not ready:
            sys.exit(f"the camera could not be served: see {OUT}/serve.log")
        yield json.loads(ready)["open"]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


def told(*words: str) -> list[str]:
    """Show a command as one would type it, and give the words to run."""
    print(f"$ heliograph {shlex.join(words)}", flush=True)
    return [HELIOGRAPH, *words]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
