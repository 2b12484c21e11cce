"""Telemetry that nothing loses, between two processes: `python benchmarks/spool.py [seconds]`.

A sample is a time and 18 doubles. Both ends commit with an fsync: the board before it sends, the ground before it
acknowledges. Real files (in /var/tmp), real Zenoh over loopback.

- Sustained: 21 000 samples/s, taken one by one or as arrays, with both processes on one core.
- Backlog: 1 000 000 samples that wait on board, drained while live ones come at 100/s; on all cores.

A delay is from the time of a sample to its commit at the ground. At the end the ground's file is read: every sample
must be there, once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from heliograph.link.archive import SqliteArchive
from heliograph.link.channel import Channel, Stream
from heliograph.link.collector import Collector
from heliograph.link.dictionary import Role
from heliograph.link.keys import PrivateKey, PublicKey
from heliograph.link.settings import PORT, LinkSettings
from heliograph.link.telemetry import Block
from heliograph.link.trust import Pin, Trust
from heliograph.link.zenoh import open_bus
from heliograph.node.outlet import Recorder
from heliograph.testing.addresses import loopback_address
from heliograph.testing.processes import cpu_s, private_bytes
from heliograph.testing.telemetry_board import telemetry_board

CHANNELS = tuple(Channel(name=f"v{number}") for number in range(18))
FAST, SLOW = Stream(name="fast", channels=CHANNELS), Stream(name="slow", channels=CHANNELS)
# A little more than the 20 000 samples/s that are to be sustained.
RATE_HZ, SLOW_RATE_HZ, BACKLOG = 21_000, 100, 1_000_000
TICK_S = 0.01
MOST_SAMPLES = 10_000_000


class Process:
    """One end of the link in a process of its own, which does what it is told in lines and answers in JSON."""

    def __init__(self, resources: ExitStack, *words: str) -> None:
        command = [sys.executable, __file__, *words]
        self._process = resources.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        resources.callback(self._process.kill)
        self.pid = self._process.pid
        self.answer()

    def ask(self, *words: object) -> Any:
        """Have something done, and give what came of it."""
        if self._process.stdin:
            print(*words, file=self._process.stdin, flush=True)
        return self.answer()

    def answer(self) -> Any:
        return json.loads(self._process.stdout.readline()) if self._process.stdout else None


class Link:
    """A board, and a ground that may be begun later; their files go when it ends."""

    def __init__(self, resources: ExitStack) -> None:
        self._resources = resources
        folder = Path(resources.enter_context(TemporaryDirectory(dir="/var/tmp")))
        address = resources.enter_context(loopback_address())
        key = PrivateKey.generate()
        key.write(folder / "key")
        self._endpoint, self._key, self.archive = f"tcp/{address}:{PORT}", folder / "key", folder / "archive.sqlite"
        self.board = Process(resources, "--board", self._endpoint, str(folder), key.public.hex)

    def ground(self) -> Process:
        return Process(self._resources, "--ground", self._endpoint, str(self.archive), str(self._key))

    def check(self, stream: str, count: int) -> None:
        """Every sample must be there, once, with its values. Exits when one is not."""
        with SqliteArchive(self.archive, read_only=True) as archive:
            (node,) = archive.nodes()
            expected = 1
            for samples in archive.samples(node, stream, 0, 2**62):
                numbers = np.arange(expected, expected + len(samples))
                if not (np.array_equal(samples.sequences, numbers) and np.array_equal(samples.rows["v17"], numbers)):
                    sys.exit(f"samples of {stream} from {expected} on are not what was taken")
                expected += len(samples)
        if expected != count + 1:
            sys.exit(f"{expected - 1} samples of {stream} are there, {count} were taken")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    print("a sample is 18 doubles, committed with an fsync at both ends; Zenoh over loopback")
    print(f"{'both processes on one core':30}{'samples/s':>11}{'board':>8}{'ground':>8}{'delay ms':>10}{'99 %':>8}")
    rates_hz = [run_sustained(how, seconds) for how in ("arrays", "one by one")]
    drained_hz, delay_ms = run_backlog()
    print(
        f"spool: {min(rates_hz):.0f} samples/s sustained on one core; backlog of {BACKLOG} drained at {drained_hz:.0f}"
        f" samples/s, live samples {delay_ms:.0f} ms late meanwhile; nothing lost, nothing twice"
    )


def run_sustained(how: str, seconds: float) -> float:
    """Give the samples a second that were committed at both ends."""
    with ExitStack() as resources:
        link = Link(resources)
        board, ground = link.board, link.ground()
        for each in (board, ground):
            for thread in Path(f"/proc/{each.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {0})
        board.ask("live", RATE_HZ, 1.0, how)
        board.ask("settle")
        ground.ask("report")
        before, begin_s = (cpu_s(board.pid), cpu_s(ground.pid)), time.monotonic()
        taken = board.ask("live", RATE_HZ, seconds, how)
        board.ask("settle")
        took_s = time.monotonic() - begin_s
        used = [(cpu_s(each.pid) - was) / took_s for each, was in zip((board, ground), before, strict=True)]
        report = ground.ask("report")
        link.check("fast", taken)
    rate_hz: float = report["fast"]["rate_hz"]
    print(
        f"{how:30}{rate_hz:11.0f}{used[0]:8.0%}{used[1]:8.0%}"
        f"{report['fast']['median_ms']:10.1f}{report['fast']['slow_ms']:8.1f}"
    )
    return rate_hz


def run_backlog() -> tuple[float, float]:
    """Give the samples a second at which a backlog drained, and the median delay of live samples meanwhile."""
    with ExitStack() as resources:
        link = Link(resources)
        spooled_s = link.board.ask("backlog", BACKLOG)
        link.board.ask("slow")
        ground = link.ground()
        before, begin_s = [(each, cpu_s(each.pid)) for each in (link.board, ground)], time.monotonic()
        report = {"fast": {"samples": 0}}
        while report["fast"]["samples"] < BACKLOG:
            time.sleep(0.1)
            report = ground.ask("count")
        used = [(cpu_s(each.pid) - was) / (time.monotonic() - begin_s) for each, was in before]
        report = ground.ask("report")
        sizes_mb = [private_bytes(each.pid) / 1e6 for each in (link.board, ground)]
        taken = link.board.ask("stop")
        link.board.ask("settle")
        link.check("fast", BACKLOG)
        link.check("slow", taken)
    rate_hz, slow = report["fast"]["rate_hz"], report["slow"]
    print(f"a backlog of {BACKLOG} samples, spooled on board at {BACKLOG / spooled_s:.0f} samples/s")
    print(f"  drained at {rate_hz:.0f} samples/s; CPU of board {used[0]:.0%}, ground {used[1]:.0%}")
    print(f"  memory of board {sizes_mb[0]:.0f} MB, ground {sizes_mb[1]:.0f} MB")
    print(
        f"  live at {SLOW_RATE_HZ}/s meanwhile: {slow['median_ms']:.1f} ms late, 99 % within {slow['slow_ms']:.1f} ms"
    )
    return rate_hz, slow["median_ms"]


def board(endpoint: str, folder: str, pinned: str) -> None:
    """The board's process: takes samples as it is told; the values of sample n are n."""
    trust = Trust([Pin(PublicKey.parse(pinned), Role.ARCHIVE, archive=True)], None)
    bus = open_bus(LinkSettings(listen=(endpoint,)))
    with telemetry_board(bus, Path(folder) / "telemetry", PrivateKey.generate(), trust, max_bytes=10**9) as telemetry:
        fast, slow = telemetry.declare(FAST), telemetry.declare(SLOW)
        stop, taken, slow_taken = threading.Event(), 0, [0]
        source = threading.Thread(
            target=lambda: slow_taken.append(live(slow, 0, SLOW_RATE_HZ, 3600, "one by one", stop))
        )
        say("ready")
        for line in sys.stdin:
            match line.split(maxsplit=3):
                case ["live", rate_hz, seconds, how]:
                    taken = live(fast, taken, int(rate_hz), float(seconds), how.strip(), stop)
                    say(taken)
                case ["backlog", count]:
                    say(fill(fast, int(count), telemetry.spooled))
                case ["slow"]:
                    source.start()
                    say("started")
                case ["stop"]:
                    stop.set()
                    source.join()
                    say(slow_taken[-1])
                case ["settle"]:
                    while telemetry.spooled():
                        time.sleep(0.005)
                    say("settled")
    bus.close()


