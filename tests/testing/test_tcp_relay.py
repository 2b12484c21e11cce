"""A place where a TCP connection is cut."""

from __future__ import annotations

import socket
import threading

import pytest

from heliograph.testing.tcp_relay import TcpRelay


def echo_once(listener: socket.socket) -> None:
    end, _ = listener.accept()
    with end:
        while data := end.recv(1000):
            end.sendall(data)


@pytest.mark.parametrize("to_target", [True, False])
def test_it_cuts_after_so_many_bytes(to_target: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=echo_once, args=(listener,))
        thread.start()
        with TcpRelay(listener.getsockname()) as relay, socket.create_connection(relay.address, timeout=5) as near:
            relay.cut_after(7, to_target=to_target)
            near.sendall(b"four")
            assert near.recv(100) == b"four"
            near.sendall(b"and more")
            came = b"".join(iter(lambda: near.recv(100), b""))
            # What went to the target may not have come back before the cut.
            assert came == b"and" or (to_target and b"and".startswith(came))
            assert relay.struck.wait(5)
        thread.join(5)
        assert not thread.is_alive()
