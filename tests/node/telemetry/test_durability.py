"""What was told to be committed is on the disk: after kill -9, and after a power cut."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from heliograph.link.event import EventsRequest
from heliograph.link.spool import Spool
from heliograph.link.telemetry import EVENTS_STREAM
from heliograph.node.telemetry.archive import EventArchive
from heliograph.testing.blocks import HEALTH
from heliograph.testing.power_cut import moments

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


def test_a_power_cut_leaves_everything_that_was_told(tmp_path: Path) -> None:
    """A kill leaves the page cache; here what no fsync had reached by then is gone."""
    running = tmp_path / "running"
    told: set[tuple[str, int]] = set()
    count = 0
    for count, moment in enumerate(moments([*RECORDING, str(running), "boot", "25"], running, b""), 1):
        _, stream, first, samples = moment.text.split()
        told |= {(stream, number) for number in range(int(first), int(first) + int(samples))}
        left = tmp_path / str(count)
        left.mkdir()
        moment.restore(left)
        spool = Spool(left / "spool.sqlite", max_bytes=100_000_000)
        there = {(b.stream, b.first + at) for b in spool.read(0, spool.newest_id, 2**40) for at in range(b.count)}
        spool.close()
        assert told <= there
    assert count >= 25
