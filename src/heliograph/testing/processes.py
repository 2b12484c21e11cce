"""Cameras served by a process of their own, and how much of the processor a process uses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@contextmanager
def served(*urls: str, addresses: Sequence[str] = ()) -> Iterator[tuple[list[str], int]]:
    """Serve cameras with `heliograph serve`; give their addresses and the process id.

    >>> with served("sim://bench") as ([address], pid):  # doctest: +SKIP
    ...     heliograph.open(f"gige://{address}")
    """
    program = str(Path(sysconfig.get_path("scripts")) / "heliograph")
    options = [word for address in addresses for word in ("--address", address)]
    # Names and user sets of its own: what somebody saved on this machine must not change what is measured.
    with (
        TemporaryDirectory() as state,
        subprocess.Popen(
            [program, "serve", *urls, *options, "--json", "--state-dir", state],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as server,
    ):
        try:
            lines = [json.loads(server.stdout.readline()) for _ in urls] if server.stdout else []
            yield [line["address"] for line in lines], server.pid
        finally:
            server.send_signal(signal.SIGTERM)


def children(pid: int) -> list[int]:
    """Process ids of the children that the threads of a process started."""
    words: list[str] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            words += (thread / "children").read_text().split()
    return [int(word) for word in words]


def cpu_s(pid: int) -> float:
    """Processor time that a process has used, in user space and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def private_bytes(pid: int) -> int:
    """Memory in use that is a process's own; frame rings, which have a size and fill little by little, are not."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024
