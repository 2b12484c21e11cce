"""A bad network between two sockets."""

import socket
import threading

from heliograph.sim.net import PathModel
from heliograph.testing.udp_relay import UdpRelay


def echoing(server: socket.socket) -> None:
    while True:
        data, address = server.recvfrom(65_536)
        if not data:
            return
        server.sendto(data.upper(), address)


def test_it_passes_on_loses_and_stalls() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=echoing, args=(server,))
        thread.start()
        model = PathModel(shortest_ns=1_000_000, longest_ns=5_000_000)
        with UdpRelay(server.getsockname(), model, seed=1) as relay:
            for each, said in ((one, b"one"), (other, b"other")):
                each.settimeout(5)
                each.sendto(said, relay.address)
                assert each.recv(100) == said.upper()
            relay.stall()
            one.sendto(b"lost", relay.address)
            one.settimeout(0.1)
            try:
                raise AssertionError(one.recv(100))
            except TimeoutError:
                pass
            relay.resume()
            one.settimeout(5)
            one.sendto(b"back", relay.address)
            assert one.recv(100) == b"BACK"
        one.sendto(b"", server.getsockname())
        thread.join(5)
        assert not thread.is_alive()
