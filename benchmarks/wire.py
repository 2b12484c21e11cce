"""GigE Vision on a 1 Gbit/s link whose packets are all real, beside the request-and-reply way over TCP.

    python benchmarks/wire.py [seconds]

Two network namespaces joined by a veth pair, with a token bucket that lets 1 Gbit/s pass and cuts the kernel's
super-packets into packets of 1500 bytes. Packets are counted at the client's interface.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from heliograph.core import PixelFormat
from heliograph.gige.gvsp import packet_count
from heliograph.testing import tcp_camera
from heliograph.testing.peers import namespace_command
from heliograph.testing.processes import cpu_s, served
from heliograph.testing.wire import CAMERA_ADDRESS, Wire

CAMERA = "sim://bench?sensor=imx477"
PACKET_SIZE_BYTES = 1500
# 1464 bytes of picture in each packet of 1538 bytes on the wire, preamble and gap included.
WIRE_MB_PER_S = 125 * 1464 / 1538
STREAMS = (
    (2028, 1520, "NV12", 25.0),
    (4056, 3040, "NV12", 6.2),
    (2028, 1520, "BGR8", 12.5),
    (4056, 3040, "BGR8", 3.1),
    (1014, 760, "BGR8", 40.0),
    (1014, 760, "NV12", 40.0),
)
# Shares of packets lost, late and doubled.
DISTURBANCES = (
    ("none", (0.0, 0.0, 0.0)),
    ("0.1 % lost", (0.001, 0.0, 0.0)),
    ("1 % lost", (0.01, 0.0, 0.0)),
    ("5 % lost", (0.05, 0.0, 0.0)),
    ("1 % late, 1 % twice", (0.0, 0.01, 0.01)),
)


def main() -> None:
    if "HELIOGRAPH_WIRE" not in os.environ:
        command = [*namespace_command(), sys.executable, *sys.argv]
        done = subprocess.run(command, check=False, env=os.environ | {"HELIOGRAPH_WIRE": "1"})
        sys.exit(done.returncode)
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    best_share = full_rates(seconds)
    sender_share = sender(seconds)
    ratio = beside_tcp(seconds)
    rest = disturbed(seconds)
    print(
        f"wire: {best_share:.1%} of {WIRE_MB_PER_S:.0f} MB/s at 1 Gbit/s, sender {sender_share:.0%} of a core, "
        f"{ratio:.2f} times the frames of TCP, {rest:.1%} of the lossless rate at 1 % loss"
    )


def full_rates(seconds: float) -> float:
    print(f"1 Gbit/s, packets of {PACKET_SIZE_BYTES} bytes, all real")
    print("  picture           asked      frames/s   MB/s  of the wire  packets a frame  incomplete  dropped  receiver")
    best_share = 0.0
    with link() as (wire, _):
        for width, height, pixel_format, rate_hz in STREAMS:
            before = wire.received_packets()
            told = receive(wire, seconds, width, height, pixel_format, rate_hz)
            packets = wire.received_packets() - before
            check_packets(packets, told)
            best_share = max(best_share, told["share"])
            print(row(f"{width}x{height} {pixel_format}", rate_hz, told), flush=True)
    return best_share


def sender(seconds: float) -> float:
    """Stream without the token bucket, which would cut packets in the sender's name; give the share of a core."""
    with link() as (wire, pid):
        wire.lift_limit()
        before = cpu_s(pid)
        told = receive(wire, seconds, *STREAMS[0])
        share = (cpu_s(pid) - before) / told["took_s"]
    print(f"sender at {told['mb_per_s']:.0f} MB/s, without the token bucket: {share:.0%} of a core")
    return share


def beside_tcp(seconds: float) -> float:
    """Give how many times the frames of request and reply ours are, with one camera period on one link."""
    width, height, pixel_format, rate_hz = STREAMS[0]
    with link() as (wire, _):
        ours_hz = receive(wire, seconds, width, height, pixel_format, rate_hz)["rate_hz"]
    with Wire() as wire, tcp_camera.Server(CAMERA, CAMERA_ADDRESS, width, height, pixel_format, rate_hz):
        words = ["-m", tcp_camera.__name__, CAMERA_ADDRESS, str(width), str(height), pixel_format, str(seconds)]
        done = subprocess.run(wire.at_client(sys.executable, *words), capture_output=True, text=True, check=True)
        theirs_hz = float(done.stdout)
    print(
        f"{width}x{height} {pixel_format} at {rate_hz:g} Hz: {ours_hz:.2f} frames/s, request and reply {theirs_hz:.2f}"
    )
    return ours_hz / theirs_hz


def disturbed(seconds: float) -> float:
    """Give the rate at 1 % loss as a share of the lossless one."""
    print("  packets                 frames/s  incomplete  dropped  resent")
    rates_hz = {}
    for name, shares in DISTURBANCES:
        with link() as (wire, _):
            wire.disturb(*shares)
            told = receive(wire, seconds, *STREAMS[0])
            rates_hz[name] = told["rate_hz"]
            numbers = f"{told['incomplete_frames']:11.0f} {told['dropped_frames']:8.0f} {told['resent_packets']:7.0f}"
            print(f"  {name:22} {told['rate_hz']:9.2f} {numbers}", flush=True)
    return rates_hz["1 % lost"] / rates_hz["none"]


@contextmanager
def link() -> Iterator[tuple[Wire, int]]:
    with Wire() as wire, served(CAMERA, addresses=[CAMERA_ADDRESS]) as (_, pid):
        yield wire, pid


def receive(wire: Wire, seconds: float, width: int, height: int, pixel_format: str, rate_hz: float) -> dict[str, float]:
    features = {"Width": width, "Height": height, "PixelFormat": pixel_format, "AcquisitionFrameRate": rate_hz}
    words = [f"{name}={value}" for name, value in features.items()]
    url = f"gige://{CAMERA_ADDRESS}?packet_size={PACKET_SIZE_BYTES}"
    command = wire.at_client(sys.executable, "-m", "heliograph.testing.receiver", url, str(seconds), *words)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    told["rate_hz"] = told["frames"] / told["took_s"]
    told["mb_per_s"] = told["rate_hz"] * PixelFormat.parse(pixel_format).payload_bytes(width, height) / 1e6
    told["share"] = told["mb_per_s"] / WIRE_MB_PER_S
    told["packets"] = packet_count(int(told["frame_bytes"]), PACKET_SIZE_BYTES) + 2
    return told


def check_packets(packets: int, told: dict[str, float]) -> None:
    """Make sure that nobody measures super-packets: every frame brought at least its packets of 1500 bytes."""
    if packets < told["frames"] * told["packets"]:
        sys.exit(f"only {packets} packets for {told['frames']:.0f} frames: these are no packets of a wire")


def row(picture: str, rate_hz: float, told: dict[str, float]) -> str:
    speed = f"{told['rate_hz']:9.2f} {told['mb_per_s']:8.1f} {told['share']:11.1%}"
    losses = f"{told['incomplete_frames']:11.0f} {told['dropped_frames']:8.0f}"
    receiver = told["receiver_s"] / told["took_s"]
    return f"  {picture:16} {rate_hz:5g} Hz {speed} {told['packets']:16.0f} {losses} {receiver:9.0%}"


if __name__ == "__main__":
    main()