def live(recorder: Recorder, taken: int, rate_hz: int, seconds: float, how: str, stop: threading.Event) -> int:
    """Take samples at a rate, and give the number of the last."""
    begin_s, before = time.monotonic(), taken
    while not stop.is_set() and (now_s := time.monotonic() - begin_s) < seconds:
        due = before + int(now_s * rate_hz)
        if how == "arrays":
            numbers = np.arange(taken + 1, due + 1, dtype=np.float64)
            recorder.samples(np.full(len(numbers), now_ns()), rows(numbers))
        else:
            for number in range(taken + 1, due + 1):
                recorder.sample((float(number),) * 18)
        taken = due
        stop.wait(TICK_S)
    return taken


def fill(recorder: Recorder, count: int, spooled: Any) -> float:
    """Spool samples as fast as it goes; gives the seconds until all are on the disk."""
    begin_s, step = time.monotonic(), 5000
    for first in range(1, count + 1, step):
        recorder.samples(np.full(step, now_ns()), rows(np.arange(first, first + step, dtype=np.float64)))
        while first + step - spooled() > 10 * step:
            time.sleep(0.001)
    while spooled() < count:
        time.sleep(0.001)
    return time.monotonic() - begin_s


def rows(numbers: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, Any]:
    return np.repeat(numbers, 18).view(FAST.dtype)


