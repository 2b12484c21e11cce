"""Random and hostile datagrams at real sockets: nobody dies, nobody grows, and pictures come afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from heliograph.testing.peers import namespace_command

# Caches fill up and frame buffers are touched for the first time before half-way. A camera that streams keeps pictures
# for those who ask again, 64 MB at most, and may be told to stream or to stop by any command.
MOST_GROWTH_BYTES = {"gvcp": 74_000_000, "gvsp": 10_000_000}


@pytest.mark.parametrize("protocol", ["gvcp", "gvsp"])
def test_no_packet_harms(protocol: str, length: Any) -> None:
    """A controller that is fuzzed may point its stream anywhere, so this happens where no packet gets out."""
    words = [sys.executable, "-m", "heliograph.testing.fuzz", protocol, str(length.packets), str(length.seed)]
    command = [*namespace_command(), "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["sent"] == length.packets
    assert told["end_bytes"] - told["half_bytes"] < MOST_GROWTH_BYTES[protocol]
