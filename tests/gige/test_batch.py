"""Batches of datagrams from a real socket, coalesced by the kernel and not."""

from __future__ import annotations

import socket
import struct
from functools import partial

import numpy as np

from heliograph.gige.client.batch import BatchReceiver

UDP_SEGMENT = 103
PACKET_BYTES = 100


def sockets(*addresses: str) -> list[socket.socket]:
    opened = []
    for address in addresses:
        opened.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        opened[-1].bind((address, 0))
    return opened


def test_single_packets_and_runs(address: str) -> None:
    source, host = sockets(address, address)
    with source, host:
        batches = BatchReceiver([host], address, PACKET_BYTES)
        lengths, segments = batches.receive([host.fileno()])
        assert len(lengths) == len(segments) == 0
        source.sendto(b"leader", host.getsockname())
        source.sendmsg([bytes(range(250))], [(17, UDP_SEGMENT, struct.pack("=H", 100))], 0, host.getsockname())
        source.sendto(b"trailer!", host.getsockname())
        lengths, segments = batches.receive([host.fileno()])
        assert lengths.tolist() == [6, 250, 8]
        assert segments.tolist() == [0, 100, 0]
        assert batches.memory[0, :6].tobytes() == b"leader"
        assert batches.memory[1, :250].tobytes() == bytes(range(250))
        # A message that was not coalesced must not inherit the segment size of its predecessor in the same slot.
        for _ in range(3):
            source.sendto(b"x" * 50, host.getsockname())
        lengths, segments = batches.receive([host.fileno()])
        assert (lengths.tolist(), segments.tolist()) == ([50] * 3, [0] * 3)


def test_packets_of_others_count_for_nothing(address: str) -> None:
    stranger_address = "127.0.0.1"  # of no test
    source, stranger, host = sockets(address, stranger_address, address)
    with source, stranger, host:
        batches = BatchReceiver([host], address, PACKET_BYTES)
        stranger.sendto(b"spoofed", host.getsockname())
        source.sendto(b"true", host.getsockname())
        lengths, _ = batches.receive([host.fileno()])
        assert lengths.tolist() == [0, 4]


def test_more_packets_than_a_batch_come_in_order(address: str) -> None:
    source, host = sockets(address, address)
    with source, host:
        batches = BatchReceiver([host], address, PACKET_BYTES)
        for number in range(100):
            source.sendto(number.to_bytes(4, "big"), host.getsockname())
        seen = []
        while len(lengths := batches.receive([host.fileno()])[0]):
            seen += [int(word) for word in batches.memory[: len(lengths), :4].copy().view(">u4")[:, 0]]
        assert seen == list(range(100))


def test_rows_do_not_share_cache_sets() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
        memory = BatchReceiver([host], "127.0.0.1", PACKET_BYTES).memory
    assert memory.shape[1] >= 65_536
    assert np.gcd(memory.strides[0], 4096) < 4096


def test_several_sockets_fill_one_batch_in_turn(address: str) -> None:
    source, *hosts = sockets(address, address, address)
    with source, hosts[0], hosts[1]:
        batches = BatchReceiver(hosts, address, PACKET_BYTES)
        room = len(batches.memory)
        for number in range(room):
            source.sendto(number.to_bytes(4, "big"), hosts[number % 4 == 0].getsockname())
        extra = b"left for the next call"
        source.sendto(extra, hosts[1].getsockname())
        descriptors = [host.fileno() for host in hosts]
        assert len(batches.receive(descriptors)[0]) == room
        numbers = batches.memory[:, :4].copy().view(">u4")[:, 0].tolist()
        assert numbers == [k for k in range(room) if k % 4] + list(range(0, room, 4))
        assert batches.receive(descriptors)[0].tolist() == [len(extra)]


def test_single_packets_get_a_memory_of_their_own(address: str) -> None:
    source, host = sockets(address, address)
    run = ([bytes(range(250))], [(17, UDP_SEGMENT, struct.pack("=H", PACKET_BYTES))], 0, host.getsockname())
    with source, host:
        batches = BatchReceiver([host], address, PACKET_BYTES)
        receive = partial(batches.receive, [host.fileno()])
        coalescing = batches.memory
        source.sendmsg(*run)
        assert receive()[1].tolist() == [PACKET_BYTES]
        singles = 0
        while not batches.settle():
            assert batches.memory is coalescing
            source.sendto(b"single", host.getsockname())
            singles += len(receive()[0])
        assert singles >= 1000, "the kernel has been seen not to coalesce"
        assert batches.memory.size < coalescing.size / 10
        assert not batches.settle()
        # From now on a run comes in pieces, and a packet that is too long is seen to be: it is cut, but not to size.
        source.sendmsg(*run)
        source.sendto(bytes(5000), host.getsockname())
        lengths, segments = receive()
        assert lengths[:3].tolist() == [100, 100, 50]
        assert lengths[3] > PACKET_BYTES
        assert segments.tolist() == [0, 0, 0, 0]
        assert batches.memory[1, :100].tobytes() == bytes(range(100, 200))


def test_a_run_that_is_coalesced_begins_the_count_of_singles_anew(address: str) -> None:
    source, host = sockets(address, address)
    with source, host:
        batches = BatchReceiver([host], address, PACKET_BYTES)
        for number in range(4000):
            if number % 1000:
                source.sendto(b"single", host.getsockname())
            else:
                segment = [(17, UDP_SEGMENT, struct.pack("=H", PACKET_BYTES))]
                source.sendmsg([bytes(200)], segment, 0, host.getsockname())
            batches.receive([host.fileno()])
            assert not batches.settle()
