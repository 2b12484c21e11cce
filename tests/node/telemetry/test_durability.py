"""What was told to be committed is on the disk: after kill -9, and in the order of system calls."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from heliograph.link.event import EventsRequest
from heliograph.link.spool import Spool
from heliograph.link.telemetry import EVENTS_STREAM
from heliograph.node.telemetry.archive import EventArchive
from heliograph.testing.blocks import HEALTH
from heliograph.testing.peers import require

ROUNDS = 4
RECORDING = [sys.executable, "-m", "heliograph.testing.recording"]


def killed(folder: Path, boot: str, after_s: float) -> set[tuple[str, str, int]]:
    """Let a node measure, kill it some time after its first commit, and give the samples it told of."""
    with subprocess.Popen([*RECORDING, str(folder), boot], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as node:
        assert node.stdout is not None
        first = node.stdout.readline()
        time.sleep(after_s)  # the moment of the kill is what is random here
        node.kill()
        lines = [first, *node.stdout.read().splitlines(keepends=True)]
    told = set()
    for line in lines:
        told_boot, stream, begin, count = line.decode().split()
        told |= {(told_boot, stream, number) for number in range(int(begin), int(begin) + int(count))}
    return told


def test_what_was_committed_outlives_kill_9_and_is_there_once(tmp_path: Path) -> None:
    chance = random.Random(4)
    told: set[tuple[str, str, int]] = set()
    for round_number in range(ROUNDS):
        fresh = killed(tmp_path, f"boot-{round_number}", chance.uniform(0.0, 0.3))
        assert len(fresh) > 20
        told |= fresh
    spool = Spool(tmp_path / "spool.sqlite", max_bytes=100_000_000)
    found: list[tuple[str, str, int]] = []
    after_id = 0
    while blocks := spool.read(after_id, spool.newest_id, 2**40):
        after_id = blocks[-1].ids[-1]
        for block in blocks:
            found += [(block.boot, block.stream, block.first + at) for at in range(block.count)]
            if block.stream == HEALTH.name:
                # The values are those that were measured under these numbers.
                numbers = np.frombuffer(block.rows, HEALTH.dtype)["count"].tolist()
                assert numbers == list(range(block.first, block.first + block.count))
    assert len(found) == len(set(found)) == spool.samples
    assert told <= set(found)
    archive = EventArchive(tmp_path / "events.sqlite", kept=100_000)
    archive.catch_up(spool.newest_of(EVENTS_STREAM))
    last = f"boot-{ROUNDS - 1}"
    newest = max(number for boot, stream, number in found if (boot, stream) == (last, EVENTS_STREAM))
    (event,) = archive.search(EventsRequest(limit=1)).events
    assert (event.boot, event.sequence) == (last, newest)
    archive.close()
    spool.close()


def test_the_disk_has_it_before_anybody_is_told(tmp_path: Path) -> None:
    """A kill leaves the page cache: that a commit outlives a power cut is seen only in the order of system calls."""
    trace = tmp_path / "trace"
    words = [require("strace"), "-f", "-y", "-e", "trace=pwrite64,write,fdatasync,fsync", "-o", str(trace)]
    ended = subprocess.run(
        [*words, *RECORDING, str(tmp_path / "node"), "boot", "6"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "ptrace" in ended.stderr:
        pytest.skip(f"strace may not trace here: {ended.stderr.splitlines()[0]}")
    assert ended.returncode == 0, ended.stderr
    unsynced = told = 0
    for line in trace.read_text(errors="replace").splitlines():
        if "spool.sqlite-wal" in line and "pwrite64" in line:
            unsynced += 1
        elif "spool.sqlite-wal" in line and "sync(" in line:
            unsynced = 0
        elif re.search(r'write\(1<[^>]*>, "boot health', line):
            told += 1
            assert unsynced == 0, "a block was told before its log was synced"
    assert told == 6
