"""Files by CFDP on loopback, and over a long, lossy link beside the TCP of the kernel, which meets the same packets.

    python benchmarks/files.py [megabytes on loopback]

The link is two network namespaces with a relay between TUN devices: 20 Mbit/s with a queue of one round trip, 600 ms
there and back, 2 % of the packets lost each way. A file counts when the receiver has checked it, has it on its disk
and has given it its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from heliograph.link.cfdp.files import FileSource, FileTarget
from heliograph.link.cfdp.transaction import TransactionId
from heliograph.link.cfdp.transfers import Transfers
from heliograph.sim.net import PathModel
from heliograph.testing.peers import namespace_command
from heliograph.testing.relay import FAR_ADDRESS, NEAR_ADDRESS, Relay

LOOPBACK_BYTES = 500_000_000
LINK_BPS = 20e6
LINK = PathModel(300_000_000, 300_000_000, lost=0.02, rate_bps=LINK_BPS, queue_bytes=1_500_000)
LINK_BYTES = 60_000_000
TCP_S = 30.0
OUTAGE_S, OUTAGE_AFTER_S = 10.0, 6.0


def main() -> None:
    if sys.argv[1:2] == ["receive"]:
        receive(Path(sys.argv[2]), sys.argv[3])
    elif sys.argv[1:2] == ["tcp"]:
        tcp_receive()
    elif "HELIOGRAPH_FILES" not in os.environ:
        command = [*namespace_command(), sys.executable, *sys.argv]
        done = subprocess.run(command, check=False, env=os.environ | {"HELIOGRAPH_FILES": "1"})
        sys.exit(done.returncode)
    else:
        bench(int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else LOOPBACK_BYTES)


def bench(loopback_bytes: int) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    rates = [loopback(loopback_bytes) for _ in range(3)]
    print(f"20 Mbit/s, 600 ms, 2 % lost, {LINK_BYTES / 1e6:.0f} MB", flush=True)
    with Relay(LINK, seed=1) as relay:
        known_bps = link(relay, "CFDP, told of 20 Mbit/s", LINK_BPS)
        adaptive_bps = link(relay, "CFDP, told of nothing", None)
        for congestion in ("cubic", "bbr"):
            tcp(relay, congestion)
        back_s = outage(relay)
    rate = statistics.median(rates)
    print(
        f"files: {rate:.0f} MB/s on loopback; at 20 Mbit/s, 600 ms, 2 % loss {known_bps / 1e6:.1f} Mbit/s "
        f"({adaptive_bps / 1e6:.1f} untold); after {OUTAGE_S:.0f} s of outage data verified in {back_s:.1f} s"
    )


def loopback(size_bytes: int) -> float:
    """Give the rate in MB/s from the call to the acknowledged end; the hash is taken before, for the announcement."""
    with sending([sys.executable], "127.0.0.1", "127.0.0.1", size_bytes, None) as (took, hashed_s, _):
        took_s = took()
    rate = size_bytes / took_s / 1e6
    print(
        f"loopback: {size_bytes / 1e6:.0f} MB in {took_s:.2f} s, {rate:.0f} MB/s; its hash took {hashed_s:.2f} s before"
    )
    return rate


def link(relay: Relay, name: str, rate_bps: float | None) -> float:
    far = relay.at_far_end(sys.executable)
    with sending(far, NEAR_ADDRESS, FAR_ADDRESS, LINK_BYTES, rate_bps) as (took, _, _):
        took_s = took()
    goodput_bps = LINK_BYTES * 8 / took_s
    print(f"  {name:26} {goodput_bps / 1e6:6.2f} Mbit/s  ({took_s:.1f} s, start and end included)", flush=True)
    return goodput_bps


def outage(relay: Relay) -> float:
    """Cut the link in the middle of a transfer; give how long after its return the receiver has verified more."""
    far = relay.at_far_end(sys.executable)
    with sending(far, NEAR_ADDRESS, FAR_ADDRESS, LINK_BYTES, LINK_BPS) as (took, _, verified):
        time.sleep(OUTAGE_AFTER_S)
        relay.cut()
        time.sleep(OUTAGE_S)
        before = verified()
        relay.restore()
        back_s = time.monotonic()
        while verified() == before and time.monotonic() - back_s < 30:
            time.sleep(0.01)
        took_s = time.monotonic() - back_s
        took()
    print(f"  after {OUTAGE_S:.0f} s of outage the receiver has verified more in {took_s:.2f} s")
    return took_s


@contextmanager
def sending(
    python: Sequence[str], near: str, far: str, size_bytes: int, rate_bps: float | None
) -> Iterator[tuple[Callable[[], float], float, Callable[[], int]]]:
    """Send to a process at the other end; give what waits for the time it took, the hash's, and what is verified."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = os.urandom(size_bytes)
        (folder / "source").write_bytes(data)
        start_s = time.monotonic()
        sha256 = hashlib.sha256(data).digest()
        hashed_s = time.monotonic() - start_s
        del data
        command = [*python, __file__, "receive", name, far]
        with (
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as receiver,
            Transfers(folder / "near", entity=1, listen=(near, 0), rate_bps=rate_bps) as transfers,
        ):
            told = lines(receiver)
            address = (far, int(told["port"]))
            start_s = time.monotonic()
            id = transfers.send(FileSource(str(folder / "source")), "copy", peer=2, peer_address=address)
            announce = {"id": str(id), "size": size_bytes, "sha256": sha256.hex()}
            receiver.stdin.write(json.dumps(announce) + "\n")  # type: ignore[union-attr]
            receiver.stdin.flush()  # type: ignore[union-attr]
            verified = 0
            ended = threading.Event()

            def listen() -> None:
                nonlocal verified
                while not ended.is_set():
                    verified = int((told := lines(receiver))["verified"])
                    if told["state"] == "completed":
                        ended.set()

            listening = threading.Thread(target=listen)
            listening.start()

            def took() -> float:
                if not ended.wait(600):
                    sys.exit("the file did not arrive")
                return time.monotonic() - start_s

            yield took, hashed_s, lambda: verified
            transfers.wait(id, 10)
            listening.join()
            receiver.stdin.close()  # type: ignore[union-attr]


