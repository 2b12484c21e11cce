"""Serves a camera and runs somebody else's program beside it, both in the network that this process is in.

    python -m heliograph.testing.beside 127.0.0.1 cam-1 -- arv-tool-0.8 -n cam-1 values

Ends with the program's exit code; a test runs it in a network namespace of its own.
"""

from __future__ import annotations

import subprocess
import sys

from heliograph.gige.device.server import GigeDeviceServer
from heliograph.testing.camera import PatternCamera

# Longer than Aravis asks again for when it hears nothing: 5 times 0.5 s.
_SLOW_S = 3.0


def main(arguments: list[str]) -> int:
    """Serve a `PatternCamera` at an address under a name while a program runs; the words of the program come last."""
    address, name, separator, *command = arguments
    if separator != "--" or not command:
        raise SystemExit("usage: python -m heliograph.testing.beside ADDRESS NAME -- PROGRAM...")
    with GigeDeviceServer(PatternCamera(slow_s=_SLOW_S), address, name):
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
