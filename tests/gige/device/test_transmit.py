"""Runs of packets over a real socket, whether the kernel cuts them or not."""

from __future__ import annotations

import ctypes
import errno
import socket
from typing import Any

import numpy as np
import pytest

from heliograph.gige.device.transmit import MOST_PACKETS, Transmitter
from heliograph.gige.gvsp import PayloadPackets
from heliograph.testing.packets import datagrams


def sent(transmitter: Transmitter, host: socket.socket, payload_bytes: int) -> tuple[list[bytes], list[bytes]]:
    """Send a frame; give its packets as they should be, and as they came."""
    packets = PayloadPackets(payload_bytes, 1500)
    packets.fill(np.random.default_rng(1).integers(0, 256, payload_bytes, np.uint8), 7)
    wanted = []
    for run in packets.runs(MOST_PACKETS):
        transmitter.send(run)
        wanted += datagrams(run)
    return wanted, [host.recv(65536) for _ in wanted]


@pytest.fixture
def sockets(address: str) -> Any:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host,
    ):
        source.bind((address, 0))
        host.bind((address, 0))
        host.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        host.settimeout(5)
        yield source, host


@pytest.mark.parametrize("payload_bytes", [1, 1464, 1465, 44 * 1464, 44 * 1464 + 1, 200_000])
def test_what_is_sent_arrives(sockets: Any, payload_bytes: int) -> None:
    source, host = sockets
    wanted, came = sent(Transmitter(source, host.getsockname(), 1472), host, payload_bytes)
    assert came == wanted


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EIO, errno.EOPNOTSUPP, errno.ENOPROTOOPT])
def test_a_kernel_that_cannot_cut_gets_packets_one_by_one(sockets: Any, code: int) -> None:
    source, host = sockets
    transmitter = Transmitter(source, host.getsockname(), 1472)
    real, calls = transmitter._sendmmsg, []

    def old_kernel(descriptor: int, at: int, count: int, flags: int) -> int:
        calls.append(count)
        if len(calls) == 1:
            ctypes.set_errno(code)
            return -1
        return int(real(descriptor, at, min(count, 5), flags))

    transmitter._sendmmsg = old_kernel  # type: ignore[assignment]  # in place of a function of C
    wanted, came = sent(transmitter, host, 200_000)
    assert came == wanted
    assert calls[1] == MOST_PACKETS, "it is asked once whether it can"


def test_an_address_that_is_gone_for_a_moment_says_nothing_about_cutting(sockets: Any) -> None:
    source, host = sockets
    transmitter = Transmitter(source, host.getsockname(), 1472)
    real, calls = transmitter._sendmmsg, []

    def gone_at_first(descriptor: int, at: int, count: int, flags: int) -> int:
        calls.append(count)
        if len(calls) <= 2:
            ctypes.set_errno(errno.EINVAL)
            return -1
        return int(real(descriptor, at, count, flags))

    transmitter._sendmmsg = gone_at_first  # type: ignore[assignment]  # in place of a function of C
    packets = PayloadPackets(3000, 1500)
    packets.fill(np.zeros(3000, np.uint8), 1)
    with pytest.raises(OSError, match="Invalid argument"):
        transmitter.send(next(packets.runs(9)))
    wanted, came = sent(transmitter, host, 200_000)
    assert came == wanted
    assert calls[2:] == [1] * 4, "whole runs again"


def test_an_interrupted_call_is_made_again(sockets: Any) -> None:
    source, host = sockets
    transmitter = Transmitter(source, host.getsockname(), 1472)
    real, interruptions = transmitter._sendmmsg, iter([True, True])

    def interrupted(*arguments: int) -> int:
        if next(interruptions, False):
            ctypes.set_errno(errno.EINTR)
            return -1
        return int(real(*arguments))

    transmitter._sendmmsg = interrupted  # type: ignore[assignment]  # in place of a function of C
    wanted, came = sent(transmitter, host, 5000)
    assert came == wanted


def test_a_network_that_fails_is_told(sockets: Any) -> None:
    source, host = sockets
    transmitter = Transmitter(source, host.getsockname(), 1472)
    source.close()
    packets = PayloadPackets(3000, 1500)
    packets.fill(np.zeros(3000, np.uint8), 1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        transmitter.send(next(packets.runs(9)))