def lines(receiver: subprocess.Popen[str]) -> dict[str, Any]:
    line = receiver.stdout.readline()  # type: ignore[union-attr]
    if not line:
        sys.exit("the receiver ended")
    told: dict[str, Any] = json.loads(line)
    return told


def receive(folder: Path, address: str) -> None:
    """The other end: takes an announcement from its input, and tells on its output how it gets on."""

    def tell(**told: object) -> None:
        print(json.dumps(told), flush=True)

    with Transfers(
        folder / "far",
        entity=2,
        listen=(address, 0),
        on_event=lambda status: tell(state=status.state.value, verified=status.verified_bytes),
    ) as transfers:
        tell(port=transfers.address[1])
        told = json.loads(sys.stdin.readline())
        id = TransactionId.parse(told["id"])
        target = FileTarget(folder / "copy")
        transfers.expect(id, target, size_bytes=told["size"], sha256=bytes.fromhex(told["sha256"]))
        sys.stdin.read()


def tcp(relay: Relay, congestion: str) -> None:
    """Print what a TCP stream brings over the same link in a while."""
    known = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    if congestion not in known:
        print(f"  TCP {congestion:22} not in this kernel")
        return
    command = relay.at_far_end(sys.executable, __file__, "tcp")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        port = int(receiver.stdout.readline())  # type: ignore[union-attr]
        with socket.create_connection((FAR_ADDRESS, port)) as stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
            stream.settimeout(TCP_S)
            end_s = time.monotonic() + TCP_S
            piece = bytes(1 << 14)
            while time.monotonic() < end_s:
                try:
                    stream.send(piece)
                except TimeoutError:
                    break
            # What waits here for its turn is not to keep the next one waiting.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, (1).to_bytes(4, "little") + bytes(4))
        told = json.loads(receiver.stdout.readline())  # type: ignore[union-attr]
    print(f"  TCP {congestion:22} {told['bytes'] * 8 / TCP_S / 1e6:6.2f} Mbit/s  (over {TCP_S:.0f} s)", flush=True)


def tcp_receive() -> None:
    with socket.create_server((FAR_ADDRESS, 0)) as server:
        print(server.getsockname()[1], flush=True)
        stream, _ = server.accept()
        stream.settimeout(TCP_S)
        received, end_s = 0, time.monotonic() + TCP_S
        while time.monotonic() < end_s:
            try:
                piece = stream.recv(1 << 16)
            except OSError:
                break
            received += len(piece)
            if not piece:
                break
        print(json.dumps({"bytes": received}), flush=True)


if __name__ == "__main__":
    main()
