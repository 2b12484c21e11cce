"""Batches of datagrams from a real socket, coalesced by the kernel and not."""

from __future__ import annotations

import socket
import struct

import numpy as np

from heliograph.gige.client.batch import BatchReceiver

UDP_SEGMENT = 103


def sockets(*addresses: str) -> list[socket.socket]:
    opened = []
    for address in addresses:
        opened.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        opened[-1].bind((address, 0))
    return opened


def test_single_packets_and_runs(address: str) -> None:
    source, host = sockets(address, address)
    with source, host:
        batches = BatchReceiver([host], address)
        lengths, segments = batches.receive(host.fileno())
        assert len(lengths) == len(segments) == 0
        source.sendto(b"leader", host.getsockname())
        source.sendmsg([bytes(range(250))], [(17, UDP_SEGMENT, struct.pack("=H", 100))], 0, host.getsockname())
        source.sendto(b"trailer!", host.getsockname())
        lengths, segments = batches.receive(host.fileno())
        assert lengths.tolist() == [6, 250, 8]
        assert segments.tolist() == [0, 100, 0]
        assert batches.memory[0, :6].tobytes() == b"leader"
        assert batches.memory[1, :250].tobytes() == bytes(range(250))
        # A message that was not coalesced must not inherit the segment size of its predecessor in the same slot.
        for _ in range(3):
            source.sendto(b"x" * 50, host.getsockname())
        lengths, segments = batches.receive(host.fileno())
        assert (lengths.tolist(), segments.tolist()) == ([50] * 3, [0] * 3)


def test_packets_of_others_count_for_nothing(address: str) -> None:
    stranger_address = address.rsplit(".", 1)[0] + ".254"
    source, stranger, host = sockets(address, stranger_address, address)
    with source, stranger, host:
        batches = BatchReceiver([host], address)
        stranger.sendto(b"spoofed", host.getsockname())
        source.sendto(b"true", host.getsockname())
        lengths, _ = batches.receive(host.fileno())
        assert lengths.tolist() == [0, 4]


def test_more_packets_than_a_batch_come_in_order(address: str) -> None:
    source, host = sockets(address, address)
    with source, host:
        batches = BatchReceiver([host], address)
        for number in range(100):
            source.sendto(number.to_bytes(4, "big"), host.getsockname())
        seen = []
        while len(lengths := batches.receive(host.fileno())[0]):
            seen += [int(word) for word in batches.memory[: len(lengths), :4].copy().view(">u4")[:, 0]]
        assert seen == list(range(100))


def test_rows_do_not_share_cache_sets() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
        memory = BatchReceiver([host], "127.0.0.1").memory
    assert memory.shape[1] >= 65_536
    assert np.gcd(memory.strides[0], 4096) < 4096