def ground(endpoint: str, archive: str, key: str) -> None:
    """The ground's process: collects, and tells how late samples were committed."""
    delays_ns: dict[str, list[np.ndarray[Any, np.dtype[np.int64]]]] = {}
    seen_s: dict[str, list[float]] = {}
    seen = {each.name: np.zeros(MOST_SAMPLES, bool) for each in (FAST, SLOW)}

    def note(block: Block) -> None:
        numbers = slice(block.first, block.first + block.count)
        if block.stream not in seen or seen[block.stream][numbers].all():
            return
        # What comes again is no progress.
        times_ns = np.frombuffer(block.times, "<i8")[~seen[block.stream][numbers]]
        seen[block.stream][numbers] = True
        # What was taken before somebody was there is late for another reason.
        if block.stream == SLOW.name:
            times_ns = times_ns[times_ns > begin_ns]
        delays_ns.setdefault(block.stream, []).append(now_ns() - times_ns)
        seen_s.setdefault(block.stream, []).append(time.monotonic())

    begin_ns = now_ns()
    bus = open_bus(LinkSettings(mode="router", listen=(), connect=(endpoint,)))
    with SqliteArchive(Path(archive)) as opened, Collector(bus, opened, PrivateKey.read(Path(key)), on_block=note):
        begin_ns = now_ns()
        say("ready")
        for line in sys.stdin:
            report: dict[str, dict[str, float]] = {"fast": {"samples": 0}}
            for stream, blocks in delays_ns.copy().items():
                report[stream] = {"samples": sum(map(len, blocks))}
                if line.strip() == "report":
                    took_s = seen_s[stream][-1] - seen_s[stream][0]
                    delays_ms = np.concatenate(blocks) / 1e6
                    # A rate is of what came after the first block.
                    report[stream] |= {"rate_hz": (len(delays_ms) - len(blocks[0])) / took_s if took_s else 0.0}
                    report[stream] |= {"median_ms": np.median(delays_ms), "slow_ms": np.percentile(delays_ms, 99)}
                    blocks.clear()
                    seen_s[stream].clear()
            say(report)
    bus.close()


def now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    if "--board" in sys.argv:
        board(*sys.argv[2:])
    elif "--ground" in sys.argv:
        ground(*sys.argv[2:])
    else:
        main()
