"""Sockets and the errors that say what to do."""

import errno
import socket

import pytest

from heliograph.core import AddressError
from heliograph.gige.gvcp import PORT
from heliograph.gige.sockets import open_broadcast_listener, open_control, open_stream_source


def test_port_of_a_camera_is_taken_once(address: str) -> None:
    with open_control(address) as control:
        assert control.getsockname() == (address, PORT)
        with pytest.raises(AddressError, match="in use by another camera"):
            open_control(address)


def test_address_of_another_machine() -> None:
    with pytest.raises(AddressError, match=r"203\.0\.113\.7 is no address of this machine"):
        open_stream_source("203.0.113.7")


def test_stream_is_never_fragmented(address: str) -> None:
    with open_stream_source(address) as source, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        assert source.getsockname()[0] == address
        # Nothing is too large for loopback, so fragments cannot be looked for: ask IP_MTU_DISCOVER itself.
        assert source.getsockopt(socket.IPPROTO_IP, 10) == 2


def test_any_number_of_cameras_hears_a_broadcast() -> None:
    with (
        open_broadcast_listener("127.255.255.255", "lo") as one,
        open_broadcast_listener("127.255.255.255", "lo") as other,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anyone,
    ):
        anyone.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        anyone.bind(("127.0.0.1", 0))
        anyone.sendto(b"who is there?", ("127.255.255.255", PORT))
        for listener in (one, other):
            listener.settimeout(5)
            while listener.recv(100) != b"who is there?":
                pass  # what other tests broadcast meanwhile


def test_interface_that_does_not_exist() -> None:
    with pytest.raises(AddressError) as error:
        open_broadcast_listener("255.255.255.255", "no-such0")
    assert isinstance(error.value.__cause__, OSError)
    assert error.value.__cause__.errno == errno.ENODEV
